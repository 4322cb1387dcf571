"""A dispatcher in trouble: answers that cannot be written down, an operator that asks for a long silence."""

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from campaigns.models import set_clock
from outreach import dispatch
from outreach.channels.fake import FakeGateway, accept
from outreach.channels.ports import OutgoingMessage, SendOutcome, SendResult
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, ProviderPace, Touch
from outreach.recording import Answer, record_answers
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


def test_answers_that_cannot_be_written_do_not_hold_the_worker_for_ever(
    operator: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database went away for an instant: reconciliation finds these attempts again, the worker must go on."""
    rounds = 0

    def refuse(**_: object) -> None:
        nonlocal rounds
        rounds += 1
        raise OperationalError("server closed the connection unexpectedly")

    def count_rounds(self: object) -> None:
        nonlocal rounds
        rounds += 1
        assert rounds < 50, "it waits for answers that came already"
        collect_all(self)

    collect_all = dispatch._Run._record_answers
    monkeypatch.setattr(dispatch._Run, "_record_answers", count_rounds)
    monkeypatch.setattr(dispatch, "record_answers", refuse)
    make_wave(size=1)
    with pytest.raises(OperationalError):
        dispatch.dispatch_due(channel="SMS", worker="test", deadline_seconds=5)
    assert Attempt.objects.get().status == AttemptStatus.SENDING


def test_a_message_decided_is_not_kept_during_the_silence_that_an_operator_asks_for(
    operator: FakeGateway, settings: Settings
) -> None:
    """Kept, it would leave long after the checks: whoever refused or paused meanwhile would not have been heard."""
    settings.SEGMENTS_PER_SECOND = {"sms": 100.0}
    calls: list[float] = []

    def ask_for_silence(message: OutgoingMessage) -> SendResult:
        calls.append(time.monotonic() - started)
        if len(calls) == 1:
            return SendResult(SendOutcome.RETRY, error_code="20429", retry_after=60)
        return accept(message)

    operator.script = ask_for_silence
    make_wave(size=12)
    started = time.monotonic()
    dispatch.dispatch_due(channel="SMS", worker="test", deadline_seconds=1)
    ended = time.monotonic() - started
    assert max(calls) < 5
    assert ended < 8
    pace = ProviderPace.objects.get()
    assert pace.next_at < pace.held_until, "nothing may be reserved behind a silence: it would be taken for a mistake"
    assert Touch.objects.filter(status=TouchStatus.PLANNED).count() == 12 - len(operator.ledger)


def test_the_time_of_the_checks_counts_in_that_of_the_departure(
    operator: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the checks and the last departure a stop button has no effect: two seconds at most, all included."""
    leave_by: list[float] = []

    def note(message: OutgoingMessage) -> SendResult:
        leave_by.append(message.leave_by)
        return accept(message)

    def reached(point: str) -> None:
        if point == "2-decided":
            checked_at.append(time.monotonic())

    operator.script = note
    checked_at: list[float] = []
    monkeypatch.setattr(dispatch, "reached", reached)
    make_wave(size=1)
    dispatch.dispatch_due(channel="SMS", worker="test", deadline_seconds=5)
    assert leave_by[0] <= checked_at[0] + dispatch.LONGEST_WAIT < checked_at[0] + 2


def test_what_was_given_back_before_it_left_is_no_try(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often this machine is late, nobody loses her contact for it."""
    make_wave(size=1)
    monkeypatch.setattr(dispatch, "LONGEST_WAIT", -1.0)
    for round_number in range(6):
        set_clock(MORNING + timedelta(minutes=10 * round_number))
        assert dispatch.dispatch_due(channel="SMS", worker="test", deadline_seconds=5).retried == 1
    monkeypatch.undo()
    set_clock(MORNING + timedelta(hours=1))
    operator.script = lambda _: SendResult(SendOutcome.RETRY, error_code="20429")
    assert dispatch.dispatch_due(channel="SMS", worker="test", deadline_seconds=5).retried == 1
    assert Touch.objects.get().status == TouchStatus.PLANNED
    assert (len(operator.ledger), Attempt.objects.count()) == (0, 7)


def test_what_is_written_down_elsewhere_leaves_the_plans_of_its_session_alone() -> None:
    """The worker that asks operators also runs the night and the imports, whose plans must not be those of sending."""
    record_answers(answers=[Answer(uuid4(), AttemptStatus.SUBMITTED)], now=MORNING)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('enable_seqscan')")
        assert cursor.fetchone() == ("on",)


def test_answers_lost_to_a_signal_are_not_waited_for(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker told to quit ends; whoever answered meanwhile is in doubt, and is looked for."""
    interrupted: list[str] = []

    def quit_once(point: str) -> None:
        if point == "5-answered" and not interrupted:
            interrupted.append(point)
            raise SystemExit

    monkeypatch.setattr(dispatch, "reached", quit_once)
    make_wave(size=3)
    with pytest.raises(SystemExit):
        dispatch.dispatch_due(channel="SMS", worker="test", deadline_seconds=30)
    states = list(Attempt.objects.values_list("status", flat=True))
    assert AttemptStatus.SENDING in states
    assert len(operator.sent) == len(states) == 3
