"""Who a campaign would take on a night, and why the others are left out. Freeze and simulation share it.

The answer lies in a temporary table of the current transaction: one row a candidate, with the first exclusion that
holds in the order of ``Exclusion``. It is analysed before it is joined, or PostgreSQL would take it for an empty one.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection

from campaigns.enums import CONTROL_ARM, Exclusion, FactState
from campaigns.models import BadDestination, Campaign, Opposition
from campaigns.rules.contactability import AGE_BANDS, OLDEST_BAND, UNKNOWN_AGE, UNKNOWN_EPCI, arm_channels
from campaigns.rules.draw import SEPARATOR
from campaigns.rules.keyed_hash import KEYED_HASH_SQL, hash_pads
from campaigns.segments import matching_ids

CREATE = """
DROP TABLE IF EXISTS candidate;
CREATE TEMPORARY TABLE candidate (
    id bigint NOT NULL, matricule text NOT NULL, mobile text NOT NULL, lost text NOT NULL, place text NOT NULL,
    usable text[] NOT NULL, opposed text[] NOT NULL DEFAULT '{}', exclusion text NOT NULL DEFAULT ''
) ON COMMIT DROP
"""

# ``usable``: only the campaign's channels, in the order of the alphabet (it ends the name of the stratum).
FILL = """
INSERT INTO candidate (id, matricule, mobile, lost, place, usable)
SELECT a.id, a.matricule, a.mobile,
       CASE WHEN a.deceased_on IS NOT NULL THEN '{deceased}' WHEN a.closed_on <= %(night)s THEN '{closed}'
            WHEN a.is_under_guardianship THEN '{guardianship}' ELSE '' END,
       COALESCE(c.epci_id, '{unknown_epci}') || '{separator}' || {age_band},
       array_remove(ARRAY[
           CASE WHEN 'CALL' = ANY(w.channels) AND a.call_allowed AND a.mobile || a.landline <> '' THEN 'CALL' END,
           CASE WHEN 'EMAIL' = ANY(w.channels) AND a.email_allowed AND a.email <> '' THEN 'EMAIL' END,
           CASE WHEN 'SMS' = ANY(w.channels) AND a.sms_allowed AND a.mobile <> '' THEN 'SMS' END], NULL)
  FROM (SELECT %(channels)s::text[] AS channels) w, campaigns_allocataire a
  LEFT JOIN campaigns_commune c ON c.code = a.commune_id
 WHERE a.id IN ({matching})
   AND NOT EXISTS (
       SELECT 1 FROM campaigns_member m JOIN campaigns_audience u ON u.id = m.audience_id
        WHERE m.campaign_id = %(campaign)s AND m.allocataire_id = a.id
          AND u.superseded_at IS NULL AND u.night_on > %(reentry_after)s)
"""

# An address known to reach nobody, found in clear through the person it was noted for: hashing those of a whole
# population costs a second at 100,000, and somebody else who holds it is stopped by its hash just before sending.
BAD_ADDRESSES = f"""
WITH bad AS MATERIALIZED (
    SELECT DISTINCT d.channel || d.address AS way
      FROM campaigns_baddestination b JOIN campaigns_allocataire a ON a.id = b.allocataire_id
     CROSS JOIN LATERAL (VALUES ('SMS', a.mobile), ('EMAIL', a.email), ('CALL', a.mobile), ('CALL', a.landline))
           AS d (channel, address)
     WHERE b.corrected_at IS NULL AND b.channel IN ('', d.channel) AND d.address <> ''
       AND b.destination_hash = {KEYED_HASH_SQL.format(value="d.address")}),
reach AS (
    SELECT a.id, array_remove(ARRAY[
               CASE WHEN 'SMS' || a.mobile IN (SELECT way FROM bad) THEN 'SMS' END,
               CASE WHEN 'EMAIL' || a.email IN (SELECT way FROM bad) THEN 'EMAIL' END,
               CASE WHEN (a.mobile = '' OR 'CALL' || a.mobile IN (SELECT way FROM bad))
                     AND (a.landline = '' OR 'CALL' || a.landline IN (SELECT way FROM bad)) THEN 'CALL' END], NULL)
           AS lost
      FROM candidate JOIN campaigns_allocataire a ON a.id = candidate.id)
UPDATE candidate SET usable = ARRAY(SELECT unnest(usable) EXCEPT SELECT unnest(reach.lost) ORDER BY 1)
  FROM reach WHERE reach.id = candidate.id AND usable && reach.lost
"""

# A channel that the person refuses stops being usable.
OPPOSE = """
UPDATE candidate SET opposed = o.channels,
       usable = ARRAY(SELECT unnest(usable) EXCEPT SELECT unnest(o.channels) ORDER BY 1)
  FROM (SELECT person, array_agg(DISTINCT channel) AS channels FROM ({refusals}) r GROUP BY person) o
 WHERE o.person = candidate.id
