"""What a bilan reads: few set-based queries, each returning counts, over the people of one or several campaigns."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from django.db import connection, transaction

from campaigns.enums import CONTROL_ARM, AmountNature, Channel, OutcomeStage
from outreach.enums import CallResult, TouchStatus
from outreach.rules.bilan_facts import (
    Address,
    Amount,
    Days,
    Feed,
    Group,
    Place,
    Spent,
    TouchCount,
    Wave,
)

# One row a person: her first retained membership (else her first exclusion) gives campaign, arm and clock; what she
# did in any of her windows is kept beside what she did in the first. The draw is written once a wave.
_GATHER = """
CREATE TEMPORARY TABLE person ON COMMIT DROP AS
WITH wave AS MATERIALIZED (
    SELECT id AS audience_id, campaign_id, night_on, shares::text AS draw
      FROM campaigns_audience WHERE superseded_at IS NULL AND campaign_id = ANY(%(campaigns)s)
), membership AS (
    SELECT m.id, m.allocataire_id, m.exclusion, m.arm, wave.*, o.*
      FROM campaigns_member m
      JOIN wave USING (audience_id)
      LEFT JOIN outreach_outcome o ON o.member_id = m.id
), first AS (
    SELECT DISTINCT ON (allocataire_id)
           allocataire_id, campaign_id, draw, exclusion, arm, night_on, member_id IS NOT NULL AS is_attributed,
           consulted_on, filed_on, settled_on, amount_monthly, amount_arrears, amount_overpayment,
           bool_or(contacted_at IS NOT NULL) OVER everywhere AS is_contacted,
           bool_or(delivered_at IS NOT NULL) OVER everywhere AS is_delivered,
           bool_or(consulted_on IS NOT NULL) OVER everywhere AS has_consulted,
           bool_or(filed_on IS NOT NULL) OVER everywhere AS has_filed,
           bool_or(settled_on IS NOT NULL) OVER everywhere AS has_settled,
           bool_or(is_shared) OVER everywhere AS is_shared,
           min(amount_monthly) OVER everywhere AS any_monthly,
           min(amount_arrears) OVER everywhere AS any_arrears,
           min(amount_overpayment) OVER everywhere AS any_overpayment
      FROM membership
    WINDOW everywhere AS (PARTITION BY allocataire_id ORDER BY exclusion <> '', night_on, id
                          ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
     ORDER BY allocataire_id, exclusion <> '', night_on, id
)
SELECT first.*, r.commune_id, r.sms_allowed AND r.has_mobile AS by_sms, r.email_allowed AND r.has_email AS by_email,
       r.call_allowed AND (r.has_mobile OR r.has_landline) AS by_call
  FROM first LEFT JOIN campaigns_selectionrow r USING (allocataire_id)
"""

_GROUPS = """
SELECT campaign_id, draw, exclusion, arm, count(*),
       count(*) FILTER (WHERE is_attributed),
       count(*) FILTER (WHERE is_contacted),
       count(*) FILTER (WHERE is_delivered),
       count(*) FILTER (WHERE has_consulted),
       count(*) FILTER (WHERE has_filed),
       count(*) FILTER (WHERE has_settled),
       count(*) FILTER (WHERE is_contacted AND has_consulted),
       count(*) FILTER (WHERE is_contacted AND has_filed),
       count(*) FILTER (WHERE is_contacted AND has_settled),
       count(consulted_on), count(filed_on), count(settled_on),
       count(*) FILTER (WHERE is_shared)
  FROM person GROUP BY campaign_id, draw, exclusion, arm ORDER BY campaign_id, draw, exclusion, arm
"""

_FIRST_DAY = {
    OutcomeStage.CONSULTED.value: "consulted_on",
    OutcomeStage.FILED.value: "filed_on",
    OutcomeStage.SETTLED.value: "settled_on",
}
_DONE = {
    OutcomeStage.CONSULTED.value: "has_consulted",
    OutcomeStage.FILED.value: "has_filed",
    OutcomeStage.SETTLED.value: "has_settled",
}

_AMOUNTS = """
SELECT campaign_id, draw, v.nature, arm, v.any_amount, v.first_amount
  FROM person
 CROSS JOIN LATERAL (VALUES
       (%(monthly)s, any_monthly, amount_monthly),
       (%(arrears)s, any_arrears, amount_arrears),
       (%(overpayment)s, any_overpayment, amount_overpayment)) v (nature, any_amount, first_amount)
 WHERE exclusion = '' AND v.any_amount IS NOT NULL AND num_nonnulls(any_monthly, any_arrears, any_overpayment) > 0
 ORDER BY v.nature, campaign_id, draw, arm, v.any_amount, v.first_amount
"""

_ADDRESSES = """
SELECT count(*) FILTER (WHERE by_sms), count(*) FILTER (WHERE by_email), count(*) FILTER (WHERE by_call)
  FROM person WHERE exclusion = '' AND arm <> %(control)s
"""

_PLACES = """
SELECT COALESCE(e.code, ''), COALESCE(e.name, ''), is_control, sum(people)::int, sum(done)::int
  FROM (SELECT commune_id, arm = %(control)s AS is_control, count(*) AS people, count(*) FILTER (WHERE {done}) AS done
          FROM person WHERE exclusion = '' AND campaign_id = ANY(%(knowing)s) GROUP BY 1, 2) lived
  LEFT JOIN campaigns_selectioncode s ON s.kind = 'commune_id' AND s.number = lived.commune_id
  LEFT JOIN campaigns_commune c ON c.code = s.value
  LEFT JOIN campaigns_epci e ON e.code = c.epci_id
 GROUP BY 1, 2, 3 ORDER BY 2, 1, 3
"""

# What a contact says of a person, one bit each in the order of ``TouchCount``: from its state, from its calls.
_BITS = {field.name: 1 << place for place, field in enumerate(fields(TouchCount)[1:])}
_STATES: dict[str, Collection[str]] = {
    "planned": list(TouchStatus),
    "contacted": TouchStatus.contacted(),
    "delivered": [TouchStatus.DELIVERED],
    "failed": [TouchStatus.FAILED, TouchStatus.UNDELIVERED, TouchStatus.EXPIRED, TouchStatus.QUARANTINED],
    "uncertain": [TouchStatus.UNCONFIRMED],
    "suppressed": [TouchStatus.SUPPRESSED],
}
_RESULTS: dict[str, Collection[str]] = {
    "contacted": [CallResult.REACHED],
    "delivered": [CallResult.REACHED],
    "answered": [CallResult.REACHED],
    "wrong_number": [CallResult.WRONG_NUMBER],
}
_CHANNELS = {channel.value: place * len(_BITS) for place, channel in enumerate(sorted(Channel))}


def _case(column: str, numbers: Mapping[str, int]) -> str:
    cases = " ".join(f"WHEN '{value}' THEN {number}" for value, number in numbers.items())
    return f"CASE {column} {cases} ELSE 0 END"


def _bits_of(values: Iterable[str], meanings: Mapping[str, Collection[str]]) -> dict[str, int]:
    return {v: sum(_BITS[name] for name, meant in meanings.items() if v in meant) for v in values}


# One pass over the contacts, then one row a person: what happened to her on each channel is one number, because
# distinct people counted nine times a channel would sort every contact nine times. Money counts whoever was contacted;
# what happened, only the people drawn to be. A contact has attempts or a call, never both.
_CONTACTS = f"""
SELECT CASE WHEN person.allocataire_id IS NULL THEN 0 ELSE ways END, count(*),
       COALESCE(sum(segments), 0)::int, sum(calls)::int, COALESCE(sum(minutes), 0)::int
  FROM (SELECT t.allocataire_id, sum(s.segments) AS segments, count(x.id) AS calls, sum(x.minutes) AS minutes,
               bit_or(CASE WHEN a.superseded_at IS NULL
                           THEN ({_case("t.status", _bits_of(TouchStatus, _STATES))}
                                 | {_case("x.result", _bits_of(CallResult, _RESULTS))}
                                 | CASE WHEN y.touch_id IS NULL THEN 0 ELSE {_BITS["answered"]} END)
                                << {_case("t.channel", _CHANNELS)}
                           ELSE 0 END) AS ways
          FROM outreach_touch t
          JOIN campaigns_audience a ON a.id = t.audience_id
          LEFT JOIN outreach_attempt s ON s.touch_id = t.id
          LEFT JOIN (outreach_call c JOIN outreach_callattempt x ON x.call_id = c.id) ON c.touch_id = t.id
          LEFT JOIN (SELECT DISTINCT touch_id FROM outreach_reply) y ON y.touch_id = t.id
         WHERE t.campaign_id = ANY(%(campaigns)s)
         GROUP BY t.allocataire_id) contact
  LEFT JOIN person ON person.allocataire_id = contact.allocataire_id
                  AND person.exclusion = '' AND person.arm <> %(control)s
 GROUP BY 1
"""

_WAVES = """
SELECT a.campaign_id, min(a.night_on), max(a.night_on), sum(a.override_count)
  FROM campaigns_audience a
 WHERE a.superseded_at IS NULL AND a.campaign_id = ANY(%(campaigns)s)
 GROUP BY a.campaign_id
"""

_FEEDS = """
SELECT c.id, k.code, k.label, k.stage, k.nature, max(i.as_of)
  FROM campaigns_campaign c
  JOIN campaigns_regularisationkind k ON k.code = ANY(c.expected_kinds)
  LEFT JOIN outreach_regularisationimport_kinds l ON l.regularisationkind_id = k.code
  LEFT JOIN outreach_regularisationimport i ON i.id = l.regularisationimport_id
 WHERE c.id = ANY(%(campaigns)s)
 GROUP BY c.id, k.code ORDER BY c.id, k.code
"""


@contextmanager
def gather_people(campaigns: Sequence[int]) -> Iterator[None]:
    """Find the people of these campaigns once, for the questions that are asked inside."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64MB'; DROP TABLE IF EXISTS person")
        cursor.execute(_GATHER, {"campaigns": list(campaigns)})
        yield


