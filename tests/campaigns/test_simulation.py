"""The dry run: same answer as the freeze, nothing written, nobody recognisable."""

from dataclasses import asdict
from datetime import date
from decimal import Decimal

import pytest
from django.test import override_settings

from campaigns.audiences import count_exclusions, freeze_audience
from campaigns.enums import CONTROL_ARM, CampaignStatus, Channel, Exclusion
from campaigns.models import Audience, CampaignMove, Member
from campaigns.rules.criteria import InvalidCriteria
from campaigns.simulation import simulate_campaign
from tests.factories import (
    NIGHT,
    NOW,
    make_allocataires,
    make_campaign,
    make_plan,
    make_running_campaign,
    make_segment,
    step_values,
)

pytestmark = pytest.mark.django_db

ARMS = [{"code": "SMS", "label": "SMS", "share": 3}, {"code": "APPEL", "label": "Appel", "share": 1}]
STEPS = [
    step_values(arm="SMS"),
    step_values(Channel.CALL, arm="APPEL", position=2, label="Appel"),
    step_values(Channel.EMAIL, position=3, label="E-mail"),
]


def make_people() -> None:
    make_allocataires(40)
    make_allocataires(40, email="")
    make_allocataires(5, deceased_on=date(2026, 1, 1))
    make_allocataires(7, mobile="", email="")


def test_it_says_what_the_freeze_then_does():
    make_people()
    campaign = make_running_campaign(expected_size=92, arms=ARMS, steps=STEPS, control_share=Decimal("0.2"))
    simulation = simulate_campaign(campaign=campaign, now=NOW)
    audience = freeze_audience(campaign=campaign, night_on=NIGHT, now=NOW)
    assert audience is not None
    assert (simulation.night_on, simulation.targeted) == (NIGHT, audience.targeted_count)
    assert {c.code: c.people for c in simulation.exclusions} == count_exclusions(audience)
    assert simulation.retained == audience.retained_count == 80
    drawn = {arm.code: audience.members.filter(arm=arm.code).count() for arm in simulation.arms}
    assert {arm.code: arm.people for arm in simulation.arms} == drawn == {CONTROL_ARM: 16, "SMS": 48, "APPEL": 16}


@override_settings(SMS_SEGMENT_PRICE=0.065, CALLS_PER_DAY=10)
def test_messages_calls_and_cost():
    make_people()
    campaign = make_campaign(arms=ARMS, steps=STEPS, control_share=Decimal("0.2"))
    simulation = simulate_campaign(campaign=campaign, now=NOW)
    sms, call, email = simulation.steps
    assert (sms.people, call.people, email.people) == (48, 16, 32)  # half of the 64 have an e-mail
    assert sms.segments == simulation.sms_segments == 96  # « ’ » and accents: two parts of 67
    assert sms.cost == simulation.sms_cost == Decimal("6.24")
    assert (simulation.calls, simulation.call_days, simulation.emails) == (16, Decimal("1.6"), 32)


@override_settings(CAF_NAME="Caf")
def test_an_sms_that_says_names_costs_what_they_cost() -> None:
    make_allocataires(6, first_name="Zoé")
    make_allocataires(3, first_name="François")  # « ç » is not in the alphabet of SMS: two parts of 67
    make_allocataires(1, first_name="Anne", deceased_on=date(2026, 1, 1))
    steps = [step_values(body="{{ caf }} : bonjour {{ prenom }}. " + "a" * 70), step_values(body="Caf", position=2)]
    simulation = simulate_campaign(campaign=make_campaign(steps=steps), now=NOW)
    assert [step.segments for step in simulation.steps] == [6 * 1 + 3 * 2, 9]


def test_nothing_is_written():
    make_people()
    campaign = make_campaign()
    simulate_campaign(campaign=campaign, now=NOW)
    simulate_campaign(campaign=campaign, now=NOW)
    assert not Member.objects.exists()
    assert not Audience.objects.exists()
    assert not CampaignMove.objects.exists()


def test_examples_are_ten_and_masked():
    people = make_allocataires(30)
    simulation = simulate_campaign(campaign=make_campaign(), now=NOW)
    assert len(simulation.examples) == 10
    shown = str(asdict(simulation))
    assert not any(value in shown for p in people for value in (p.matricule, p.mobile, p.email, p.last_name))
    assert simulation.examples[0].matricule.startswith("•••••")


def test_exclusions_are_named_in_order():
    make_people()
    simulation = simulate_campaign(campaign=make_campaign(), now=NOW)
    assert [(c.label, c.people) for c in simulation.exclusions] == [
        (Exclusion.DECEASED.label, 5),
        (Exclusion.NO_ADDRESS.label, 7),
    ]


def test_a_draft_without_arms_says_so():
    make_people()
    simulation = simulate_campaign(campaign=make_campaign(arms=[]), now=NOW)
    assert simulation.problems == ["Aucun bras contacté n’est défini."]
    assert (simulation.targeted, simulation.arms, simulation.sms_segments) == (92, [], 0)


def test_a_draft_text_that_is_no_template_is_still_counted():
    make_allocataires(3)
    simulation = simulate_campaign(campaign=make_campaign(steps=[step_values(body="Caf : {{ prenom")]), now=NOW)
    assert simulation.sms_segments == 3


def test_a_segment_of_nobody():
    make_allocataires(3)
    nobody = make_segment({"all": [{"field": "children_count", "op": "gte", "value": 12}]})
    simulation = simulate_campaign(campaign=make_campaign(segment=nobody), now=NOW)
    assert (simulation.targeted, simulation.retained, simulation.examples) == (0, 0, [])


def test_criteria_that_mean_nothing_are_refused_in_words():
    wrong = make_segment({"all": [{"field": "inconnu", "op": "eq", "value": 1}]})
    with pytest.raises(InvalidCriteria):
        simulate_campaign(campaign=make_campaign(plan=make_plan(), segment=wrong), now=NOW)


def test_a_draft_that_was_given_up_is_still_simulated() -> None:
    """It was never submitted: nothing is pinned."""
    make_allocataires(2)
    campaign = make_campaign(status=CampaignStatus.CANCELLED)
    assert simulate_campaign(campaign=campaign, now=NOW).targeted == 2
