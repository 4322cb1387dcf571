"""Plan the contacts of a wave: one touch a member and step, with its window and its place in the cap."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction

from campaigns.enums import Channel
from campaigns.models import Allocataire, Audience, ContactFact, Step, refresh_statistics
from campaigns.models.planner import give_room
from campaigns.rules.calendar import Territory, local_day
from campaigns.rules.keyed_hash import KEYED_HASH_SQL, hash_pads
from outreach import planning_sql as sql
from outreach.canaries import choose_canaries
from outreach.enums import Suppression
from outreach.models import Touch
from outreach.rules.planning import Slot, slot_of
from outreach.windows import contact_hours, territory_of_commune

logger = logging.getLogger(__name__)

PLANNING_LOCK = 4_202
DATED_FACTS = frozenset(f.name for f in Allocataire._meta.get_fields() if type(f) is models.DateField)


class WaveNotPlanned(Exception):
    """A step of the campaign names something that no person has: nothing of the wave is planned."""


@contextmanager
def planning_lock() -> Iterator[None]:
    """Hold the one planning lock until the transaction ends: waves reserve the cap one after the other."""
    with connection.cursor() as cursor:
        cursor.execute(sql.LOCK, [PLANNING_LOCK])
    yield


def plan_wave(*, audience: Audience, now: datetime) -> dict[str, int]:
    """Plan every contact of a frozen wave and reserve it in the cap. Idempotent.

    A dated step whose day has passed is skipped; nobody is planned twice, nor one address twice at a step.
    Returns ``{"planned": …, "no_address": …, "shared_destination": …}``, in contacts.
    Raises ``WaveNotPlanned`` when a step is anchored on an unknown date.
    """
    steps = list(audience.campaign.steps.planned().order_by("position"))
    with transaction.atomic(), planning_lock(), connection.cursor() as cursor:
        give_room()
        cursor.execute(sql.CANCEL_SUPERSEDED, {"campaign": audience.campaign_id, "now": now})
        if not steps:
            return {"planned": 0, "no_address": 0, "shared_destination": 0}
        candidates = " UNION ALL ".join(_candidates(index, step) for index, step in enumerate(steps))
        values = _candidate_values(audience, steps)
        cursor.execute(sql.DUE_DAYS.format(candidates=candidates), values)
        values |= _slot_values(cursor.fetchall(), steps, launch_day(audience), now)
        cursor.execute(_plan_sql(audience, candidates), values | _wave_values(audience, now))
        counts = dict(cursor.fetchall())
        choose_canaries(audience_id=audience.pk, now=now)
        refresh_statistics(Touch, ContactFact, written=sum(counts.values()))
    logger.info("wave planned audience=%s counts=%s", audience.pk, counts)
    return {
        "planned": counts.get("", 0),
        "no_address": counts.get(Suppression.NO_ADDRESS, 0),
        "shared_destination": counts.get(Suppression.SHARED_DESTINATION, 0),
    }


def _plan_sql(audience: Audience, candidates: str) -> str:
    is_begun = Touch.objects.filter(campaign=audience.campaign_id, audience=audience).exists()
    return sql.PLAN.format(
        candidates=candidates,
        keyed_hash=KEYED_HASH_SQL.format(value="destination"),
        on_conflict=sql.ON_CONFLICT if is_begun else "",
    )


def launch_day(audience: Audience) -> date:
    """The first day on which a wave may contact: its night's, or the campaign's first day if that is later."""
    return max(audience.night_on, audience.campaign.starts_on or audience.night_on)


def _candidates(index: int, step: Step) -> str:
    if step.anchor and step.anchor not in DATED_FACTS:
        raise WaveNotPlanned(
            f"L’étape « {step.label} » se réfère à une date inconnue (« {step.anchor} ») : "
            "corrigez sa date de référence dans la campagne."
        )
    column = f"p.{connection.ops.quote_name(step.anchor)}" if step.anchor else "%(launch_on)s::date"
    return sql.CANDIDATES.format(
        index=index,
        channel=step.channel,
        due_on=f"{column} + %(offset_{index})s",
        destination=sql.DESTINATIONS[Channel(step.channel)],
    )


def _candidate_values(audience: Audience, steps: Sequence[Step]) -> dict[str, Any]:
    values: dict[str, Any] = {"audience": audience.pk, "launch_on": launch_day(audience)}
    values |= hash_pads(settings.DESTINATION_HASH_KEY)
    for index, step in enumerate(steps):
        values |= {f"step_{index}": step.pk, f"arm_{index}": step.arm, f"offset_{index}": step.offset_days}
    return values


def _wave_values(audience: Audience, now: datetime) -> dict[str, Any]:
    campaign = audience.campaign
    return {
        "campaign": campaign.pk,
        "priority": campaign.priority,
        "plan_code": campaign.plan.code,
        "theme": campaign.theme,
        "is_exempt": campaign.is_exempt_from_cap,
        "now": now,
    }


def _slot_values(
    due_days: Sequence[tuple[int, str, date]], steps: Sequence[Step], launch_on: date, now: datetime
) -> dict[str, list[Any]]:
    """The few distinct (step, commune, day) with their window; those whose dated day has passed are left out."""
    by_id = {step.pk: step for step in steps}
    rows = [
        (step_id, commune, day, slot.opens_at, slot.closes_at, slot.expires_at)
        for step_id, commune, day in due_days
        if (slot := _slot(by_id[step_id], territory_of_commune(commune), day, launch_on, now))
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(6)]
    names = ("slot_steps", "slot_communes", "slot_days", "slot_opens", "slot_closes", "slot_expires")
    return dict(zip(names, columns, strict=True))


@lru_cache(maxsize=10_000)
def _window(channel: str, valid_days: int, territory: Territory, day: date, now: datetime) -> Slot:
    return slot_of(
        due_on=day, valid_days=valid_days, channel=channel, territory=territory, hours=contact_hours(channel), now=now
    )


def _slot(step: Step, territory: Territory, day: date, launch_on: date, now: datetime) -> Slot | None:
    if step.anchor and day < max(launch_on, local_day(now, territory)):
        return None
    return _window(step.channel, step.valid_days, territory, day, now)
