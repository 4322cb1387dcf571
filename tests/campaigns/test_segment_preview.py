"""The preview of a segment says what the simulation of a campaign on it would say, and divides it exactly."""

from collections import Counter

import pytest

from campaigns.enums import Channel, Exclusion, Prestation
from campaigns.models import Campaign, Member, Opposition
from campaigns.segment_preview import preview_segment
from campaigns.segments import matching
from campaigns.simulation import simulate_campaign
from tests.factories import (
    ANYBODY,
    NIGHT,
    NOW,
    make_allocataire,
    make_allocataires,
    make_campaign,
    make_contact_fact,
    make_plan,
    step_values,
)

pytestmark = pytest.mark.django_db


def settle() -> None:
    """20 people, most of them reachable; one for each reason that an imagined campaign knows."""
    people = make_allocataires(12, prestations={"RSA": "2024-01-01", "APL": "2024-01-01"})
    make_allocataires(2, mobile="+33600000001", born_on=None, commune=None)
    make_allocataire(deceased_on=NIGHT, family_situation="")
    make_allocataire(closed_on=NIGHT)
    make_allocataire(is_under_guardianship=True)
    make_allocataire(mobile="", email="")
    Opposition.objects.create(allocataire=make_allocataire(), channel="", source="AGENT", recorded_at=NOW)
    make_contact_fact(people[0], make_campaign(), at=NOW)
    make_allocataire(email="")


def test_without_a_plan_people_are_seen_by_sms_and_email() -> None:
    settle()
    preview = preview_segment(criteria=ANYBODY, plan=None, now=NOW)
    found = {left.code: left.people for left in preview.exclusions}
    assert (preview.population, preview.targeted) == (20, 20)
    assert found == {
        Exclusion.DECEASED: 1,
        Exclusion.CLOSED: 1,
        Exclusion.GUARDIANSHIP: 1,
        Exclusion.OPPOSED: 1,
        Exclusion.NO_ADDRESS: 1,
        Exclusion.CAP: 1,
        Exclusion.SHARED_MOBILE: 1,
    }
    assert preview.retained == 20 - sum(found.values())
    assert {left.code: left.people for left in preview.lacking} == {Channel.EMAIL: 3, Channel.SMS: 2}


def test_with_a_plan_exclusions_are_those_of_a_campaign_of_that_plan() -> None:
    settle()
    plan = make_plan(steps=[step_values(Channel.EMAIL)], is_sensitive=True, is_exempt_from_cap=True)
    make_contact_fact(make_allocataire(), make_campaign(plan=plan), at=NOW)
    preview = preview_segment(criteria=ANYBODY, plan=plan, now=NOW)
    simulation = simulate_campaign(campaign=make_campaign(plan=plan), now=NOW)
    assert [(left.code, left.people) for left in preview.exclusions] == [
        (count.code, count.people) for count in simulation.exclusions
    ]
    assert (preview.targeted, preview.retained) == (simulation.targeted, simulation.retained)


def test_people_are_divided_as_their_own_facts_say() -> None:
    settle()
    cuts = {cut.title: dict(cut.rows) for cut in preview_segment(criteria=ANYBODY, plan=None, now=NOW).breakdowns}
    people = list(matching(ANYBODY, today=NIGHT).select_related("commune__epci"))
    known = {title: {label: number for label, number in cut.items() if number} for title, cut in cuts.items()}
    assert known["EPCI"] == Counter(p.commune.epci.name if p.commune else "Non renseigné" for p in people)
    assert known["Situation familiale"] == Counter(p.get_family_situation_display() or "Non renseigné" for p in people)
    assert known["Prestations perçues"] == Counter(
        Prestation(code).label if code else "Aucune" for p in people for code in p.prestations or [""]
    )
    assert sum(cuts["Âge"].values()) == len(people)
    assert next(number for label, number in cuts["Âge"].items() if "inconnu" in label.lower()) == 2


def test_nothing_is_kept_and_the_examples_are_always_the_same() -> None:
    settle()
    before = Campaign.objects.count()
    first = preview_segment(criteria=ANYBODY, plan=None, now=NOW)
    second = preview_segment(criteria=ANYBODY, plan=None, now=NOW)
    assert first.examples == second.examples
    assert (Campaign.objects.count(), Member.objects.count()) == (before, 0)


def test_nobody_can_be_previewed() -> None:
    nobody = {"all": [{"field": "children_count", "op": "gte", "value": 9}]}
    preview = preview_segment(criteria=nobody, plan=None, now=NOW)
    assert (preview.targeted, preview.retained, preview.examples) == (0, 0, [])
