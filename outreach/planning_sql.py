"""The statements of ``outreach.planning``: one INSERT … SELECT a wave, whatever its size."""

from campaigns.enums import CONTROL_ARM, Channel, FactState
from campaigns.rules.keyed_hash import KEYED_HASH_SQL
from outreach.enums import Suppression, TouchStatus

LOCK = "SELECT pg_advisory_xact_lock(%s)"

# One branch a step: the day each person's contact is due, and by which address. {due_on} is an allow-listed column.
CANDIDATES = f"""
    SELECT m.id AS member_id, m.allocataire_id, %(step_{{index}})s::bigint AS step_id,
           '{{channel}}' AS channel, coalesce(p.commune_id, '') AS commune, ({{due_on}})::date AS due_on,
           {{destination}} AS destination
      FROM campaigns_member m JOIN campaigns_allocataire p ON p.id = m.allocataire_id
     WHERE m.audience_id = %(audience)s AND m.exclusion = '' AND m.arm <> '{CONTROL_ARM}'
       AND %(arm_{{index}})s IN ('', m.arm)"""

DESTINATIONS = {
    Channel.SMS: "CASE WHEN p.sms_allowed THEN p.mobile ELSE '' END",
    Channel.EMAIL: "CASE WHEN p.email_allowed THEN p.email ELSE '' END",
    # The mobile, or the landline where the mobile is known to reach nobody.
    Channel.CALL: f"""CASE WHEN NOT p.call_allowed THEN ''
        WHEN p.mobile <> '' AND (p.landline = '' OR NOT EXISTS (
            SELECT 1 FROM campaigns_baddestination b
             WHERE b.allocataire_id = p.id AND b.corrected_at IS NULL AND b.channel IN ('', '{Channel.CALL}')
               AND b.destination_hash = {KEYED_HASH_SQL.format(value="p.mobile")})) THEN p.mobile
        ELSE p.landline END""",
}

DUE_DAYS = "SELECT DISTINCT step_id, commune, due_on FROM ({candidates}) AS candidates WHERE due_on IS NOT NULL"

# Planned again after something was written of the wave. Asking whether each row is there costs as much as writing it.
ON_CONFLICT = "ON CONFLICT DO NOTHING"

PLAN = f"""
WITH slots AS MATERIALIZED (
    SELECT * FROM unnest(%(slot_steps)s::bigint[], %(slot_communes)s::text[], %(slot_days)s::date[],
                         %(slot_opens)s::timestamptz[], %(slot_closes)s::timestamptz[], %(slot_expires)s::timestamptz[])
        AS s(step_id, commune, due_on, opens_at, closes_at, expires_at)),
candidates AS ({{candidates}}),
hashed AS MATERIALIZED (
    SELECT c.*, CASE WHEN destination = '' THEN '' ELSE {{keyed_hash}} END AS destination_hash
      FROM candidates c),
ranked AS (
    SELECT h.*, s.opens_at, s.closes_at, s.expires_at,
           row_number() OVER (PARTITION BY h.step_id, h.destination_hash ORDER BY h.member_id) AS rank
      FROM hashed h JOIN slots s ON s.step_id = h.step_id AND s.commune = h.commune AND s.due_on = h.due_on),
judged AS (
    SELECT r.*, CASE WHEN destination = '' THEN '{Suppression.NO_ADDRESS}'
                     WHEN rank > 1 THEN '{Suppression.SHARED_DESTINATION}' ELSE '' END AS reason
      FROM ranked r),
planned AS (
    INSERT INTO outreach_touch (member_id, step_id, campaign_id, audience_id, allocataire_id, channel, destination,
                                destination_hash, priority, status, reason, due_at, closes_at, expires_at,
                                claimed_by, attempt_count, status_at)
    SELECT j.member_id, j.step_id, %(campaign)s, %(audience)s, j.allocataire_id, j.channel, j.destination,
           j.destination_hash, %(priority)s,
           CASE WHEN j.reason = '' THEN '{TouchStatus.PLANNED}' ELSE '{TouchStatus.SUPPRESSED}' END, j.reason,
           j.opens_at, j.closes_at, j.expires_at, '', 0, %(now)s
      FROM judged j
     ORDER BY j.opens_at, j.member_id
    {{on_conflict}}
    RETURNING id, allocataire_id, channel, status, reason, due_at),
reserved AS (
    INSERT INTO campaigns_contactfact (touch_ref, allocataire_id, campaign_id, plan_code, theme, channel, at, state,
                                       is_exempt)
    SELECT id, allocataire_id, %(campaign)s, %(plan_code)s, %(theme)s, channel, due_at, '{FactState.RESERVED}',
           %(is_exempt)s
      FROM planned WHERE status = '{TouchStatus.PLANNED}')
SELECT reason, count(*) FROM planned GROUP BY reason"""

# A new approval replaced the wave: what the old one had left to do is withdrawn, and its reservations with it.
CANCEL_SUPERSEDED = f"""
WITH withdrawn AS (
    UPDATE outreach_touch t
       SET status = '{TouchStatus.CANCELLED}', status_at = %(now)s
      FROM campaigns_audience a
     WHERE a.id = t.audience_id AND a.superseded_at IS NOT NULL AND t.campaign_id = %(campaign)s
       AND t.status = '{TouchStatus.PLANNED}'
    RETURNING t.id)
UPDATE campaigns_contactfact f SET state = '{FactState.RELEASED}' FROM withdrawn WHERE f.touch_ref = withdrawn.id"""
