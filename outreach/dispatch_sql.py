"""The statements of ``outreach.dispatch``, in the order in which a batch meets them."""

from collections.abc import Iterable

from campaigns.enums import CampaignStatus, FactState
from outreach.enums import AttemptStatus, TouchStatus
from outreach.rules.stopping import CHECKS, Check
from outreach.statements import STATUS
from outreach.stopping import (
    AWAITS_READING,
    FENCE_CLOSED,
    FIRST_CONTACTS,
    PAUSED,
    SITUATION,
    STALE_FEED,
    checks_sql,
    verdict_sql,
)
from outreach.texts import PERSON_COLUMNS

# The first that are due are read in the order of their index: all would be read and sorted for each batch if the base
# took them for few, as it does of conditions it knows nothing about.
KEEP_INDEX_ORDER = "SET LOCAL enable_sort = off"
# A claim is only a lease. What cannot be sent now is not claimed, so that nobody turns in circles.
CLAIM = f"""
WITH clock AS MATERIALIZED (SELECT app_now() AS now),
sendable AS MATERIALIZED (
    SELECT c.id FROM campaigns_campaign c CROSS JOIN clock
     WHERE c.status = '{CampaignStatus.RUNNING}' AND NOT c.id = ANY(%(held)s) AND NOT {STALE_FEED}),
chosen AS MATERIALIZED (
    SELECT t.id, t.allocataire_id FROM outreach_touch t
      JOIN campaigns_audience a ON a.id = t.audience_id AND a.superseded_at IS NULL
     WHERE t.status = '{TouchStatus.PLANNED}' AND t.channel = %(channel)s
       AND t.due_at <= (SELECT now FROM clock)
       AND t.closes_at > (SELECT now FROM clock) + %(time_left)s AND t.expires_at > (SELECT now FROM clock)
       AND t.campaign_id IN (SELECT id FROM sendable)
       AND NOT {PAUSED} AND NOT {FENCE_CLOSED} AND NOT {FIRST_CONTACTS} AND NOT {AWAITS_READING}
     ORDER BY t.priority, t.due_at
     LIMIT %(size)s
       FOR UPDATE OF t SKIP LOCKED)
UPDATE outreach_touch t
   SET status = '{TouchStatus.CLAIMED}', claimed_by = %(claimer)s, claimed_until = clock.now + %(lease)s,
       status_at = clock.now, attempt_count = t.attempt_count + 1
  FROM chosen JOIN campaigns_allocataire p ON p.id = chosen.allocataire_id CROSS JOIN clock
 CROSS JOIN LATERAL (SELECT coalesce(array_agg(o.error_code ORDER BY o.number)
                                     FILTER (WHERE o.status = '{AttemptStatus.FAILED}'), '{{}}') AS refusals,
                            count(*) FILTER (WHERE o.status <> '{AttemptStatus.FAILED}') AS others,
                            coalesce(max(o.number), 0) AS last
                       FROM outreach_attempt o WHERE o.touch_id = chosen.id) AS tries
 WHERE t.id = chosen.id
RETURNING t.id, t.campaign_id, t.step_id, t.allocataire_id, t.destination, t.destination_hash,
          tries.refusals, tries.others, t.attempt_count - 1 - tries.last AS crashes,
          {", ".join(f"p.{column}" for column in PERSON_COLUMNS)}"""

# Given back whole: it was not a try.
RELEASE = f"""
UPDATE outreach_touch
   SET status = '{TouchStatus.PLANNED}', claimed_by = '', claimed_until = NULL, attempt_count = attempt_count - 1,
       status_at = app_now()
 WHERE status = '{TouchStatus.CLAIMED}' AND claimed_by = %(claimer)s AND NOT id = ANY(%(kept)s)"""

SUPPRESS = f"""
WITH gone AS (
    UPDATE outreach_touch
       SET status = '{TouchStatus.SUPPRESSED}', reason = %(reason)s, claimed_by = '', claimed_until = NULL,
           attempt_count = attempt_count - 1, status_at = app_now()
     WHERE id = ANY(%(touches)s) AND status = '{TouchStatus.CLAIMED}' AND claimed_by = %(claimer)s
    RETURNING id)
UPDATE campaigns_contactfact f SET state = '{FactState.RELEASED}'
  FROM gone WHERE f.touch_ref = gone.id AND f.state = '{FactState.RESERVED}'"""

# The identifiers of the attempts come from the caller: their texts, which hold them, are written beforehand.
# The decisive statement: run after the locks, so that its snapshot sees every STOP committed before them.
_DECIDE = f"""
WITH clock AS MATERIALIZED (SELECT app_now() AS now),
verdicts AS MATERIALIZED (
    SELECT t.id, {{verdict}} AS code
    {SITUATION}
     WHERE t.id = ANY(%(touches)s) AND {STATUS} = '{TouchStatus.CLAIMED}' AND t.claimed_by = %(claimer)s),
decided AS (
    UPDATE outreach_touch t
       SET status = CASE checks.effect
                    WHEN 'SEND' THEN '{TouchStatus.SENDING}' WHEN 'HOLD' THEN '{TouchStatus.PLANNED}'
                    WHEN 'EXPIRE' THEN '{TouchStatus.EXPIRED}' WHEN 'ALREADY' THEN '{TouchStatus.SUBMITTED}'
                    ELSE '{TouchStatus.SUPPRESSED}' END,
           reason = checks.reason,
           attempt_count = t.attempt_count - CASE checks.effect WHEN 'SEND' THEN 0 ELSE 1 END,
           claimed_by = CASE checks.effect WHEN 'SEND' THEN t.claimed_by ELSE '' END,
           claimed_until = CASE checks.effect WHEN 'SEND' THEN clock.now + %(crash_after)s END,
           status_at = clock.now
      FROM verdicts JOIN {{checks}} ON checks.code = verdicts.code CROSS JOIN clock
     WHERE t.id = verdicts.id AND {STATUS} = '{TouchStatus.CLAIMED}' AND t.claimed_by = %(claimer)s
    RETURNING t.id, t.campaign_id, t.attempt_count, checks.code, checks.effect,
              extract(epoch FROM least(t.closes_at, t.expires_at) - clock.now)::int AS seconds_left),
facts AS (
    UPDATE campaigns_contactfact f
       SET state = CASE d.effect WHEN 'SEND' THEN '{FactState.UNCONFIRMED}' ELSE '{FactState.RELEASED}' END,
           at = clock.now
      FROM decided d CROSS JOIN clock
     WHERE f.touch_ref = d.id
       AND (d.effect = 'SEND' OR d.effect IN ('SUPPRESS', 'EXPIRE') AND f.state = '{FactState.RESERVED}')),
intents AS (
    INSERT INTO outreach_attempt (touch_id, number, uuid, provider, provider_ref, status, intent_at, status_at,
                                  error_code, segments, lookup_count)
    SELECT d.id, d.attempt_count, draft.uuid, %(provider)s, '', '{AttemptStatus.SENDING}', clock.now, clock.now,
           '', 0, 0
      FROM decided d CROSS JOIN clock
      JOIN unnest(%(touches)s::bigint[], %(uuids)s::uuid[]) AS draft(touch_id, uuid) ON draft.touch_id = d.id
     WHERE d.effect = 'SEND')
SELECT id, campaign_id, code, effect, seconds_left FROM decided"""


def decide_sql(checks: Iterable[Check]) -> str:
    checks = tuple(checks)
    return _DECIDE.format(verdict=verdict_sql(checks), checks=checks_sql(checks))


DECIDE = decide_sql(CHECKS)
