"""The statements of ``outreach.reconciliation``: what a crash, a silence or a closed window leaves behind."""

from campaigns.enums import FactState
from outreach.enums import AttemptStatus, Suppression, TouchStatus

_TOO_MANY_CRASHES = """t.attempt_count - (SELECT coalesce(max(o.number), 0) FROM outreach_attempt o
                                              WHERE o.touch_id = t.id) >= %(crashes)s"""

# A claim that outlived its lease: its worker is dead, and nothing was decided. Too many such deaths: quarantine.
RELEASE_EXPIRED = f"""
WITH released AS (
    UPDATE outreach_touch t
       SET claimed_by = '', claimed_until = NULL, status_at = %(now)s,
           reason = CASE WHEN {_TOO_MANY_CRASHES} THEN '{Suppression.CRASHED}' ELSE t.reason END,
           status = CASE WHEN {_TOO_MANY_CRASHES}
                         THEN '{TouchStatus.QUARANTINED}' ELSE '{TouchStatus.PLANNED}' END
     WHERE t.status = '{TouchStatus.CLAIMED}' AND t.claimed_until < %(now)s
    RETURNING t.id, t.status),
freed AS (
    UPDATE campaigns_contactfact f SET state = '{FactState.RELEASED}'
      FROM released
     WHERE f.touch_ref = released.id AND released.status = '{TouchStatus.QUARANTINED}'
       AND f.state = '{FactState.RESERVED}')
SELECT count(*) FROM released"""

# The intent was committed and no answer was written: the message may have left.
MARK_CRASHED = f"""
WITH doubtful AS (
    UPDATE outreach_touch t
       SET status = '{TouchStatus.UNCONFIRMED}', claimed_by = '', claimed_until = NULL, status_at = %(now)s
     WHERE t.status = '{TouchStatus.SENDING}' AND t.claimed_until < %(now)s
    RETURNING t.id),
tried AS (
    UPDATE outreach_attempt o SET status = '{AttemptStatus.UNCONFIRMED}', status_at = %(now)s
      FROM doubtful WHERE o.touch_id = doubtful.id AND o.status = '{AttemptStatus.SENDING}')
SELECT count(*) FROM doubtful"""

# Leased by its own date: two reconcilers do not ask twice. The pause between look-ups doubles, up to an hour. Those
# asked longest ago first: what can never be answered (e-mails) must not keep the rest from being asked.
CHOOSE_UNCONFIRMED = f"""
WITH chosen AS (
    SELECT o.id FROM outreach_attempt o JOIN outreach_touch t ON t.id = o.touch_id
     WHERE o.status = '{AttemptStatus.UNCONFIRMED}' AND t.status = '{TouchStatus.UNCONFIRMED}'
       AND coalesce(o.looked_up_at, o.intent_at)
           <= %(now)s - least(%(between)s * power(2, least(o.lookup_count, 10)), interval '1 hour')
     ORDER BY coalesce(o.looked_up_at, o.intent_at), o.id LIMIT %(limit)s
       FOR UPDATE OF o SKIP LOCKED)
UPDATE outreach_attempt o SET looked_up_at = %(now)s
  FROM chosen, outreach_touch t, campaigns_campaign c
 WHERE o.id = chosen.id AND t.id = o.touch_id AND c.id = t.campaign_id
RETURNING o.id, o.touch_id, o.uuid, t.channel, t.destination, t.step_id, t.allocataire_id,
          o.intent_at, o.lookup_count, c.allows_resend, o.provider,
          (SELECT count(*) FROM outreach_attempt tried
            WHERE tried.touch_id = t.id AND tried.status <> '{AttemptStatus.FAILED}') AS attempts"""

# Whose message may be taken for that of an attempt looked up: to the same destination by the same operator, not long
# before it or later, and without a reference yet. Those that are being sent as well.
RIVALS = f"""
SELECT DISTINCT ON (o.id) o.id, o.touch_id, o.uuid, t.channel, t.destination, t.step_id, t.allocataire_id,
       o.intent_at, o.lookup_count, false AS allows_resend, o.provider, 0 AS attempts
  FROM unnest(%(destinations)s::text[], %(providers)s::text[], %(since)s::timestamptz[])
       AS asked(destination_hash, provider, since)
  JOIN outreach_touch t ON t.destination_hash = asked.destination_hash
  JOIN outreach_attempt o ON o.touch_id = t.id AND o.provider = asked.provider AND o.intent_at >= asked.since
 WHERE o.status IN ('{AttemptStatus.SENDING}', '{AttemptStatus.UNCONFIRMED}') AND o.provider_ref = ''
   AND NOT o.id = ANY(%(attempts)s)"""

