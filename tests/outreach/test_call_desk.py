from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import BadDestinationReason, CampaignStatus, Channel, FactState
from campaigns.locks import lock_people
from campaigns.models import Allocataire, BadDestination, Campaign, ContactFact, Opposition, User, set_clock
from outreach import ringing
from outreach.call_desk import CallNotHeld, build_call_list, record_call_result, release_call, take_next_call
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import CallResult, ReplyClass, Suppression, TouchStatus
from outreach.models import Call, CallAttempt, Reply, Touch
from tests.factories import make_allocataire, make_allocataires, make_user, step_values
from tests.outreach.waves import MORNING, NIGHT, PLANNED_AT, make_wave

pytestmark = pytest.mark.django_db
CALL_STEP = [step_values(Channel.CALL, valid_days=10)]


@pytest.fixture
def agent() -> User:
    return make_user()


def make_calls(size: int = 1, **values: Any) -> None:
    make_wave(size=size, steps=CALL_STEP, **values)
    build_call_list(on=NIGHT, now=PLANNED_AT)


def take(agent: User, at: datetime = MORNING) -> Call:
    return take_next_call(agent=agent, now=at) or pytest.fail("nothing to ring")


def ring(agent: User, result: str, at: datetime = MORNING) -> Touch:
    record_call_result(call=take(agent, at), agent=agent, result=result, now=at, minutes=3)
    return Touch.objects.get()


def fact_state() -> str:
    return ContactFact.objects.get().state


def test_whoever_wrote_something_unclear_is_not_rung_before_it_is_read(agent: User) -> None:
    make_calls()
    reply = Reply.objects.create(
        allocataire=Touch.objects.get().allocataire, sender_hash="x", kind=ReplyClass.AMBIGUOUS, received_at=MORNING
    )
    assert take_next_call(agent=agent, now=MORNING) is None
    Reply.objects.filter(pk=reply.pk).update(handled_at=MORNING)
    assert take_next_call(agent=agent, now=MORNING)


def test_the_list_holds_what_the_team_can_dial_by_priority(settings: Any, agent: User) -> None:
    settings.CALLS_PER_DAY = 3
    make_wave(size=2, steps=CALL_STEP, priority=50)
    make_wave(size=2, steps=CALL_STEP, priority=10)
    assert build_call_list(on=NIGHT, now=PLANNED_AT) == 3
    assert build_call_list(on=NIGHT, now=PLANNED_AT) == 3
    assert sorted(Call.objects.values_list("touch__priority", flat=True)) == [10, 10, 50]
    assert take(agent).touch.priority == 10


def test_what_was_not_rung_comes_back_first_the_next_day(settings: Any) -> None:
    settings.CALLS_PER_DAY = 2
    make_wave(size=3, steps=CALL_STEP)
    build_call_list(on=NIGHT, now=PLANNED_AT)
    first = set(Call.objects.values_list("pk", flat=True))
    tomorrow = NIGHT + timedelta(days=1)
    assert build_call_list(on=tomorrow, now=PLANNED_AT + timedelta(days=1)) == 2
    assert set(Call.objects.filter(listed_on=tomorrow).values_list("pk", flat=True)) == first


def test_an_agent_keeps_her_call_and_two_agents_never_share_one(agent: User) -> None:
    make_calls(2)
    other = make_user()
    mine = take(agent)
    assert take(agent) == mine
    assert take(other) != mine
    assert take_next_call(agent=make_user(), now=MORNING) is None


def test_one_person_is_not_rung_by_two_agents_for_two_campaigns(agent: User) -> None:
    people = make_allocataires(1)
    make_wave(people=people, steps=CALL_STEP)
    make_wave(people=people, steps=CALL_STEP)
    assert build_call_list(on=NIGHT, now=PLANNED_AT) == 2
    take(agent)
    assert take_next_call(agent=make_user(), now=MORNING) is None


def test_a_call_left_in_hand_goes_to_another_agent(agent: User) -> None:
    make_calls()
    mine = take(agent)
    other = make_user()
    later = MORNING + timedelta(minutes=31)
    assert take(other, later) == mine
    with pytest.raises(CallNotHeld):
        record_call_result(call=mine, agent=agent, result=CallResult.REACHED, now=later)
    assert not CallAttempt.objects.exists()