"""
REFUSALS_OF_PERSONS = """
SELECT p.allocataire_id AS person, refused.channel
  FROM campaigns_opposition p
  JOIN unnest(%(channels)s::text[]) AS refused (channel) ON p.channel IN ('', refused.channel)
 WHERE p.lifted_at IS NULL AND p.allocataire_id IS NOT NULL AND p.theme IN ('', %(theme)s)
"""
# Somebody whose file went and came back is known only by her address.
REFUSALS_OF_ADDRESSES = f"""
SELECT a.id AS person, d.channel
  FROM candidate JOIN campaigns_allocataire a ON a.id = candidate.id
 CROSS JOIN LATERAL (VALUES ('SMS', a.mobile), ('EMAIL', a.email), ('CALL', a.mobile), ('CALL', a.landline))
       AS d (channel, address)
  JOIN campaigns_opposition p ON p.destination_hash = {KEYED_HASH_SQL.format(value="d.address")}
 WHERE p.lifted_at IS NULL AND p.allocataire_id IS NULL AND p.theme IN ('', %(theme)s)
   AND p.channel IN ('', d.channel) AND d.channel = ANY(%(channels)s) AND d.address <> ''
"""

SENSITIVE = """id IN (
    SELECT allocataire_id FROM campaigns_contactfact
     WHERE theme = %(theme)s AND state = ANY(%(counted)s) AND at > %(sensitive_after)s)"""
CONTROL_ELSEWHERE = """id IN (
    SELECT m.allocataire_id FROM campaigns_member m
      JOIN campaigns_audience u ON u.id = m.audience_id
      JOIN campaigns_campaign c ON c.id = m.campaign_id
      JOIN campaigns_plan p ON p.id = c.plan_id
     WHERE m.arm = %(control)s AND m.campaign_id <> %(campaign)s AND p.theme = %(theme)s
       AND u.superseded_at IS NULL AND u.night_on + c.window_days >= %(night)s)"""
# Same rule as ``rules.pressure.breaks_cap``: one more contact now would exceed one of the two windows.
CAP = """id IN (
    SELECT allocataire_id FROM campaigns_contactfact
     WHERE state = ANY(%(counted)s) AND NOT is_exempt AND campaign_id <> %(campaign)s
       AND at > %(now)s - interval '7 days' AND at < %(now)s + interval '7 days'
     GROUP BY allocataire_id HAVING count(DISTINCT campaign_id) >= %(campaigns_7_days)s
    UNION
    SELECT allocataire_id FROM (
        SELECT allocataire_id, at AS last_at,
               lag(at, %(contacts_30_days)s - 1) OVER (PARTITION BY allocataire_id ORDER BY at) AS first_at
          FROM campaigns_contactfact
         WHERE state = ANY(%(counted)s) AND NOT is_exempt
           AND at > %(now)s - interval '30 days' AND at < %(now)s + interval '30 days') w
     WHERE first_at IS NOT NULL AND GREATEST(last_at, %(now)s) - LEAST(first_at, %(now)s) < interval '30 days')"""
SHARED_MOBILE = """mobile <> '' AND usable && '{SMS,CALL}' AND (id IN (
    SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY mobile ORDER BY matricule) AS place
                      FROM candidate WHERE exclusion = '' AND mobile <> '' AND usable && '{SMS,CALL}') w
     WHERE place > 1)
    OR mobile IN (
    SELECT a.mobile FROM campaigns_member m
      JOIN campaigns_audience u ON u.id = m.audience_id
      JOIN campaigns_allocataire a ON a.id = m.allocataire_id
     WHERE m.campaign_id = %(campaign)s AND m.exclusion = '' AND u.superseded_at IS NULL
       AND u.night_on > %(reentry_after)s))"""

STRATUM = f"place || '{SEPARATOR}' || array_to_string(usable, '+')"


@dataclass(frozen=True)
class Candidates:
    """What the temporary table holds, counted."""

    targeted: int
    exclusions: dict[str, int]
    strata: dict[str, int]
    overridden: int = 0  # retained because a superviseur lifted the delay of the sensitive theme

    @property
    def retained(self) -> int:
        return sum(self.strata.values())


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

    Whoever is in an audience of this campaign within the plan's re-entry delay is no candidate. ``steps``: (arm,
    channel) of a campaign that is only imagined; by default those of ``campaign``. ``only``: one person, not all.
    """
    if steps is None:
        steps = campaign.steps.planned().values_list("arm", "channel")
    values = _values(campaign, night_on, now, steps)
    with connection.cursor() as cursor:
        cursor.execute(CREATE)
        fill = _fill_sql() + (" AND a.id = %(only)s" if only else "")
        cursor.execute(*_merge_values(fill, {**values, "only": only}, *_select_ids(criteria, night_on)))
        cursor.execute("ANALYZE candidate")
        if BadDestination.objects.to_correct().exists():
            cursor.execute(BAD_ADDRESSES, values)
        cursor.execute(OPPOSE.format(refusals=_refusals()), values)
        for reason in Exclusion:
            condition = _condition(reason, campaign, values)
            if condition:
                cursor.execute(
                    f"UPDATE candidate SET exclusion = '{reason}' WHERE exclusion = '' AND ({condition})", values
                )
    return _count_candidates(_condition_of_override(campaign), values)