COUNT_EMPTY_LOOKUPS = "UPDATE outreach_attempt SET lookup_count = lookup_count + 1 WHERE id = ANY(%(attempts)s)"

# A new attempt, in its window (the sweeper of missed windows finds another one if this one is over).
PLAN_AGAIN = f"""
WITH again AS (
    UPDATE outreach_touch t
       SET status = '{TouchStatus.PLANNED}', reason = '', due_at = %(now)s, claimed_by = '', claimed_until = NULL,
           attempt_count = (SELECT coalesce(max(o.number), 0) FROM outreach_attempt o WHERE o.touch_id = t.id),
           status_at = %(now)s
     WHERE id = ANY(%(touches)s) AND status = ANY(%(from_states)s)
    RETURNING t.id),
facts AS (
    UPDATE campaigns_contactfact f SET state = '{FactState.RESERVED}'
      FROM again WHERE f.touch_ref = again.id AND f.state = '{FactState.RELEASED}')
SELECT count(*) FROM again"""

MISSED_PLACES = f"""
SELECT DISTINCT t.channel, p.commune_id
  FROM outreach_touch t JOIN campaigns_allocataire p ON p.id = t.allocataire_id
 WHERE t.status = '{TouchStatus.PLANNED}' AND t.closes_at <= %(now)s + %(time_left)s"""

RESCHEDULE = f"""
WITH windows AS (
    SELECT * FROM unnest(%(channels)s::text[], %(communes)s::text[], %(opens)s::timestamptz[],
                         %(closes)s::timestamptz[]) AS w(channel, commune, opens_at, closes_at)),
moved AS (
    UPDATE outreach_touch t
       SET status = CASE WHEN w.opens_at < t.expires_at THEN t.status ELSE '{TouchStatus.EXPIRED}' END,
           due_at = CASE WHEN w.opens_at < t.expires_at THEN greatest(w.opens_at, t.due_at) ELSE t.due_at END,
           closes_at = CASE WHEN w.opens_at < t.expires_at THEN w.closes_at ELSE t.closes_at END,
           status_at = %(now)s
      FROM windows w, campaigns_allocataire p
     WHERE p.id = t.allocataire_id AND w.channel = t.channel AND w.commune = coalesce(p.commune_id, '')
       AND t.status = '{TouchStatus.PLANNED}' AND t.closes_at <= %(now)s + %(time_left)s
    RETURNING t.id, t.status, t.due_at),
facts AS (
    UPDATE campaigns_contactfact f
       SET at = moved.due_at,
           state = CASE WHEN moved.status = '{TouchStatus.EXPIRED}' THEN '{FactState.RELEASED}' ELSE f.state END
      FROM moved WHERE f.touch_ref = moved.id AND f.state = '{FactState.RESERVED}')
SELECT count(*) FROM moved"""

EXPIRE = f"""
WITH gone AS (
    UPDATE outreach_touch SET status = '{TouchStatus.EXPIRED}', status_at = %(now)s
     WHERE status = '{TouchStatus.PLANNED}' AND expires_at <= %(now)s
    RETURNING id),
facts AS (
    UPDATE campaigns_contactfact f SET state = '{FactState.RELEASED}'
      FROM gone WHERE f.touch_ref = gone.id AND f.state = '{FactState.RESERVED}')
SELECT count(*) FROM gone"""

# The fact of an unconfirmed contact stays: it may have been received. One in quarantine never left.
CLOSE_DOUBT = f"""
WITH closed AS (
    UPDATE outreach_touch
       SET status = CASE status WHEN '{TouchStatus.UNCONFIRMED}' THEN '{TouchStatus.EXPIRED}'
                                ELSE '{TouchStatus.CANCELLED}' END,
           status_at = %(now)s
     WHERE id = %(touch)s AND status = ANY(%(from_states)s)
    RETURNING id)
SELECT count(*) FROM closed"""
