"""The process dies at each numbered point of dispatch, for each class of answer: nothing lost, nothing doubled."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from campaigns.models import set_clock
from outreach import dispatch
from outreach.channels.fake import FakeGateway, accept
from outreach.channels.ports import OutgoingMessage, SendOutcome, SendResult
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import TouchStatus
from outreach.models import Touch
from outreach.reconciliation import mark_crashed_attempts, reconcile_unconfirmed, release_expired_claims
from tests.factories import give_rules
from tests.outreach.waves import MORNING, make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db]

SIZE = 40  # more than a batch: some are sent before the crash, some after
POINTS = ["1-claimed", "2-decided", "3-committed", "4-sending", "5-answered", "6-recorded"]
ANSWERS: dict[str, Callable[[OutgoingMessage], SendResult]] = {
    "accepted": accept,
    "refused": lambda message: SendResult(SendOutcome.REFUSED, error_code="21211"),
    "throttled": lambda message: SendResult(SendOutcome.RETRY, error_code="20429"),
    "taken, answer lost": lambda message: SendResult(
        SendOutcome.UNKNOWN, provider_ref=f"FA{message.attempt_uuid.hex}", error_code="reset"
    ),
    "not taken, answer lost": lambda message: SendResult(SendOutcome.UNKNOWN, error_code="500"),
}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("time_of_crash", [1, 2], ids=["first", "second"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_loses_nothing_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, point: str, answer: str, time_of_crash: int
) -> None:
    gateway = FakeGateway(script=ANSWERS[answer])
    make_wave(size=SIZE)
    give_rules(allows_resend=True)
    with use_gateway("SMS", gateway):
        assert crash(point, time_of_crash, monkeypatch), f"the point {point} was not reached: no fault injected"
        gateway.script = accept
        for minutes in (3, 6, 30, 60):
            sweep_and_send(minutes)
    received = Counter(message.destination for message in gateway.sent)
    assert max(received.values(), default=0) <= 1, "doubled"
    for touch in Touch.objects.all():
        if touch.status == TouchStatus.SUBMITTED:
            assert received[touch.destination] == 1, "said to be sent, and lost"
        else:
            assert (touch.status, answer) == (TouchStatus.FAILED, "refused")
            assert received[touch.destination] == 0


def crash(point: str, time_of_crash: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Dispatch until the process dies there; a dead process cleans nothing up."""
    times = Counter[str]()

    def reached(name: str) -> None:
        times[name] += 1
        if name == point and times[name] == time_of_crash:
            raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(dispatch, "reached", reached)
        dying.setattr(dispatch._Run, "finish", lambda run: None)
        with pytest.raises(Killed):
            dispatch_due(channel="SMS", worker="mortal", deadline_seconds=30)
    return times[point] >= time_of_crash


def sweep_and_send(minutes: int) -> None:
    now = MORNING + timedelta(minutes=minutes)
    set_clock(now)
    release_expired_claims(now=now)
    mark_crashed_attempts(now=now)
    reconcile_unconfirmed(now=now)
    dispatch_due(channel="SMS", worker="heir", deadline_seconds=30)
