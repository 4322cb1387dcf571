"""Answer whoever replies, where the campaign that wrote to her has a step for it: one contact more, planned at once.

It then leaves as every contact does, past every stop condition.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.enums import AFTER_REPLY, CampaignStatus, Channel, FactState
from outreach.enums import Suppression, TouchStatus
from outreach.rules.planning import answer_slot
from outreach.rules.stopping import CHECKS, Effect
from outreach.stopping import SITUATION, stopping_values, verdict_sql
from outreach.windows import contact_hours, territory_of_commune

# What is known against the person already: nothing is planned only to be suppressed. The cap is judged at departure.
_AGAINST_HER = tuple(check for check in CHECKS if check.effect == Effect.SUPPRESS and check.reason != Suppression.CAP)

# The contact that was answered (``t``) and the step that answers it. Whoever is a témoin has no contact.
_ANSWERABLE = f"""{SITUATION}
  JOIN campaigns_plan pl ON pl.id = c.plan_id
  JOIN campaigns_member m ON m.id = t.member_id
  JOIN campaigns_step s ON s.campaign_id = t.campaign_id AND s.anchor = '{AFTER_REPLY}' AND s.arm IN ('', m.arm)
 WHERE t.id = ANY(%(touches)s) AND t.channel = '{Channel.SMS}' AND s.channel = '{Channel.SMS}'
   AND c.status = '{CampaignStatus.RUNNING}' AND a.superseded_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM outreach_touch known WHERE known.member_id = t.member_id AND known.step_id = s.id)
   AND {verdict_sql(_AGAINST_HER)} = ''"""

READ_PLACES = f"""
WITH clock AS MATERIALIZED (SELECT %(now)s::timestamptz AS now)
SELECT DISTINCT s.id, s.valid_days, coalesce(p.commune_id, '') {_ANSWERABLE}"""

PLAN = f"""
WITH clock AS MATERIALIZED (SELECT %(now)s::timestamptz AS now),
slots AS (
    SELECT * FROM unnest(%(steps)s::bigint[], %(communes)s::text[], %(opens)s::timestamptz[],
                         %(closes)s::timestamptz[], %(expires)s::timestamptz[])
        AS slot(step_id, commune, opens_at, closes_at, expires_at)),
answers AS (
    SELECT t.member_id, s.id AS step_id, t.campaign_id, t.audience_id, t.allocataire_id, t.destination,
           t.destination_hash, c.priority, pl.code AS plan_code, c.theme, c.is_exempt_from_cap,
           coalesce(p.commune_id, '') AS commune
    {_ANSWERABLE}),
planned AS (
    INSERT INTO outreach_touch (member_id, step_id, campaign_id, audience_id, allocataire_id, channel, destination,
                                destination_hash, priority, status, reason, due_at, closes_at, expires_at,
                                claimed_by, attempt_count, status_at)
    SELECT r.member_id, r.step_id, r.campaign_id, r.audience_id, r.allocataire_id, '{Channel.SMS}', r.destination,
           r.destination_hash, r.priority, '{TouchStatus.PLANNED}', '', slots.opens_at, slots.closes_at,
           slots.expires_at, '', 0, %(now)s
      FROM answers r JOIN slots USING (step_id, commune)
     ORDER BY r.member_id, r.step_id
    ON CONFLICT DO NOTHING
    RETURNING id, member_id, step_id, allocataire_id, campaign_id, due_at)
INSERT INTO campaigns_contactfact (touch_ref, allocataire_id, campaign_id, plan_code, theme, channel, at, state,
                                   is_exempt)
SELECT n.id, n.allocataire_id, n.campaign_id, r.plan_code, r.theme, '{Channel.SMS}', n.due_at,
       '{FactState.RESERVED}', r.is_exempt_from_cap
  FROM planned n JOIN answers r USING (member_id, step_id)"""


def plan_answers(*, touch_ids: Collection[int], now: datetime) -> int:
    """Plan the answer to each of these contacts, that a person just answered; returns how many.

    To be called in the transaction that keeps her reply. A person gets one automatic answer a wave at most, however
    often she writes; only a running campaign answers, and only the one that last wrote to her.
    """
    if not touch_ids:
        return 0
    values: dict[str, Any] = {
        **stopping_values(),
        "touches": sorted(touch_ids),
        "now": now,
        "channel": Channel.SMS.value,
    }
    with connection.cursor() as cursor:
        cursor.execute(READ_PLACES, values)
        places = cursor.fetchall()
        if not places:
            return 0
        cursor.execute(PLAN, values | _slots(places, now))
        return int(cursor.rowcount)


def _slots(places: Collection[tuple[int, int, str]], now: datetime) -> dict[str, list[Any]]:
    hours = contact_hours(Channel.SMS)
    slots = [
        (step_id, commune, answer_slot(valid_days=days, territory=territory_of_commune(commune), hours=hours, now=now))
        for step_id, days, commune in places
    ]
    return {
        "steps": [step_id for step_id, _, _ in slots],
        "communes": [commune for _, commune, _ in slots],
        "opens": [slot.opens_at for _, _, slot in slots],
        "closes": [slot.closes_at for _, _, slot in slots],
        "expires": [slot.expires_at for _, _, slot in slots],
    }
