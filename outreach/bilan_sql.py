"""What a bilan reads: few set-based queries, each returning counts, over the people of one or several campaigns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from campaigns.enums import CONTROL_ARM, AmountNature, OutcomeStage
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
# did in any of her windows is kept beside what she did in the first.
_GATHER = """
CREATE TEMPORARY TABLE person ON COMMIT DROP AS
WITH membership AS (
    SELECT m.id, m.allocataire_id, m.campaign_id, m.exclusion, m.arm, a.night_on, a.shares::text AS draw, o.*
      FROM campaigns_member m
      JOIN campaigns_audience a ON a.id = m.audience_id AND a.superseded_at IS NULL
      LEFT JOIN outreach_outcome o ON o.member_id = m.id
     WHERE a.campaign_id = ANY(%(campaigns)s)
)
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
WINDOW everywhere AS (PARTITION BY allocataire_id)
 ORDER BY allocataire_id, exclusion <> '', night_on, id
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
 WHERE exclusion = '' AND v.any_amount IS NOT NULL
 ORDER BY v.nature, campaign_id, draw, arm, v.any_amount, v.first_amount
"""

_ADDRESSES = """
SELECT count(*) FILTER (WHERE p.sms_allowed AND p.mobile <> ''),
       count(*) FILTER (WHERE p.email_allowed AND p.email <> ''),
       count(*) FILTER (WHERE p.call_allowed AND (p.mobile <> '' OR p.landline <> ''))
  FROM person JOIN campaigns_allocataire p ON p.id = person.allocataire_id
 WHERE exclusion = '' AND arm <> %(control)s
"""

# One row a person and channel first: counting distinct people nine times would sort every contact nine times.
_TOUCHES = """
SELECT channel, count(*), count(*) FILTER (WHERE is_contacted), count(*) FILTER (WHERE is_delivered),
       count(*) FILTER (WHERE is_failed), count(*) FILTER (WHERE is_unconfirmed),
       count(*) FILTER (WHERE is_suppressed), count(*) FILTER (WHERE has_answered), count(*) FILTER (WHERE is_wrong)
  FROM (SELECT t.channel, t.allocataire_id,
               bool_or(t.status = ANY(%(contacted)s) OR r.is_reached) AS is_contacted,
               bool_or(t.status = %(delivered)s OR r.is_reached) AS is_delivered,
               bool_or(t.status = ANY(%(failed)s)) AS is_failed,
               bool_or(t.status = %(unconfirmed)s) AS is_unconfirmed,
               bool_or(t.status = %(suppressed)s) AS is_suppressed,
               bool_or(r.is_reached OR y.touch_id IS NOT NULL) AS has_answered,
               bool_or(r.is_wrong) AS is_wrong
          FROM person
          JOIN outreach_touch t ON t.allocataire_id = person.allocataire_id AND t.campaign_id = ANY(%(campaigns)s)
          JOIN campaigns_audience a ON a.id = t.audience_id AND a.superseded_at IS NULL
          LEFT JOIN (SELECT c.touch_id, bool_or(x.result = %(reached)s) AS is_reached,
                            bool_or(x.result = %(wrong)s) AS is_wrong
                       FROM outreach_call c JOIN outreach_callattempt x ON x.call_id = c.id GROUP BY c.touch_id) r
            ON r.touch_id = t.id
          LEFT JOIN (SELECT DISTINCT touch_id FROM outreach_reply) y ON y.touch_id = t.id
         WHERE person.exclusion = '' AND person.arm <> %(control)s
         GROUP BY t.channel, t.allocataire_id) way
 GROUP BY channel ORDER BY channel
"""

_SPENT = """
SELECT (SELECT COALESCE(sum(s.segments), 0) FROM outreach_attempt s JOIN outreach_touch t ON t.id = s.touch_id
         WHERE t.campaign_id = ANY(%(campaigns)s)),
       count(*), COALESCE(sum(x.minutes), 0)
  FROM outreach_callattempt x
  JOIN outreach_call c ON c.id = x.call_id
  JOIN outreach_touch t ON t.id = c.touch_id
 WHERE t.campaign_id = ANY(%(campaigns)s)
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
    query = (
        "SELECT COALESCE(e.code, ''), COALESCE(e.name, ''), arm = %(control)s,"
        f" count(*), count(*) FILTER (WHERE {_DONE[stage]})"
        " FROM person JOIN campaigns_allocataire p ON p.id = person.allocataire_id"
        " LEFT JOIN campaigns_commune c ON c.code = p.commune_id LEFT JOIN campaigns_epci e ON e.code = c.epci_id"
        " WHERE exclusion = '' AND campaign_id = ANY(%(knowing)s) GROUP BY 1, 2, 3 ORDER BY 2, 1, 3"
    )
    return [Place(*row) for row in _rows(query, campaigns, knowing)]


def read_amounts(campaigns: Sequence[int]) -> list[Amount]:
    return [
        Amount(campaign, draw, nature, arm, float(value), None if first is None else float(first))
        for campaign, draw, nature, arm, value, first in _rows(_AMOUNTS, campaigns)
    ]


def read_addresses(campaigns: Sequence[int]) -> Address:
    return Address(*_rows(_ADDRESSES, campaigns)[0])


def read_touches(campaigns: Sequence[int]) -> list[TouchCount]:
    return [TouchCount(*row) for row in _rows(_TOUCHES, campaigns)]


def read_spent(campaigns: Sequence[int]) -> Spent:
    return Spent(*_rows(_SPENT, campaigns)[0])


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
        "contacted": sorted(TouchStatus.contacted()),
        "delivered": TouchStatus.DELIVERED,
        "failed": [TouchStatus.FAILED, TouchStatus.UNDELIVERED, TouchStatus.EXPIRED, TouchStatus.QUARANTINED],
        "unconfirmed": TouchStatus.UNCONFIRMED,
        "suppressed": TouchStatus.SUPPRESSED,
        "reached": CallResult.REACHED,
        "wrong": CallResult.WRONG_NUMBER,
    }
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()
