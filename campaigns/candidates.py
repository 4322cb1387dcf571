"""Who a campaign would take on a night, and why the others are left out. Freeze and simulation share it.

The answer lies in a temporary table of the current transaction: one row a candidate, with the first exclusion that
holds in the order of ``Exclusion``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection

from campaigns import candidates_sql as sql
from campaigns.enums import CONTROL_ARM, Exclusion, FactState
from campaigns.models import Campaign
from campaigns.models.planner import give_room
from campaigns.rules.contactability import arm_channels
from campaigns.rules.draw import SEPARATOR
from campaigns.rules.keyed_hash import hash_pads
from campaigns.segments import matching_ids


@dataclass(frozen=True, slots=True)
class Alike:
    """``people`` candidates with the same exclusion (none: retained) and stratum."""

    exclusion: str
    stratum: str
    people: int

    @property
    def place(self) -> str:
        """EPCI and age band."""
        return self.stratum.rpartition(SEPARATOR)[0]

    @property
    def channels(self) -> list[str]:
        """Those open to them."""
        return channels_of(self.stratum)


def channels_of(stratum: str) -> list[str]:
    return [channel for channel in stratum.rpartition(SEPARATOR)[2].split("+") if channel]


@dataclass(frozen=True)
class Candidates:
    """What the temporary table holds, counted."""

    groups: list[Alike]
    overridden: int = 0  # retained because a superviseur lifted the delay of the sensitive theme

    @property
    def targeted(self) -> int:
        return sum(group.people for group in self.groups)

    @property
    def retained(self) -> int:
        return sum(self.strata.values())

    @property
    def exclusions(self) -> dict[str, int]:
        """Reason → people whom it leaves out, in the order in which reasons are tried."""
        counts = _add((group.exclusion, group.people) for group in self.groups)
        return {reason.value: counts[reason] for reason in Exclusion if reason in counts}

    @cached_property
    def strata(self) -> dict[str, int]:
        """Stratum → people retained in it."""
        return {group.stratum: group.people for group in self.groups if not group.exclusion}


def _add(counts: Iterable[tuple[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for key, people in counts:
        total[key] += people
    return total


def build_candidates(
    *,
    campaign: Campaign,
    criteria: Any,
    night_on: date,
    now: datetime,
    steps: Iterable[tuple[str, str]] | None = None,
    only: int | None = None,
) -> Candidates:
    """Fill ``candidate`` for that night and count it. To be called in a transaction.

    Whoever is in an audience of this campaign within its re-entry delay is no candidate. ``steps``: (arm,
    channel) of a campaign that is only imagined; by default those of ``campaign``. ``only``: one person, not all.
    """
    if campaign.is_editable:
        campaign.take_rules_of_plan()  # a draft follows its plan
    if steps is None:
        steps = campaign.steps.planned().values_list("arm", "channel")
    values = _values(campaign, night_on, now, steps)
    give_room()
    with connection.cursor() as cursor:
        fill = sql.CREATE + _select_sql(campaign, values, whose="WHERE i.id = %(only)s" if only else "")
        cursor.execute(*_merge_values(fill, {**values, "only": only}, *_select_ids(criteria, night_on)))
        cursor.execute(sql.ANALYSE)
        cursor.execute(sql.SHARED_MOBILE, values)
        cursor.execute(sql.COUNT)
        groups = [Alike(*row) for row in cursor.fetchall()]
    return Candidates(groups, _count_overridden(campaign, values))


def _count_overridden(campaign: Campaign, values: dict[str, Any]) -> int:
    if not (campaign.is_sensitive and campaign.sensitive_override_reason):
        return 0
    with connection.cursor() as cursor:
        cursor.execute(sql.COUNT_OVERRIDDEN, values)
        return int(cursor.fetchone()[0])


def _select_ids(criteria: Any, night_on: date) -> tuple[str, Sequence[Any]]:
    try:
        return matching_ids(criteria, today=night_on).query.sql_with_params()
    except EmptyResultSet:  # Django sees by itself that nobody can match
        return "SELECT NULL::bigint WHERE false", ()


def _values(campaign: Campaign, night_on: date, now: datetime, steps: Iterable[tuple[str, str]]) -> dict[str, Any]:
    by_arm = arm_channels([arm["code"] for arm in campaign.arms], steps)
    return {
        "campaign": campaign.pk,
        "theme": campaign.theme,
        "night": night_on,
        "now": now,
        "reentry_after": night_on - timedelta(days=campaign.reentry_days),
        "sensitive_after": now - timedelta(days=campaign.sensitive_days),
        "control": CONTROL_ARM,
        "counted": FactState.counted(),
        "campaigns_7_days": settings.CAP_CAMPAIGNS_7_DAYS,
        "contacts_30_days": settings.CAP_CONTACTS_30_DAYS,
        **hash_pads(settings.DESTINATION_HASH_KEY),
        "channels": sorted(frozenset().union(*by_arm.values())),
        # An arm without steps (a draft being written) excludes nobody.
        **{f"arm_{i}": sorted(channels) for i, channels in enumerate(by_arm.values()) if channels},
    }


def _select_sql(campaign: Campaign, values: dict[str, Any], *, whose: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(sql.ASK_ADDRESSES)
        has_bad, has_refused = cursor.fetchone()
    refusals = [sql.REFUSALS_OF_PERSONS, *([sql.REFUSALS_OF_ADDRESSES] if has_refused else [])]
    people = _people_left_out(campaign)
    reasons = [f"WHEN {condition} THEN '{reason}'" for reason, condition in _reasons_by_arm(values).items()]
    return sql.SELECT_CANDIDATES.format(
        matching="{matching}",
        whose=whose,
        bad_ways=sql.BAD_WAYS if has_bad else "",
        refusals=" UNION ALL ".join(refusals),
        ways=", ".join(_way(channel, has_bad=has_bad) for channel in values["channels"]),
        reasons=" ".join([*reasons, *(f"WHEN {r.name}.allocataire_id IS NOT NULL THEN '{r}'" for r in people)]),
        joins=" ".join(f"LEFT JOIN ({ids}) {r.name} ON {r.name}.allocataire_id = seen.id" for r, ids in people.items()),
    )


def _way(channel: str, *, has_bad: bool) -> str:
    is_good = sql.GOOD_WAYS[channel] if has_bad else ""
    return sql.WAY.format(channel=channel, is_open=sql.WAYS[channel], is_good=is_good)


def _reasons_by_arm(values: dict[str, Any]) -> dict[Exclusion, str]:
    """Whoever one arm could not contact is left out of all: arms would no longer be comparable."""
    arms = [name for name in values if name.startswith("arm_")]
    if not arms:
        return {}
    return {
        Exclusion.OPPOSED: " OR ".join(f"opposed @> %({arm})s::text[]" for arm in arms),
        Exclusion.NO_ADDRESS: " OR ".join(f"NOT usable && %({arm})s::text[]" for arm in arms),
    }


def _people_left_out(campaign: Campaign) -> dict[Exclusion, str]:
    """Reason → SQL of the people whom it leaves out, in the order in which reasons are tried."""
    people = {}
    if campaign.is_sensitive and not campaign.sensitive_override_reason:
        people[Exclusion.SENSITIVE_THEME] = sql.SENSITIVE
    people[Exclusion.CONTROL_ELSEWHERE] = sql.CONTROL_ELSEWHERE
    if not campaign.is_exempt_from_cap:
        people[Exclusion.CAP] = sql.CAP
    return people


def _merge_values(
    sql: str, values: dict[str, Any], inner: str, inner_values: Sequence[Any]
) -> tuple[str, dict[str, Any]]:
    """Put a statement with positional values inside one with named values (``%%`` stays a literal ``%``)."""
    named = {f"inner_{i}": value for i, value in enumerate(inner_values)}
    names = iter(named)
    renamed = re.sub("%%|%s", lambda found: found[0] if found[0] == "%%" else f"%({next(names)})s", inner)
    return sql.replace("{matching}", renamed), {**values, **named}