def test_a_call_given_back_can_be_taken(agent: User) -> None:
    make_calls()
    release_call(call=take(agent), agent=agent, now=MORNING)
    assert take(make_user())
    assert not CallAttempt.objects.exists()


def test_nobody_is_rung_outside_hours(agent: User) -> None:
    make_calls()
    for at in (datetime(2026, 3, 3, 8, 59, tzinfo=UTC), datetime(2026, 3, 3, 12, 30, tzinfo=UTC)):
        assert take_next_call(agent=agent, now=at) is None


@pytest.mark.parametrize(
    ("result", "status", "state"),
    [
        (CallResult.REACHED, TouchStatus.DELIVERED, FactState.ANSWERED),
        (CallResult.REFUSED, TouchStatus.DELIVERED, FactState.ANSWERED),
        (CallResult.OPPOSED, TouchStatus.DELIVERED, FactState.ANSWERED),
        (CallResult.WRONG_NUMBER, TouchStatus.FAILED, FactState.RELEASED),
    ],
)
def test_a_result_that_ends(agent: User, result: str, status: str, state: str) -> None:
    make_calls()
    touch = ring(agent, result)
    assert (touch.status, fact_state()) == (status, state)
    assert Call.objects.get().done_at == MORNING
    assert (CallAttempt.objects.get().result, CallAttempt.objects.get().minutes) == (result, 3)
    assert take_next_call(agent=agent, now=MORNING) is None
    refused = {CallResult.REFUSED: ["CALL"], CallResult.OPPOSED: [""]}.get(CallResult(result), [])
    assert list(Opposition.objects.values_list("channel", flat=True)) == refused
    found = list(BadDestination.objects.values_list("destination_hash", "channel"))
    assert found == ([(touch.destination_hash, "")] if result == CallResult.WRONG_NUMBER else [])


def test_the_landline_is_rung_where_the_mobile_is_somebody_elses(agent: User) -> None:
    person = make_allocataire()
    finding = Finding(person.pk, person.mobile, "", BadDestinationReason.SOMEBODY_ELSE)
    record_bad_destinations(findings=[finding], now=PLANNED_AT)
    make_wave(people=[person], steps=CALL_STEP)
    assert Touch.objects.get().destination == person.landline


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (CallResult.NO_ANSWER, FactState.RESERVED),
        (CallResult.VOICEMAIL, FactState.SUBMITTED),
        (CallResult.CALL_BACK, FactState.ANSWERED),
    ],
)
def test_a_result_after_which_she_is_rung_again_later(agent: User, result: str, state: str) -> None:
    make_calls()
    touch = ring(agent, result)
    afternoon = MORNING + timedelta(hours=3, minutes=30)
    assert touch.status == TouchStatus.PLANNED
    assert touch.due_at == MORNING + timedelta(hours=3, minutes=30) == datetime(2026, 3, 3, 13, tzinfo=UTC)
    assert fact_state() == state
    assert take_next_call(agent=agent, now=afternoon - timedelta(minutes=1)) is None
    assert take(agent, afternoon)


def test_a_person_is_rung_four_times_at_most(agent: User) -> None:
    make_calls()
    hours = set()
    for _ in range(4):
        touch = Touch.objects.get()
        at = max(touch.due_at, MORNING)
        build_call_list(on=at.date(), now=at)
        hours.add((at.date(), at.hour))
        ring(agent, CallResult.NO_ANSWER, at)
    assert len(hours) == 4
    touch = Touch.objects.get()
    assert (touch.status, touch.attempt_count, fact_state()) == (TouchStatus.UNDELIVERED, 4, FactState.RELEASED)
    assert Call.objects.get().done_at


def test_rings_of_all_campaigns_are_counted_together(agent: User) -> None:
    people = make_allocataires(1)
    make_wave(people=people, steps=CALL_STEP)
    build_call_list(on=NIGHT, now=PLANNED_AT)
    call = take(agent)
    for number in range(1, 5):
        CallAttempt.objects.create(
            call=call, number=number, at=MORNING - timedelta(days=number), result=CallResult.NO_ANSWER
        )
    release_call(call=call, agent=agent, now=MORNING)
    assert take_next_call(agent=agent, now=MORNING) is None
    touch = Touch.objects.get()
    assert (touch.status, touch.reason) == (TouchStatus.SUPPRESSED, Suppression.CAP)


