"""The judge of the load run finds what it is there to find: each fault is planted, alone, in a ledger without any."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch
from outreach.simulator.judge import Verdict, judge
from outreach.simulator.load import Observed
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


@pytest.fixture
def ledger() -> dict[str, Any]:
    """Three people of a wave, each with her message delivered at half past ten."""
    make_wave(size=3)
    messages = []
    for touch in Touch.objects.order_by("pk"):
        attempt = Attempt.objects.create(
            touch=touch, number=1, uuid=uuid4(), status=AttemptStatus.DELIVERED, intent_at=MORNING
        )
        messages.append(message(touch.destination, str(attempt.uuid), MORNING))
    Touch.objects.update(status=TouchStatus.DELIVERED)
    return {"messages": messages, "duplicate_attempts": 0}


def message(recipient: str, attempt_uuid: str, at: datetime, *, direction: str = "outbound-api") -> dict[str, Any]:
    seconds = at.timestamp()
    return {
        "sid": f"SM{uuid4().hex}", "direction": direction, "recipient": recipient, "sender": "+33600000001",
        "attempt_uuid": attempt_uuid, "accepted_at": seconds, "application_at": seconds,
    }  # fmt: skip


def verdict(ledger: dict[str, Any], observed: Observed | None = None, **asked: int) -> Verdict:
    asked = {"asked": 3, "kills_asked": 0, "kills": 0, **asked}
    return judge(
        campaign=Touch.objects.earliest("pk").campaign, observed=observed or Observed(), ledger=ledger, **asked
    )


def test_nothing_to_say_of_a_right_run(ledger: dict[str, Any]) -> None:
    assert verdict(ledger).faults() == []


def test_a_doubled_message(ledger: dict[str, Any]) -> None:
    ledger["messages"].append(message(ledger["messages"][0]["recipient"], str(uuid4()), MORNING))
    assert verdict(ledger).doubled == 1


def test_a_lost_message(ledger: dict[str, Any]) -> None:
    ledger["messages"].pop()
    assert verdict(ledger).lost == 1


def test_a_message_that_nothing_planned(ledger: dict[str, Any]) -> None:
    ledger["messages"].append(message("+33730999999", "", MORNING))
    assert verdict(ledger).unplanned == 1


def test_a_message_to_a_contact_that_was_suppressed(ledger: dict[str, Any]) -> None:
    Touch.objects.filter(destination=ledger["messages"][0]["recipient"]).update(status=TouchStatus.SUPPRESSED)
    assert verdict(ledger).unplanned == 1


def test_a_message_decided_after_a_refusal_in_force(ledger: dict[str, Any]) -> None:
    person = Touch.objects.earliest("pk").allocataire_id
    before, after = MORNING - timedelta(seconds=1), MORNING + timedelta(seconds=1)
    assert verdict(ledger, Observed(refused_by={person: before})).after_refusal == 1
    assert verdict(ledger, Observed(refused_by={person: after})).after_refusal == 0


@pytest.mark.parametrize("hours", [-1, 3, 10, 24 * 4])  # 09:30, 13:30, 20:30 in Paris, and a Saturday
def test_a_message_outside_the_hours(ledger: dict[str, Any], hours: int) -> None:
    ledger["messages"][0]["application_at"] = (MORNING + timedelta(hours=hours)).timestamp()
    assert verdict(ledger).outside_hours == 1


def test_a_contact_left_without_an_end(ledger: dict[str, Any]) -> None:
    Touch.objects.filter(pk=Touch.objects.earliest("pk").pk).update(status=TouchStatus.UNCONFIRMED)
    assert verdict(ledger).unfinished == 1


def test_a_stop_that_the_operator_heard_first_is_no_loss(ledger: dict[str, Any]) -> None:
    gone = ledger["messages"].pop()
    touch = Touch.objects.get(destination=gone["recipient"])
    touch.attempts.update(status=AttemptStatus.FAILED, error_code="21610")
    assert verdict(ledger).lost == 1
    ledger["messages"].append(
        {**message("+33600000001", "", MORNING, direction="inbound"), "sender": touch.destination}
    )
    assert verdict(ledger).lost == 0


def test_fewer_messages_or_kills_than_asked(ledger: dict[str, Any]) -> None:
    assert len(verdict(ledger, asked=4, kills_asked=1).faults()) == 2
