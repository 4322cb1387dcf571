"""What each member became: contacts and régularisations of the window, counted by one clock for every arm."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from campaigns.enums import AmountNature, OutcomeStage
from campaigns.models import Campaign, refresh_statistics
from outreach.enums import CallResult, TouchStatus
from outreach.models import Outcome
from outreach.rules.attribution import RULE_VERSION


def attribute_outcomes(*, campaign: Campaign, now: datetime) -> int:
    """Recompute the outcome of every retained member of ``campaign`` from the facts known at ``now``.

    Témoins and contact arms alike. Rows that would not change are not written; returns how many were. Contact facts
    are told what their person then settled, for the segments that ask for it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ATTRIBUTE, _parameters(campaign, now))
        written: int = cursor.rowcount
        cursor.execute(_TELL_FACTS, {"campaign": campaign.pk, "zone": settings.TIME_ZONE})
        refresh_statistics(Outcome, written=written)
    return written


def _parameters(campaign: Campaign, now: datetime) -> dict[str, Any]:
    return {
        "campaign": campaign.pk,
        "kinds": campaign.expected_kinds,
        "window_days": campaign.window_days,
        "today": timezone.localdate(now),
        "contacted": sorted(TouchStatus.contacted()),
        "delivered": TouchStatus.DELIVERED,
        "reached": CallResult.REACHED,
        "consulted": OutcomeStage.CONSULTED,
        "filed": OutcomeStage.FILED,
        "settled": OutcomeStage.SETTLED,
        "monthly": AmountNature.MONTHLY,
        "arrears": AmountNature.ARREARS,
        "overpayment": AmountNature.OVERPAYMENT,
        "rule_version": RULE_VERSION,
    }


# The columns of an outcome, in the order of the final SELECT.
_COLUMNS = (
    "contacted_at",
    "delivered_at",
    "consulted_on",
    "filed_on",
    "settled_on",
    "amount_monthly",
    "amount_arrears",
    "amount_overpayment",
    "is_shared",
    "rule_version",
)

_ATTRIBUTE = f"""
WITH retained AS (
    SELECT m.id, m.allocataire_id, a.night_on AS opens_on, a.night_on + %(window_days)s::int AS closes_on
      FROM campaigns_member m
      JOIN campaigns_audience a ON a.id = m.audience_id AND a.superseded_at IS NULL
     WHERE a.campaign_id = %(campaign)s AND m.exclusion = ''
), event AS (
    SELECT r.id AS member_id, r.allocataire_id, e.kind_id, e.occurred_on, e.amount, k.stage, k.nature
      FROM retained r
      JOIN outreach_regularisation e
        ON e.allocataire_id = r.allocataire_id
       AND e.occurred_on BETWEEN r.opens_on AND least(r.closes_on, %(today)s)
       AND e.kind_id = ANY(%(kinds)s::text[])
      JOIN campaigns_regularisationkind k ON k.code = e.kind_id
), done AS (
    SELECT member_id,
           min(occurred_on) FILTER (WHERE stage = %(consulted)s) AS consulted_on,
           min(occurred_on) FILTER (WHERE stage = %(filed)s) AS filed_on,
           min(occurred_on) FILTER (WHERE stage = %(settled)s) AS settled_on,
           (array_agg(amount ORDER BY occurred_on, kind_id)
               FILTER (WHERE nature = %(monthly)s AND amount IS NOT NULL))[1] AS amount_monthly,
           (array_agg(amount ORDER BY occurred_on, kind_id)
               FILTER (WHERE nature = %(arrears)s AND amount IS NOT NULL))[1] AS amount_arrears,
           (array_agg(amount ORDER BY occurred_on, kind_id)
               FILTER (WHERE nature = %(overpayment)s AND amount IS NOT NULL))[1] AS amount_overpayment
      FROM event GROUP BY member_id
), reached AS (
    SELECT t.member_id, COALESCE(s.first_at, t.status_at, t.due_at) AS contacted_at,
           CASE WHEN t.status = %(delivered)s THEN COALESCE(t.status_at, s.first_at, t.due_at) END AS delivered_at
      FROM outreach_touch t
      LEFT JOIN LATERAL (SELECT min(submitted_at) AS first_at FROM outreach_attempt WHERE touch_id = t.id) s ON true
     WHERE t.campaign_id = %(campaign)s AND t.status = ANY(%(contacted)s)
    UNION ALL
    SELECT t.member_id, ca.at, ca.at
      FROM outreach_touch t
      JOIN outreach_call c ON c.touch_id = t.id
      JOIN outreach_callattempt ca ON ca.call_id = c.id AND ca.result = %(reached)s
     WHERE t.campaign_id = %(campaign)s
), contact AS (
    SELECT member_id, min(contacted_at) AS contacted_at, min(delivered_at) AS delivered_at
      FROM reached GROUP BY member_id
), shared AS (
    SELECT DISTINCT e.member_id
      FROM event e
      JOIN campaigns_member m
        ON m.allocataire_id = e.allocataire_id AND m.campaign_id <> %(campaign)s AND m.exclusion = ''
      JOIN campaigns_audience a ON a.id = m.audience_id AND a.superseded_at IS NULL
      JOIN campaigns_campaign c ON c.id = m.campaign_id AND e.kind_id = ANY(c.expected_kinds)
     WHERE e.occurred_on BETWEEN a.night_on AND a.night_on + c.window_days
       AND (EXISTS (SELECT FROM outreach_touch t WHERE t.member_id = m.id AND t.status = ANY(%(contacted)s))
            OR EXISTS (SELECT FROM outreach_touch t
                         JOIN outreach_call l ON l.touch_id = t.id
                         JOIN outreach_callattempt ca ON ca.call_id = l.id AND ca.result = %(reached)s
                        WHERE t.member_id = m.id))
)
INSERT INTO outreach_outcome AS o (member_id, {", ".join(_COLUMNS)})
SELECT r.id, contact.contacted_at, contact.delivered_at, done.consulted_on, done.filed_on, done.settled_on,
       done.amount_monthly, done.amount_arrears, done.amount_overpayment, shared.member_id IS NOT NULL,
       %(rule_version)s
  FROM retained r
  LEFT JOIN done ON done.member_id = r.id
  LEFT JOIN contact ON contact.member_id = r.id
  LEFT JOIN shared ON shared.member_id = r.id
 ORDER BY r.id
ON CONFLICT (member_id) DO UPDATE SET {", ".join(f"{c} = EXCLUDED.{c}" for c in _COLUMNS)}
 WHERE ({", ".join(f"o.{c}" for c in _COLUMNS)}) IS DISTINCT FROM ({", ".join(f"EXCLUDED.{c}" for c in _COLUMNS)})
"""

# What was settled before a contact does not follow it.
_TELL_FACTS = """
UPDATE campaigns_contactfact f SET settled_on = told.settled_on
  FROM (SELECT t.id, CASE WHEN o.settled_on >= (c.at AT TIME ZONE %(zone)s)::date THEN o.settled_on END AS settled_on
          FROM outreach_touch t
          JOIN outreach_outcome o ON o.member_id = t.member_id
          JOIN campaigns_contactfact c ON c.touch_ref = t.id
         WHERE t.campaign_id = %(campaign)s) AS told
 WHERE f.touch_ref = told.id AND f.settled_on IS DISTINCT FROM told.settled_on
"""