def test_a_ring_refused_stops_every_other_call(agent: User) -> None:
    people = make_allocataires(1)
    make_wave(people=people, steps=CALL_STEP)
    make_wave(people=people, steps=CALL_STEP)
    build_call_list(on=NIGHT, now=PLANNED_AT)
    record_call_result(call=take(agent), agent=agent, result=CallResult.REFUSED, now=MORNING)
    assert take_next_call(agent=agent, now=MORNING) is None
    assert set(Touch.objects.values_list("status", "reason")) == {
        (TouchStatus.DELIVERED, ""),
        (TouchStatus.SUPPRESSED, Suppression.OPPOSED),
    }


def test_who_wants_no_contact_at_all_receives_no_message_either(agent: User) -> None:
    """« Ne me contactez plus », said on the phone, is not only about the phone."""
    (person,) = make_allocataires(1)
    make_wave(people=[person], steps=CALL_STEP)
    make_wave(people=[person])
    build_call_list(on=NIGHT, now=PLANNED_AT)
    record_call_result(call=take(agent), agent=agent, result=CallResult.OPPOSED, now=MORNING)
    set_clock(MORNING)
    with use_gateway("SMS", FakeGateway()) as gateway:
        dispatch_due(channel="SMS", worker="test", deadline_seconds=20)
        assert not gateway.sent  # type: ignore[attr-defined]
    assert Touch.objects.get(channel="SMS").reason == Suppression.OPPOSED


@pytest.mark.parametrize(
    ("model", "values", "status", "reason"),
    [
        (Allocataire, {"deceased_on": NIGHT}, TouchStatus.SUPPRESSED, Suppression.DECEASED),
        (Allocataire, {"call_allowed": False}, TouchStatus.SUPPRESSED, Suppression.NO_ADDRESS),
        (Touch, {"expires_at": MORNING}, TouchStatus.EXPIRED, ""),
        (Campaign, {"status": CampaignStatus.PAUSED}, TouchStatus.PLANNED, ""),
        (Campaign, {"approved_fingerprint": "autre"}, TouchStatus.PLANNED, ""),
    ],
)
def test_stop_conditions_hold_for_calls(
    agent: User, model: Any, values: dict[str, object], status: str, reason: str
) -> None:
    make_calls()
    model.objects.update(**values)
    assert take_next_call(agent=agent, now=MORNING) is None
    touch = Touch.objects.get()
    assert (touch.status, touch.reason) == (status, reason)
    assert bool(Call.objects.get().done_at) == (status != TouchStatus.PLANNED)


def test_a_stop_during_the_call_stands(agent: User) -> None:
    make_calls()
    call = take(agent)
    Touch.objects.update(status=TouchStatus.SUPPRESSED, reason=Suppression.OPPOSED)
    record_call_result(call=call, agent=agent, result=CallResult.NO_ANSWER, now=MORNING)
    assert Touch.objects.get().status == TouchStatus.SUPPRESSED


def test_a_stop_recorded_while_the_result_waits_for_it_stands(agent: User, monkeypatch: pytest.MonkeyPatch) -> None:
    make_calls()
    call = take(agent)

    def wait_for_the_stop(**people: Any) -> None:
        lock_people(**people)
        Touch.objects.update(status=TouchStatus.SUPPRESSED, reason=Suppression.OPPOSED)

    monkeypatch.setattr(ringing, "lock_people", wait_for_the_stop)
    record_call_result(call=call, agent=agent, result=CallResult.NO_ANSWER, now=MORNING)
    assert Touch.objects.get().status == TouchStatus.SUPPRESSED


def test_the_landline_rings_when_there_is_no_mobile(agent: User) -> None:
    person = make_allocataire(mobile="", landline="+33468000000")
    make_wave(people=[person], steps=CALL_STEP)
    build_call_list(on=NIGHT, now=PLANNED_AT)
    assert take(agent).touch.destination == "+33468000000"