def _refusals() -> str:
    """Addresses are hashed only where some refusal is known by its address alone: it costs a second at 100,000."""
    if Opposition.objects.active().filter(allocataire=None).exists():
        return f"{REFUSALS_OF_PERSONS} UNION ALL {REFUSALS_OF_ADDRESSES}"
    return REFUSALS_OF_PERSONS


def _select_ids(criteria: Any, night_on: date) -> tuple[str, Sequence[Any]]:
    try:
        return matching_ids(criteria, today=night_on).query.sql_with_params()
    except EmptyResultSet:  # Django sees by itself that nobody can match
        return "SELECT NULL::bigint WHERE false", ()


def _values(campaign: Campaign, night_on: date, now: datetime, steps: Iterable[tuple[str, str]]) -> dict[str, Any]:
    plan = campaign.plan
    by_arm = arm_channels([arm["code"] for arm in campaign.arms], steps)
    return {
        "campaign": campaign.pk,
        "theme": plan.theme,
        "night": night_on,
        "now": now,
        "reentry_after": night_on - timedelta(days=plan.reentry_days),
        "sensitive_after": now - timedelta(days=plan.sensitive_days),
        "control": CONTROL_ARM,
        "counted": FactState.counted(),
        "campaigns_7_days": settings.CAP_CAMPAIGNS_7_DAYS,
        "contacts_30_days": settings.CAP_CONTACTS_30_DAYS,
        **hash_pads(settings.DESTINATION_HASH_KEY),
        "channels": sorted(frozenset().union(*by_arm.values())),
        # An arm without steps (a draft being written) excludes nobody.
        **{f"arm_{i}": sorted(channels) for i, channels in enumerate(by_arm.values()) if channels},
    }


def _fill_sql() -> str:
    bands = " ".join(f"WHEN a.born_on > %(night)s - interval '{n} years' THEN '{label}'" for n, label in AGE_BANDS)
    return FILL.format(
        deceased=Exclusion.DECEASED.value,
        closed=Exclusion.CLOSED.value,
        guardianship=Exclusion.GUARDIANSHIP.value,
        unknown_epci=UNKNOWN_EPCI,
        separator=SEPARATOR,
        age_band=f"CASE WHEN a.born_on IS NULL THEN '{UNKNOWN_AGE}' {bands} ELSE '{OLDEST_BAND}' END",
        matching="{matching}",
    )


def _merge_values(
    sql: str, values: dict[str, Any], inner: str, inner_values: Sequence[Any]
) -> tuple[str, dict[str, Any]]:
    """Put a statement with positional values inside one with named values (``%%`` stays a literal ``%``)."""
    named = {f"inner_{i}": value for i, value in enumerate(inner_values)}
    names = iter(named)
    renamed = re.sub("%%|%s", lambda found: found[0] if found[0] == "%%" else f"%({next(names)})s", inner)
    return sql.replace("{matching}", renamed), {**values, **named}


def _condition(reason: Exclusion, campaign: Campaign, values: dict[str, Any]) -> str:
    """SQL that says whether a candidate is left out for that reason; empty when the campaign does not know it."""
    arms = [name for name in values if name.startswith("arm_")]
    match reason:
        case Exclusion.DECEASED | Exclusion.CLOSED | Exclusion.GUARDIANSHIP:
            return f"lost = '{reason}'"
        case Exclusion.OPPOSED:
            return " OR ".join(f"opposed @> %({arm})s::text[]" for arm in arms)
        case Exclusion.NO_ADDRESS:
            return " OR ".join(f"NOT usable && %({arm})s::text[]" for arm in arms)
        case Exclusion.SENSITIVE_THEME:
            return SENSITIVE if campaign.plan.is_sensitive and not campaign.sensitive_override_reason else ""
        case Exclusion.CONTROL_ELSEWHERE:
            return CONTROL_ELSEWHERE
        case Exclusion.CAP:
            return "" if campaign.plan.is_exempt_from_cap else CAP
        case Exclusion.SHARED_MOBILE:
            return SHARED_MOBILE


def _condition_of_override(campaign: Campaign) -> str:
    return SENSITIVE if campaign.plan.is_sensitive and campaign.sensitive_override_reason else "false"


def _count_candidates(overridden: str, values: dict[str, Any]) -> Candidates:
    with connection.cursor() as cursor:
        cursor.execute("SELECT exclusion, count(*) FROM candidate GROUP BY exclusion")
        counts: dict[str, int] = dict(cursor.fetchall())
        cursor.execute(f"SELECT {STRATUM}, count(*) FROM candidate WHERE exclusion = '' GROUP BY 1")
        strata: dict[str, int] = dict(cursor.fetchall())
        cursor.execute(f"SELECT count(*) FROM candidate WHERE exclusion = '' AND {overridden}", values)
        people: int = cursor.fetchone()[0]
    exclusions = {reason.value: counts[reason] for reason in Exclusion if reason in counts}
    return Candidates(targeted=sum(counts.values()), exclusions=exclusions, strata=strata, overridden=people)
