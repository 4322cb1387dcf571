from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace

import pytest

from campaigns.enums import FactState
from campaigns.models import Allocataire, BadDestination, ContactFact, Opposition, set_clock
from outreach import dispatch, reconciliation
from outreach.channels.fake import FakeGateway, accept
from outreach.channels.ports import LookUpResult, OutgoingMessage, SendOutcome, SendResult
from outreach.dispatch import dispatch_due
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch
from outreach.reconciliation import (
    ResolutionRefused,
    mark_crashed_attempts,
    reconcile_unconfirmed,
    release_expired_claims,
    reschedule_missed,
    resolve_touch,
)
from outreach.rules.retry import Resolution, may_resend, next_try_at
from tests.factories import give_rules, make_allocataires, make_commune, make_user, step_values
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The process dies here."""


def send_at(at: datetime) -> None:
    set_clock(at)
    dispatch_due(channel="SMS", worker="test", deadline_seconds=30)


def lost(message: OutgoingMessage) -> SendResult:
    """Taken, but we are not told."""
    return SendResult(SendOutcome.UNKNOWN, provider_ref=f"FA{message.attempt_uuid.hex}", error_code="reset")


def vanished(message: OutgoingMessage) -> SendResult:
    """Not taken, and we do not know."""
    return SendResult(SendOutcome.UNKNOWN, error_code="500")


def throttled(message: OutgoingMessage) -> SendResult:
    return SendResult(SendOutcome.RETRY, error_code="20429", retry_after=5)


def minutes(number: float) -> datetime:
    return MORNING + timedelta(minutes=number)


def state() -> tuple[str, str]:
    touch = Touch.objects.get()
    return touch.status, ContactFact.objects.get(touch_ref=touch.pk).state


@pytest.mark.parametrize(
    ("tried", "expected"), [(1, minutes(1)), (2, minutes(5)), (3, minutes(30)), (4, None), (9, None)]
)
def test_delays_between_tries(tried: int, expected: datetime | None) -> None:
    assert next_try_at(tried=tried, delays_seconds=[60, 300, 1800], now=MORNING) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"allowed": False}, False),
        ({"attempts": 2}, False),
        ({"lookups": 1}, False),
        ({"now": minutes(14)}, False),
    ],
)
def test_when_a_re_send_is_allowed(changed: dict[str, object], expected: bool) -> None:
    values = {"allowed": True, "attempts": 1, "lookups": 2, "intent_at": MORNING, "now": minutes(15), **changed}
    assert may_resend(**values) is expected  # type: ignore[arg-type]


def test_a_refusal_frees_the_place_in_the_cap(operator: FakeGateway) -> None:
    operator.script = lambda message: SendResult(SendOutcome.REFUSED, error_code="21211")
    make_wave(size=1)
    send_at(MORNING)
    assert state() == (TouchStatus.FAILED, FactState.RELEASED)
    assert Attempt.objects.get().error_code == "21211"
    assert BadDestination.objects.get().destination_hash == Touch.objects.get().destination_hash


def test_a_refusal_made_at_the_operator_is_an_opposition(operator: FakeGateway) -> None:
    operator.script = lambda message: SendResult(SendOutcome.REFUSED, error_code="21610")
    make_wave(size=1)
    send_at(MORNING)
    opposition = Opposition.objects.get()
    assert (opposition.allocataire_id, opposition.channel) == (Touch.objects.get().allocataire_id, "SMS")
    assert opposition.destination_hash == Touch.objects.get().destination_hash
    assert state() == (TouchStatus.FAILED, FactState.RELEASED)


def test_a_message_refused_for_a_while_is_tried_again_later_then_given_up(operator: FakeGateway) -> None:
    operator.script = lambda _: SendResult(SendOutcome.RETRY, error_code="4.2.1")
    make_wave(size=1)
    for minute, tries in [(0, 1), (0.5, 1), (1.1, 2), (3, 2), (6.2, 3), (36.5, 4)]:
        send_at(minutes(minute))
        assert Attempt.objects.count() == tries
    assert state() == (TouchStatus.FAILED, FactState.RELEASED)


def test_a_gateway_that_breaks_leaves_a_doubt_and_nothing_worse(operator: FakeGateway) -> None:
    def broken(message: OutgoingMessage) -> SendResult:
        raise RuntimeError("bug")

    operator.script = broken
    make_wave(size=3)
    send_at(MORNING)
    assert set(Touch.objects.values_list("status", flat=True)) == {TouchStatus.UNCONFIRMED}


def test_a_lost_answer_is_found_again(operator: FakeGateway) -> None:
    operator.script = lost
    make_wave(size=40)
    send_at(MORNING)
    assert reconcile_unconfirmed(now=minutes(0.5)) == 0  # too early: it may still be on its way
    assert reconcile_unconfirmed(now=minutes(1.1)) == 40
    assert set(Touch.objects.values_list("status", flat=True)) == {TouchStatus.SUBMITTED}
    assert set(ContactFact.objects.values_list("state", flat=True)) == {FactState.SUBMITTED}
    assert {*Attempt.objects.values_list("provider_ref", flat=True)} == {ref for ref, _ in operator.ledger}
    send_at(minutes(30))
    assert len(operator.ledger) == 40


def test_without_leave_to_send_again_a_doubt_stays_and_is_shown(operator: FakeGateway) -> None:
    operator.script = vanished
    make_wave(size=1)
    send_at(MORNING)
    operator.script = accept
    for minute in (2, 5, 20, 60):
        reconcile_unconfirmed(now=minutes(minute))
        send_at(minutes(minute))
    assert state() == (TouchStatus.UNCONFIRMED, FactState.UNCONFIRMED)
    assert not operator.ledger


def resend_after(operator: FakeGateway, *look_ups: float, reachable: bool = True) -> int:
    operator.script = vanished
    make_wave(size=1)
    give_rules(allows_resend=True)
    send_at(MORNING)
    operator.script, operator.is_reachable = accept, reachable
    for minute in look_ups:
        reconcile_unconfirmed(now=minutes(minute))
        send_at(minutes(minute))
    return len(operator.ledger)


def test_a_plan_may_allow_one_re_send(operator: FakeGateway) -> None:
    assert resend_after(operator, 2, 16) == 1
    assert list(Attempt.objects.order_by("number").values_list("number", "status")) == [
        (1, AttemptStatus.UNCONFIRMED),
        (2, AttemptStatus.SUBMITTED),
    ]


def test_one_empty_look_up_is_not_enough(operator: FakeGateway) -> None:
    assert resend_after(operator, 16) == 0


def test_two_look_ups_before_fifteen_minutes_are_not_enough(operator: FakeGateway) -> None:
    assert resend_after(operator, 2, 10) == 0


def test_an_operator_that_cannot_be_asked_proves_nothing(operator: FakeGateway) -> None:
    assert resend_after(operator, 2, 16, 40, reachable=False) == 0


def test_a_text_that_may_have_changed_proves_nothing(operator: FakeGateway) -> None:
    operator.script = lost
    make_wave(size=1, steps=[step_values(body="Caf : bonjour {{ prenom }}")])
    give_rules(allows_resend=True)
    send_at(MORNING)
    operator.script = accept
    Allocataire.objects.update(first_name="Dominique", updated_at=minutes(1))
    for minute in (2, 16, 40):
        reconcile_unconfirmed(now=minutes(minute))
        send_at(minutes(minute))
    assert len(operator.ledger) == 1


def test_a_second_doubt_is_never_followed_by_a_third_try(operator: FakeGateway) -> None:
    resend_after(operator)
    operator.script = vanished
    for minute in (2, 16, 20, 40, 80, 140):
        reconcile_unconfirmed(now=minutes(minute))
        send_at(minutes(minute))
    assert Attempt.objects.count() == 2


def die_at(point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies there, cleaning nothing up."""

    def reached(name: str) -> None:
        if name == point:
            raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(dispatch, "reached", reached)
        dying.setattr(dispatch._Run, "finish", lambda run: None)
        with pytest.raises(Killed):
            dispatch_due(channel="SMS", worker="test", deadline_seconds=30)


