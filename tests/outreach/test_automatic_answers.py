"""An automatic answer: planned by a reply, once a person and wave, and stopped by all that stops a contact."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from campaigns.enums import AFTER_REPLY, CampaignStatus, FactState
from campaigns.models import Allocataire, Campaign, ContactFact, Opposition, Step, set_clock
from campaigns.rules.calendar import parse_hours, territory_of
from outreach.canaries import choose_canaries, mark_first
from outreach.channels.fake import FakeGateway
from outreach.dispatch import dispatch_due
from outreach.enums import Suppression, TouchStatus
from outreach.models import Canary, Touch
from outreach.night import _is_over
from outreach.replies import receive_replies
from outreach.rules.planning import answer_slot
from tests.factories import make_allocataire, make_allocataires, make_contact_fact, make_running_campaign, step_values
from tests.outreach.receipts_world import post_message
from tests.outreach.sent import NOW, add_attempt
from tests.outreach.waves import MORNING, NIGHT, make_wave

pytestmark = pytest.mark.django_db
PARIS = territory_of("66136")
HOURS = parse_hours("10:00-13:00,14:00-20:00")
ANSWER = "Caf : bien reçu. Pour toute question, appelez le {{ telephone_caf }}."
STEPS = [step_values(), step_values(position=2, label="Accusé", anchor=AFTER_REPLY, body=ANSWER, valid_days=2)]


@pytest.fixture(autouse=True)
def _journal(settings: Settings, tmp_path: Path) -> None:
    settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"


def send() -> int:
    return dispatch_due(channel="SMS", worker="test", deadline_seconds=30).sent


def reply(person: Allocataire, body: str, *, reference: str = "IN1", at: datetime = NOW) -> None:
    set_clock(at)
    assert post_message(Client(), person.mobile, body, reference=reference) == 204
    receive_replies(now=at)


def contacted(**wave: Any) -> Touch:
    """The first contact of a wave of one, already with the operator."""
    touch = Touch.objects.get(audience=make_wave(**{"steps": STEPS, **wave}))
    add_attempt(touch, provider_ref=f"SM{touch.pk}")
    return touch


def answers() -> list[Touch]:
    return list(Touch.objects.filter(step__anchor=AFTER_REPLY).order_by("pk"))


@pytest.mark.parametrize(
    ("now", "opens", "expires"),
    [
        (datetime(2026, 3, 3, 11, tzinfo=PARIS.zone), datetime(2026, 3, 3, 11, tzinfo=PARIS.zone), date(2026, 3, 6)),
        (datetime(2026, 3, 3, 13, tzinfo=PARIS.zone), datetime(2026, 3, 3, 14, tzinfo=PARIS.zone), date(2026, 3, 6)),
        # The eve of 1 May, after the last window: answered on Monday, with all of its delay before it.
        (datetime(2026, 4, 30, 21, tzinfo=PARIS.zone), datetime(2026, 5, 4, 10, tzinfo=PARIS.zone), date(2026, 5, 7)),
    ],
)
def test_an_answer_leaves_in_the_next_window(now: datetime, opens: datetime, expires: date) -> None:
    slot = answer_slot(valid_days=2, territory=PARIS, hours=HOURS, now=now)
    assert slot.opens_at == opens
    assert slot.expires_at == datetime.combine(expires, datetime.min.time(), tzinfo=PARIS.zone)


def test_nobody_is_answered_before_she_replies(operator: FakeGateway) -> None:
    make_wave(steps=STEPS, size=3)
    assert Touch.objects.count() == send() == 3
    assert not answers()


def test_a_reply_is_answered_once_whatever_follows(operator: FakeGateway) -> None:
    person = make_allocataire()
    make_wave(people=[person], steps=STEPS)
    assert send() == 1
    reply(person, "Bonjour, où trouver le formulaire ?")
    planned = answers()[0]
    assert (planned.status, planned.due_at, planned.is_canary) == (TouchStatus.PLANNED, NOW, False)
    fact = ContactFact.objects.get(touch_ref=planned.pk)
    assert (fact.state, fact.at, fact.channel) == (FactState.RESERVED, NOW, "SMS")
    assert send() == 1
    assert [m.body for m in operator.sent][1:] == ["Caf : bien reçu. Pour toute question, appelez le 3230."]
    reply(person, "Merci", reference="IN2", at=NOW + timedelta(minutes=5))
    assert send() == 0
    assert len(answers()) == 1


def test_two_messages_read_together_are_one_answer() -> None:
    touch = contacted()
    post_message(Client(), touch.destination, "Bonjour", reference="A")
    post_message(Client(), touch.destination, "Vous êtes là ?", reference="B")
    assert receive_replies(now=NOW) == 2
    assert len(answers()) == 1


@pytest.mark.parametrize("body", ["STOP", "non merci"])
def test_what_may_be_a_refusal_is_not_answered(body: str) -> None:
    reply(contacted().allocataire, body)
    assert not answers()


@pytest.mark.parametrize("refusal", ["STOP", "non merci"])
def test_a_doubt_read_in_the_same_batch_forbids_the_answer(refusal: str) -> None:
    touch = contacted()
    post_message(Client(), touch.destination, "Bonjour", reference="A")
    post_message(Client(), touch.destination, refusal, reference="B")
    receive_replies(now=NOW)
    assert not answers()


def test_a_stop_after_the_reply_takes_the_answer_away(operator: FakeGateway) -> None:
    person = contacted().allocataire
    reply(person, "Bonjour")
    reply(person, "STOP", reference="IN2")
    gone = answers()[0]
    assert (gone.status, gone.reason) == (TouchStatus.SUPPRESSED, Suppression.OPPOSED)
    assert ContactFact.objects.get(touch_ref=gone.pk).state == FactState.RELEASED
    reply(person, "Merci", reference="IN3")
    assert (send(), len(answers())) == (0, 1)


def test_whoever_refused_before_is_not_answered() -> None:
    person = contacted().allocataire
    Opposition.objects.create(allocataire=person, source="AGENT", recorded_at=NOW)
    reply(person, "Bonjour")
    assert not answers()


def test_the_month_s_cap_holds_an_answer_and_the_week_s_does_not(operator: FakeGateway, settings: Settings) -> None:
    settings.CAP_CONTACTS_30_DAYS = 3
    person = contacted().allocataire
    other = make_running_campaign(expected_size=1)
    make_contact_fact(person, other, at=NOW - timedelta(days=3), state=FactState.DELIVERED)
    reply(person, "Bonjour")
    assert send() == 1

    second = contacted().allocataire
    for days in (3, 20):
        make_contact_fact(second, other, at=NOW - timedelta(days=days), state=FactState.DELIVERED)
    reply(second, "Bonjour", reference="IN2")
    assert send() == 0
    assert answers()[1].reason == Suppression.CAP


@pytest.mark.parametrize("status", [CampaignStatus.PAUSED, CampaignStatus.CLOSED])
def test_only_a_running_campaign_answers(status: str) -> None:
    touch = contacted()
    Campaign.objects.update(status=status)
    reply(touch.allocataire, "Bonjour")
    assert not answers()


def test_an_answer_that_was_not_approved_does_not_leave(operator: FakeGateway) -> None:
    reply(contacted().allocataire, "Bonjour")
    Step.objects.filter(anchor=AFTER_REPLY).update(body="Caf : autre texte.")
    assert send() == 0
    assert answers()[0].status == TouchStatus.PLANNED


def test_only_the_arm_of_the_person_is_answered() -> None:
    reply(contacted(steps=[STEPS[0], {**STEPS[1], "arm": "AUTRE"}]).allocataire, "Bonjour")
    assert not answers()


def test_only_the_campaign_that_wrote_last_answers() -> None:
    person = make_allocataire()
    contacted(people=[person])
    last = contacted(people=[person], steps=[step_values()])
    last.attempts.update(intent_at=MORNING + timedelta(minutes=1))
    reply(person, "Bonjour")
    assert not answers()


def test_an_answer_at_night_waits_for_the_morning(operator: FakeGateway) -> None:
    person = contacted().allocataire
    at_night = datetime(2026, 3, 3, 21, tzinfo=UTC)
    reply(person, "Bonjour", at=at_night)
    assert send() == 0
    set_clock(datetime(2026, 3, 4, 9, 30, tzinfo=UTC))
    assert answers()[0].due_at == datetime(2026, 3, 4, 10, tzinfo=PARIS.zone)
    assert send() == 1


def test_an_answer_is_never_a_first_contact(settings: Settings) -> None:
    settings.CANARY_MINIMUM, settings.CANARY_SHARE = 1, 0.01
    wave = make_wave(people=make_allocataires(3), steps=STEPS)
    first = Touch.objects.get(is_canary=True)
    add_attempt(first)
    reply(first.allocataire, "Bonjour")
    mark_first(audience_id=wave.pk, size=10)
    assert [touch.is_canary for touch in answers()] == [False]
    Canary.objects.all().delete()
    assert choose_canaries(audience_id=wave.pk, now=NOW) == 1  # of the two that wait


def test_a_campaign_waits_for_its_answers_to_be_over() -> None:
    touch = contacted(window_days=1)
    reply(touch.allocataire, "Bonjour")
    Touch.objects.filter(pk=touch.pk).update(status=TouchStatus.DELIVERED)
    after = NIGHT + timedelta(days=3)
    assert not _is_over(touch.campaign, after)
    Touch.objects.update(status=TouchStatus.DELIVERED)
    assert _is_over(touch.campaign, after)


def test_batches_without_answers_cost_one_question(django_assert_num_queries: Any) -> None:
    from outreach.automatic_answers import plan_answers

    touch = contacted(steps=[step_values()])
    with django_assert_num_queries(1):
        assert plan_answers(touch_ids=[touch.pk], now=NOW) == 0
