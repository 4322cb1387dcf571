"""Who is contacted how much, through which campaigns; and what a simulation says of it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from campaigns.enums import CampaignStatus, FactState
from campaigns.models import Allocataire, Campaign, read_now
from campaigns.pressure_report import read_pressure
from campaigns.rules.power import POOR_EFFECT, detectable_effect, judge_power
from campaigns.simulation import simulate_campaign
from outreach.roles import ADMINISTRATEUR, AGENT
from tests.factories import NOW, make_allocataires, make_campaign, make_contact_fact
from tests.pages import MAX_QUERIES, make_colleague, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> list[Allocataire]:
    """Six people: two contacted yesterday by one campaign, one of them four times in the month by two others."""
    found = make_allocataires(6)
    yesterday, monthly, other = (make_campaign(name=name) for name in ("Hier", "Chaque semaine", "Autre"))
    for person in found[:2]:
        make_contact_fact(person, yesterday, at=NOW - timedelta(days=1))
    for days in (10, 17):
        make_contact_fact(found[0], monthly, at=NOW - timedelta(days=days))
    make_contact_fact(found[0], other, at=NOW + timedelta(days=10))
    make_contact_fact(found[3], other, at=NOW - timedelta(days=20))
    make_contact_fact(found[4], yesterday, at=NOW, state=FactState.RELEASED)
    make_contact_fact(found[5], yesterday, at=NOW, is_exempt=True)
    return found


def test_distribution_cap_and_origins(people: list[Allocataire]) -> None:
    pressure = read_pressure(now=NOW)
    assert pressure.distribution == [(1, 2), (4, 1)]
    assert pressure.people_at_cap == 2
    assert [(row.name, row.people, row.contacts) for row in pressure.sources] == [
        ("Hier", 2, 2), ("Autre", 1, 1), ("Chaque semaine", 1, 2),
    ]  # fmt: skip


def test_contacts_thirty_days_apart_are_not_in_one_month() -> None:
    person, campaign = make_allocataires(1)[0], make_campaign()
    for days in (-15, 15):
        make_contact_fact(person, campaign, at=NOW + timedelta(days=days))
    assert read_pressure(now=NOW).distribution == [(1, 1)]


def test_a_simulation_says_from_which_campaigns_come_the_contacts(people: list[Allocataire]) -> None:
    simulation = simulate_campaign(campaign=make_campaign(), now=NOW)
    assert [(row.code, row.people) for row in simulation.exclusions] == [("PRESSION", 2)]
    assert [(row.name, row.people) for row in simulation.cap_sources] == [
        ("Hier", 2), ("Autre", 1), ("Chaque semaine", 1),
    ]  # fmt: skip


def served_before(campaign: Campaign) -> list[int]:
    return [each.campaign for each in simulate_campaign(campaign=campaign, now=NOW).before]


def test_the_night_serves_higher_priorities_then_older_campaigns() -> None:
    first, older, own, newer, lower = (
        make_campaign(priority=priority, status=CampaignStatus.RUNNING) for priority in (10, 50, 50, 50, 90)
    )
    make_campaign(priority=1)  # a draft reserves nothing
    assert served_before(own) == [first.pk, older.pk]
    assert served_before(lower) == [first.pk, older.pk, own.pk, newer.pk]


def test_the_power_proposes_a_larger_share_or_pooling() -> None:
    assert not judge_power(60_000, 0.10).is_poor
    poor = judge_power(1_656, 0.10)
    assert poor.effect
    assert (poor.is_poor, round(poor.effect * 100, 2)) == (True, 4.25)
    assert poor.better_share
    assert (detectable_effect(1_656, poor.better_share, 0.01) or 1) <= POOR_EFFECT
    assert poor.needed
    assert (detectable_effect(poor.needed, 0.10, 0.01) or 1) <= POOR_EFFECT + 1e-6
    assert judge_power(40, 0.10).better_share is None
    assert judge_power(1_000, 0).effect is None


def test_the_simulation_costs_few_queries(django_assert_max_num_queries: Any) -> None:
    found, other = make_allocataires(3), make_campaign(status=CampaignStatus.RUNNING)
    make_contact_fact(found[0], other, at=read_now())
    client, campaign = sign_in(make_colleague(AGENT)), make_campaign()
    with django_assert_max_num_queries(MAX_QUERIES):
        page = client.get(reverse("admin:campaign_simulation", args=[campaign.pk])).content.decode()
    assert "<strong>1 personne</strong> au-dessus du plafond" in page


def page_of(campaign: Campaign) -> str:
    client = sign_in(make_colleague(AGENT))
    return client.get(reverse("admin:campaign_simulation", args=[campaign.pk])).content.decode()


def test_the_simulation_page_explains_cap_priority_and_power() -> None:
    found, other = make_allocataires(3), make_campaign(name="Rappel DTR", priority=10, status=CampaignStatus.RUNNING)
    make_contact_fact(found[0], other, at=read_now())
    page = page_of(make_campaign(control_share=Decimal("0.1")))
    assert "Votre campagne exclurait <strong>1 personne</strong> au-dessus du plafond" in page
    assert "Rappel DTR" in page
    assert "1 campagne en cours réserve avant" in page
    assert "aucun effet ne pourrait être montré" in page
    assert "Sans témoins, le bilan donnera un taux observé" in page_of(make_campaign(control_share=0))


def test_the_page_of_all_campaigns(people: list[Allocataire], django_assert_max_num_queries: object) -> None:
    client = sign_in(make_colleague(AGENT))
    url = reverse("admin:campaigns_contactfact_changelist")
    with django_assert_max_num_queries(MAX_QUERIES):  # type: ignore[operator]
        page = client.get(url).content.decode()
    assert "au plafond" in page
    assert sign_in(make_colleague(ADMINISTRATEUR)).get(url).status_code == 403