def test_what_a_dead_worker_had_claimed_is_given_back(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wave(size=3)
    die_at("1-claimed", monkeypatch)
    assert release_expired_claims(now=minutes(1)) == 0
    assert release_expired_claims(now=minutes(3)) == 3
    send_at(minutes(3))
    assert len(operator.ledger) == 3


def test_a_contact_that_kills_goes_to_quarantine_alone(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wave(size=40)
    poison = Touch.objects.order_by("pk")[7].pk

    def reached(point: str) -> None:
        if point == "1-claimed" and Touch.objects.filter(pk=poison, status=TouchStatus.CLAIMED).exists():
            raise Killed

    monkeypatch.setattr(dispatch, "reached", reached)
    for step in range(12):
        with monkeypatch.context() as dying:
            dying.setattr(dispatch._Run, "finish", lambda run: run.wire.close())  # what was on its way arrives
            set_clock(minutes(3 * step))
            release_expired_claims(now=minutes(3 * step))
            try:
                dispatch_due(channel="SMS", worker="test", deadline_seconds=30)
            except Killed:
                continue
    assert len(operator.ledger) == 39
    touch = Touch.objects.get(pk=poison)
    assert (touch.status, touch.attempts.count()) == (TouchStatus.QUARANTINED, 0)
    assert ContactFact.objects.get(touch_ref=poison).state == FactState.RELEASED


def test_a_committed_intent_without_answer_is_a_doubt(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wave(size=1)
    die_at("3-committed", monkeypatch)
    assert mark_crashed_attempts(now=minutes(0.5)) == 0
    assert mark_crashed_attempts(now=minutes(1)) == 1
    assert state() == (TouchStatus.UNCONFIRMED, FactState.UNCONFIRMED)
    assert Attempt.objects.get().status == AttemptStatus.UNCONFIRMED
    send_at(minutes(2))
    assert not operator.ledger


def test_a_receipt_that_came_first_stands(operator: FakeGateway) -> None:
    def receipt_first(message: OutgoingMessage) -> SendResult:
        return accept(message)

    operator.script = receipt_first
    make_wave(size=1)
    original = dispatch.record_answers

    def delivered_meanwhile(**values: object) -> None:
        Attempt.objects.update(status=AttemptStatus.DELIVERED)
        Touch.objects.update(status=TouchStatus.DELIVERED)
        original(**values)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "record_answers", delivered_meanwhile)
        send_at(MORNING)
    attempt = Attempt.objects.get()
    assert (attempt.status, Touch.objects.get().status) == (AttemptStatus.DELIVERED, TouchStatus.DELIVERED)
    assert attempt.provider_ref == operator.ledger[0][0]


def test_a_missed_window_is_followed_by_the_next() -> None:
    make_wave(people=[*make_allocataires(1), *make_allocataires(1, commune=make_commune("97411"))])
    lunch = datetime(2026, 3, 3, 12, 30, tzinfo=UTC)
    assert reschedule_missed(now=lunch) == 2
    paris, reunion = Touch.objects.order_by("member_id")
    assert (paris.due_at, paris.closes_at) == (lunch.replace(hour=13, minute=0), lunch.replace(hour=19, minute=0))
    assert reunion.due_at == lunch + timedelta(minutes=1)  # 16:30 there: the afternoon is open
    assert ContactFact.objects.get(touch_ref=paris.pk).at == paris.due_at
    assert reschedule_missed(now=lunch) == 0


def test_a_contact_too_late_to_be_worth_it_expires() -> None:
    make_wave(size=1, steps=[step_values(valid_days=1)])
    thursday = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)
    reschedule_missed(now=thursday)
    assert state() == (TouchStatus.EXPIRED, FactState.RELEASED)


def test_nothing_leaves_between_two_windows(operator: FakeGateway) -> None:
    make_wave(size=1)
    lunch = datetime(2026, 3, 3, 12, 30, tzinfo=UTC)
    send_at(lunch)
    reschedule_missed(now=lunch)
    send_at(lunch)
    assert not operator.ledger
    send_at(lunch.replace(hour=13, minute=0, second=5))
    assert len(operator.ledger) == 1


@pytest.mark.parametrize(
    ("decision", "status", "fact", "sent"),
    [
        (Resolution.RESEND, TouchStatus.SUBMITTED, FactState.SUBMITTED, 1),
        (Resolution.CLOSE, TouchStatus.EXPIRED, FactState.UNCONFIRMED, 0),
    ],
)
def test_a_superviseur_decides_of_a_doubt(
    operator: FakeGateway, decision: Resolution, status: str, fact: str, sent: int
) -> None:
    operator.script = vanished
    make_wave(size=1)
    send_at(MORNING)
    operator.script = accept
    superviseur = make_user()
    resolve_touch(touch=Touch.objects.get(), decision=decision, by=superviseur, now=minutes(20))
    send_at(minutes(20))
    assert state() == (status, fact)
    assert len(operator.ledger) == sent
    with pytest.raises(ResolutionRefused):
        resolve_touch(touch=Touch.objects.get(), decision=decision, by=superviseur, now=minutes(30))


@pytest.mark.parametrize(
    ("decision", "status", "fact"),
    [
        (Resolution.RESEND, TouchStatus.PLANNED, FactState.RESERVED),
        (Resolution.CLOSE, TouchStatus.CANCELLED, FactState.RELEASED),
    ],
)
def test_a_superviseur_decides_of_a_quarantine(decision: Resolution, status: str, fact: str) -> None:
    make_wave(size=1)
    Touch.objects.update(status=TouchStatus.QUARANTINED, attempt_count=3)
    ContactFact.objects.update(state=FactState.RELEASED)
    resolve_touch(touch=Touch.objects.get(), decision=decision, by=make_user(), now=minutes(20), reason="Corrigée.")
    assert state() == (status, fact)


def test_those_asked_longest_ago_are_asked_first(operator: FakeGateway) -> None:
    """Some can never be answered, and are asked for ever: the others have their turn all the same."""
    asked: list[str] = []
    operator.script = vanished
    make_wave(size=3)
    send_at(MORNING)
    look_up = operator.look_up

    def never_answered(message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        asked.append(message.destination)
        return replace(look_up(message, max_age_seconds=max_age_seconds), is_answered=False)

    operator.look_up = never_answered  # type: ignore[method-assign]
    for minute in (2, 4, 6):
        reconcile_unconfirmed(now=minutes(minute), limit=1)
    assert len(set(asked)) == 3


def test_a_slow_operator_is_left_for_the_next_bell(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wave(size=5)
    operator.script = lost
    send_at(MORNING)
    clock = count(step=15)
    monkeypatch.setattr(reconciliation, "BATCH_SIZE", 2)
    monkeypatch.setattr(reconciliation, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    assert [reconcile_unconfirmed(now=minutes(2)) for _ in range(4)] == [2, 2, 1, 0]


def test_a_silence_without_end_is_bounded(operator: FakeGateway) -> None:
    """An operator that asks to wait for ever must not break the writing of its answer."""
    operator.script = lambda _: SendResult(SendOutcome.RETRY, error_code="20429", retry_after=float("inf"))
    make_wave(size=1)
    send_at(MORNING)
    assert Touch.objects.get().due_at <= minutes(61)
