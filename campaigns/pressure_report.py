"""Contact pressure over all campaigns and channels: how many contacts people get, who is at the cap, through whom."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from campaigns.candidates_sql import CAP
from campaigns.enums import CampaignStatus, FactState
from campaigns.models import Campaign

# The busiest 30 days of each person around now, planned contacts included.
BUSIEST = """
SELECT busiest, count(*) FROM (
    SELECT allocataire_id, max(contacts) AS busiest FROM (
        SELECT allocataire_id, count(*) OVER (
                   PARTITION BY allocataire_id ORDER BY at
                   RANGE BETWEEN interval '30 days' - interval '1 microsecond' PRECEDING AND CURRENT ROW) AS contacts
          FROM campaigns_contactfact
         WHERE state = ANY(%(counted)s) AND NOT is_exempt
           AND at > %(now)s - interval '30 days' AND at < %(now)s + interval '30 days') w
     GROUP BY allocataire_id) p
 GROUP BY busiest ORDER BY busiest"""

COUNT_AT_CAP = f"SELECT count(*) FROM ({CAP}) p"

# Campaigns whose contacts fill the cap of some people; somebody contacted by two campaigns is counted in both.
SOURCES = """
SELECT c.id, c.name, c.priority, count(DISTINCT f.allocataire_id) AS people, count(*) AS contacts
  FROM campaigns_contactfact f JOIN campaigns_campaign c ON c.id = f.campaign_id
 WHERE f.state = ANY(%(counted)s) AND NOT f.is_exempt AND f.campaign_id <> %(campaign)s
   AND f.at > %(now)s - interval '30 days' AND f.at < %(now)s + interval '30 days'
   AND f.allocataire_id IN ({people})
 GROUP BY c.id ORDER BY people DESC, c.name"""

# For one campaign: also the running ones that a night serves first (a lower number, then the older one), which reserve
# before it.
LIMITS = f"""
SELECT c.id, c.name, c.priority, COALESCE(source.people, 0), COALESCE(source.contacts, 0), turn.is_before
  FROM campaigns_campaign c
 CROSS JOIN LATERAL (
       SELECT c.status = %(running)s AND (c.priority, c.id) < (%(priority)s, %(campaign)s)) turn (is_before)
  LEFT JOIN ({SOURCES}) source ON source.id = c.id
 WHERE turn.is_before OR source.people > 0
 ORDER BY COALESCE(source.people, 0) DESC, c.name"""

LEFT_OUT_BY_CAP = "SELECT id FROM candidate WHERE exclusion = 'PRESSION'"


@dataclass(frozen=True)
class Source:
    """A campaign that limits others: its priority (1 first), people concerned, its contacts with them."""

    campaign: int
    name: str
    priority: int
    people: int
    contacts: int
    is_before: bool = False  # it is served first


@dataclass(frozen=True)
class Pressure:
    """``distribution``: (contacts in the busiest 30 days, persons)."""

    distribution: list[tuple[int, int]]
    people_at_cap: int
    sources: list[Source]


def read_pressure(*, now: datetime) -> Pressure:
    """Who is contacted how much, over all campaigns; counts only, whatever the size of the population."""
    values = _values(0, now)
    return Pressure(
        distribution=[(contacts, people) for contacts, people in _rows(BUSIEST, values)],
        people_at_cap=_rows(COUNT_AT_CAP, values)[0][0],
        sources=[Source(*row) for row in _rows(SOURCES.format(people=CAP), values)],
    )


def find_limits(*, campaign: Campaign, now: datetime) -> list[Source]:
    """From which campaigns come the contacts of the candidates left out by the cap, and which ones go before it.

    To be called in the transaction of ``build_candidates``.
    """
    values = _values(campaign.pk, now) | {"priority": campaign.priority, "running": CampaignStatus.RUNNING}
    return [Source(*row) for row in _rows(LIMITS.format(people=LEFT_OUT_BY_CAP), values)]


def _values(campaign: int, now: datetime) -> dict[str, Any]:
    return {
        "campaign": campaign,
        "now": now,
        "counted": FactState.counted(),
        "campaigns_7_days": settings.CAP_CAMPAIGNS_7_DAYS,
        "contacts_30_days": settings.CAP_CONTACTS_30_DAYS,
    }


def _rows(statement: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
