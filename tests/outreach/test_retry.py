"""What an operator did not take is tried again until it is no longer worth making; a real refusal is counted."""

from datetime import timedelta

import pytest

from campaigns.enums import FactState
from outreach.channels.fake import FakeGateway, accept
from outreach.channels.ports import SendOutcome, SendResult
from outreach.enums import TouchStatus
from outreach.models import Attempt, Touch
from outreach.reconciliation import reschedule_missed
from outreach.rules.retry import is_try, next_pause_end
from tests.outreach.test_reconciliation import minutes, send_at, state, throttled
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("code", ["20429", "30002", "ConnectionRefusedError", "HTTP 403", "SMTP 421", "JOURNAL"])
def test_a_contact_outlives_an_operator_that_takes_nothing(operator: FakeGateway, code: str) -> None:
    """Nothing was sent: only the end of its own delay ends it, however often it was tried."""
    operator.script = lambda _: SendResult(SendOutcome.RETRY, error_code=code)
    make_wave(size=1)
    for minute, tries in [(0, 1), (0.5, 1), (1.1, 2), (3, 2), (6.2, 3), (16.3, 4), (26.4, 5), (36.5, 6), (46.6, 7)]:
        send_at(minutes(minute))
        assert Attempt.objects.count() == tries
    assert state() == (TouchStatus.PLANNED, FactState.RESERVED)
    operator.script = accept
    send_at(minutes(57))
    assert state() == (TouchStatus.SUBMITTED, FactState.SUBMITTED)


def test_a_contact_that_no_operator_took_ends_with_its_delay(operator: FakeGateway) -> None:
    operator.script = throttled
    make_wave(size=1)
    send_at(MORNING)
    Touch.objects.update(expires_at=minutes(30))
    reschedule_missed(now=minutes(31))
    assert state() == (TouchStatus.EXPIRED, FactState.RELEASED)


def test_what_was_not_sent_counts_for_nothing_among_real_refusals(operator: FakeGateway) -> None:
    make_wave(size=1)
    for rank, code in enumerate(["20429", "4.2.1", "gaierror", "PACE", "4.2.1", "20003", "4.2.1"]):
        operator.script = lambda _, code=code: SendResult(SendOutcome.RETRY, error_code=code)  # type: ignore[misc]
        send_at(minutes(6 * rank))
        assert (Attempt.objects.count(), state()[0]) == (rank + 1, TouchStatus.PLANNED)


@pytest.mark.parametrize(
    ("codes", "seconds"),
    [
        (["20429"], 60),
        (["20429", "20429"], 300),
        (["20429"] * 3, 600),
        (["20429"] * 40, 600),
        (["20429"] * 3 + ["4.2.1", "gaierror"], 60),
        (["gaierror", "PACE"], 5),
        (["PACE", "gaierror"], 60),
    ],
)
def test_pauses_before_what_takes_nothing_is_asked_again(codes: list[str], seconds: int) -> None:
    end = next_pause_end(codes=codes, delays_seconds=[60, 300, 1800], now=MORNING)
    assert end == MORNING + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *((code, True) for code in ("4.2.1", "4.7.1", "5.2.2", "SMTP 450", "21211", "30003")),
        *((code, False) for code in ("", "PACE", "JOURNAL", "TimeoutError", "20003", "HTTP 401", "SMTP 535", "5.7.1")),
        *((code, False) for code in ("OVH-NOCREDIT", "4.7.0", "5.7.0", "SMTP 454", "ClockUnknown", "63018")),
    ],
)
def test_what_counts_as_a_try(code: str, expected: bool) -> None:
    assert is_try(code) is expected
