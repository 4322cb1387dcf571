"""The statements on the first contacts of a wave, which planning marks and ``outreach.safeguards`` watches."""

from campaigns.enums import AFTER_REPLY, CampaignStatus, Channel
from outreach.enums import AttemptStatus, TouchStatus
from outreach.stopping import AWAITS_READING, FENCE_CLOSED

PAUSED_CHANNEL = "EXISTS (SELECT 1 FROM outreach_pause s WHERE s.scope IN ('', t.channel) AND s.is_paused)"

AUTOMATIC = f"('{Channel.SMS}', '{Channel.EMAIL}')"
# What answers a reply is no first contact: it follows one.
_FIRST_STEP = f"t.step_id NOT IN (SELECT id FROM campaigns_step WHERE anchor = '{AFTER_REPLY}')"

COUNT_PLANNED = f"""
SELECT count(*) FROM outreach_touch t
 WHERE t.audience_id = %(audience)s AND t.status = '{TouchStatus.PLANNED}' AND t.channel IN {AUTOMATIC}
   AND {_FIRST_STEP}"""

# The first due; among those due together, any: a wave is often written down in the order of its people.
MARK = f"""
WITH first AS (
    SELECT t.id FROM outreach_touch t
     WHERE t.audience_id = %(audience)s AND t.status = '{TouchStatus.PLANNED}' AND t.channel IN {AUTOMATIC}
       AND NOT t.is_canary AND NOT {AWAITS_READING} AND {_FIRST_STEP}
     ORDER BY t.due_at, md5(t.id::text) LIMIT %(size)s)
UPDATE outreach_touch t SET is_canary = true FROM first WHERE t.id = first.id"""

# Once a wave: whoever plans it again leaves its first contacts as they are.
OPEN = """
INSERT INTO outreach_canary (audience_id, size, released_at) VALUES (%(audience)s, %(size)s, %(released_at)s)
    ON CONFLICT DO NOTHING RETURNING audience_id"""

# A try that the operator took, or may have taken, is a departure; a refusal for good is an end as good as another.
_DEPARTED = f"""(t.status = '{TouchStatus.FAILED}' OR EXISTS (
    SELECT 1 FROM outreach_attempt o WHERE o.touch_id = t.id
       AND (o.submitted_at IS NOT NULL OR o.status = '{AttemptStatus.UNCONFIRMED}')))"""

_MAY_LEAVE = f"""(t.status IN ('{TouchStatus.PLANNED}', '{TouchStatus.CLAIMED}', '{TouchStatus.SENDING}')
             AND NOT {AWAITS_READING})"""

# Every few seconds: found by ``touch_canary`` and ``touch_campaign_status``, however many contacts there are.
READ_HELD = f"""
SELECT k.audience_id, k.size,
       count(*) FILTER (WHERE f.has_departed), count(*) FILTER (WHERE NOT f.has_departed AND f.may_leave),
       (SELECT count(*) FROM outreach_touch t
         WHERE t.campaign_id = a.campaign_id AND t.audience_id = k.audience_id AND NOT t.is_canary
           AND t.status = '{TouchStatus.PLANNED}' AND t.channel IN {AUTOMATIC} AND {_FIRST_STEP}),
       max(f.last_at)
  FROM outreach_canary k
  JOIN campaigns_audience a ON a.id = k.audience_id AND a.superseded_at IS NULL
  JOIN campaigns_campaign c ON c.id = a.campaign_id AND c.status = '{CampaignStatus.RUNNING}'
  LEFT JOIN LATERAL (
      SELECT {_DEPARTED} AS has_departed,
             {_MAY_LEAVE} AS may_leave,
             (SELECT max(o.intent_at) FROM outreach_attempt o WHERE o.touch_id = t.id) AS last_at
        FROM outreach_touch t WHERE t.audience_id = k.audience_id AND t.is_canary) f ON true
 WHERE k.released_at IS NULL
 GROUP BY k.audience_id, k.size, a.campaign_id ORDER BY k.audience_id"""

# How many waves wait; since when the oldest should have gone on, if nobody stopped it; when the first of the rest will.
# A first contact that may leave is awaited until it is due; once they have all left, the wave is judged until the hold.
WAITING = f"""
SELECT count(*), min(f.at) FILTER (WHERE f.at <= %(now)s AND NOT f.is_stopped), min(f.at) FILTER (WHERE f.at > %(now)s)
  FROM outreach_canary k
  JOIN campaigns_audience a ON a.id = k.audience_id AND a.superseded_at IS NULL
  JOIN campaigns_campaign c ON c.id = a.campaign_id AND c.status = '{CampaignStatus.RUNNING}'
  LEFT JOIN LATERAL (
      SELECT coalesce(min(t.due_at) FILTER (WHERE {_MAY_LEAVE}), max(t.status_at) + %(hold)s) AS at,
             {FENCE_CLOSED} OR bool_or({_MAY_LEAVE} AND {PAUSED_CHANNEL}) AS is_stopped
        FROM outreach_touch t WHERE t.audience_id = k.audience_id AND t.is_canary) f ON true
 WHERE k.released_at IS NULL"""

RELEASE = (
    "UPDATE outreach_canary SET released_at = %(now)s WHERE audience_id = ANY(%(audiences)s) AND released_at IS NULL"
)
