"""The statements of ``outreach.reopening``: give back to a restored database what it forgot."""

from campaigns.enums import Channel, FactState
from outreach.enums import AttemptStatus, Suppression, TouchStatus

# Known again: their contacts are uncertain until the operator, a receipt or a superviseur says what became of them.
# Their contact not being planned yet, they are kept aside for the day it is planned again.
RECOVER = f"""
WITH written AS MATERIALIZED (
    SELECT * FROM unnest(%(uuids)s::uuid[], %(touches)s::bigint[], %(steps)s::bigint[], %(hashes)s::text[],
                         %(providers)s::text[], %(at)s::timestamptz[])
        AS w(uuid, touch_id, step_id, destination_hash, provider, at)
     WHERE NOT EXISTS (SELECT 1 FROM outreach_attempt o WHERE o.uuid = w.uuid)),
matched AS MATERIALIZED (
    SELECT w.*, t.attempt_count + row_number() OVER (PARTITION BY t.id ORDER BY w.at, w.uuid) AS number
      FROM written w JOIN outreach_touch t
        ON t.id = w.touch_id AND t.step_id = w.step_id AND t.destination_hash = w.destination_hash),
tried AS (
    INSERT INTO outreach_attempt (touch_id, number, uuid, provider, provider_ref, status, intent_at, status_at,
                                  error_code, segments, lookup_count)
    SELECT touch_id, number, uuid, provider, '', '{AttemptStatus.UNCONFIRMED}', at, %(now)s, '', 0, 0 FROM matched),
last AS (SELECT touch_id, max(number) AS number, max(at) AS at FROM matched GROUP BY touch_id),
moved AS (
    UPDATE outreach_touch t
       SET status = '{TouchStatus.UNCONFIRMED}', reason = '', attempt_count = last.number, claimed_by = '',
           claimed_until = NULL, status_at = %(now)s
      FROM last WHERE t.id = last.touch_id
    RETURNING t.id, last.at),
facts AS (
    UPDATE campaigns_contactfact f SET state = '{FactState.UNCONFIRMED}', at = moved.at
      FROM moved WHERE f.touch_ref = moved.id),
kept AS (
    INSERT INTO outreach_lostintent (attempt_uuid, step_id, destination_hash, at)
    SELECT w.uuid, w.step_id, w.destination_hash, w.at FROM written w
      JOIN campaigns_step s ON s.id = w.step_id
     WHERE NOT EXISTS (SELECT 1 FROM matched m WHERE m.uuid = w.uuid)
        ON CONFLICT DO NOTHING RETURNING 1)
SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM kept),
       (SELECT count(*) FROM written w WHERE NOT EXISTS (SELECT 1 FROM campaigns_step s WHERE s.id = w.step_id))"""

# Without a journal, nobody knows which of those that were due has left: a superviseur decides of each.
QUARANTINE_DUE = f"""
WITH doubtful AS (
    UPDATE outreach_touch
       SET status = '{TouchStatus.QUARANTINED}', reason = '{Suppression.JOURNAL_LOST}', claimed_by = '',
           claimed_until = NULL, status_at = %(now)s
     WHERE status IN ('{TouchStatus.PLANNED}', '{TouchStatus.CLAIMED}', '{TouchStatus.SENDING}')
       AND channel <> '{Channel.CALL}' AND due_at <= %(now)s
    RETURNING id)
SELECT count(*) FROM doubtful"""