def read_groups(campaigns: Sequence[int]) -> list[Group]:
    return [Group(*row) for row in _rows(_GROUPS, campaigns)]


def read_days(campaigns: Sequence[int], stage: str, knowing: Sequence[int]) -> list[Days]:
    """People by arm and by days between the launch of their wave and ``stage``, for campaigns that know it."""
    day = _FIRST_DAY[stage]
    query = (
        f"SELECT arm, {day} - night_on, count(*) FROM person"
        f" WHERE exclusion = '' AND {day} IS NOT NULL AND campaign_id = ANY(%(knowing)s) GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [Days(*row) for row in _rows(query, campaigns, knowing)]


def read_places(campaigns: Sequence[int], stage: str, knowing: Sequence[int]) -> list[Place]:
    """People drawn by EPCI of residence, témoins apart, and how many reached ``stage``, for campaigns that know it."""
    return [Place(*row) for row in _rows(_PLACES.format(done=_DONE[stage]), campaigns, knowing)]


def read_amounts(campaigns: Sequence[int]) -> list[Amount]:
    return [
        Amount(campaign, draw, nature, arm, float(value), None if first is None else float(first))
        for campaign, draw, nature, arm, value, first in _rows(_AMOUNTS, campaigns)
    ]


def read_addresses(campaigns: Sequence[int]) -> Address:
    return Address(*_rows(_ADDRESSES, campaigns)[0])


def read_contacts(campaigns: Sequence[int]) -> tuple[list[TouchCount], Spent]:
    """People by what happened to them on each channel that was planned, and what all contacts cost."""
    rows = _rows(_CONTACTS, campaigns)
    counts = (
        TouchCount(channel, *(sum(row[1] for row in rows if row[0] >> place & bit) for bit in _BITS.values()))
        for channel, place in _CHANNELS.items()
    )
    return [count for count in counts if count.planned], Spent(*(sum(row[at] for row in rows) for at in (2, 3, 4)))


def read_waves(campaigns: Sequence[int]) -> dict[int, Wave]:
    return {campaign: Wave(*values) for campaign, *values in _rows(_WAVES, campaigns)}


def read_feeds(campaigns: Sequence[int]) -> list[Feed]:
    return [Feed(*row) for row in _rows(_FEEDS, campaigns)]


def _rows(query: str, campaigns: Sequence[int], knowing: Sequence[int] = ()) -> list[tuple[Any, ...]]:
    parameters: dict[str, Any] = {
        "campaigns": list(campaigns),
        "knowing": list(knowing),
        "control": CONTROL_ARM,
        "monthly": AmountNature.MONTHLY,
        "arrears": AmountNature.ARREARS,
        "overpayment": AmountNature.OVERPAYMENT,
    }
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()
