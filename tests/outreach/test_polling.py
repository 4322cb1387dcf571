"""Receipts that never came and a STOP whose webhook failed are asked for."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from campaigns.models import Opposition
from outreach import polling
from outreach.channels.fake import FakeGateway
from outreach.channels.ports import InboundMessage, InboundResult, Known
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import AttemptStatus
from outreach.models import Attempt, ProviderEvent, Reply
from outreach.polling import poll_inbound, poll_statuses
from outreach.receipts import apply_receipts
from outreach.replies import receive_replies
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(settings: Settings, tmp_path: Path) -> Iterator[FakeGateway]:
    settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"
    gateway = FakeGateway()
    with use_gateway("SMS", gateway):
        make_wave(size=3)
        dispatch_due(channel="SMS", worker="test", deadline_seconds=30)
        Attempt.objects.update(intent_at=MORNING)
        yield gateway


def poll_after(minutes: float) -> int:
    return poll_statuses(now=MORNING + timedelta(minutes=minutes))


def test_a_missing_receipt_is_asked_for(operator: FakeGateway) -> None:
    assert poll_after(29) == 0
    assert poll_after(30) == 3
    assert apply_receipts(now=MORNING) == 3
    assert set(Attempt.objects.values_list("status", flat=True)) == {AttemptStatus.DELIVERED}
    assert not ProviderEvent.objects.exclude(problem="").exists()
    assert poll_after(120) == 0


def test_a_slow_operator_is_left_for_the_next_bell(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "BATCH_SIZE", 2)
    monkeypatch.setattr(polling, "ASKING_SECONDS", 0)
    assert poll_after(30) == 0
    assert not Attempt.objects.exclude(looked_up_at=None).exists(), "who is not asked keeps her turn"
    clock = count(step=15)
    monkeypatch.setattr(polling, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    monkeypatch.setattr(polling, "ASKING_SECONDS", 20)
    assert (poll_after(30), poll_after(30), poll_after(30)) == (2, 1, 0)


def test_they_are_looked_for_once_a_run(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads all that is in flight: not for each batch."""
    monkeypatch.setattr(polling, "BATCH_SIZE", 1)
    with CaptureQueriesContext(connection) as said:
        assert poll_after(30) == 3
    assert len([one for one in said.captured_queries if "ORDER BY o.intent_at" in one["sql"]]) == 1


def test_who_is_asked_by_another_is_not_asked_again(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    rows = polling._rows

    def asked_meanwhile(statement: str, **values: Any) -> list[tuple[Any, ...]]:
        found = rows(statement, **values)
        if statement == polling.CHOOSE_SILENT:
            asked.append(len(found))
            Attempt.objects.update(looked_up_at=values["now"])
        return found

    monkeypatch.setattr(polling, "_rows", asked_meanwhile)
    assert (poll_after(30), asked) == (0, [3])


def test_it_is_asked_less_and_less_often_then_no_more(operator: FakeGateway) -> None:
    operator.word = "queued"
    asked = []
    for minutes in range(0, 60 * 60, 10):
        before = Attempt.objects.filter(looked_up_at=None).count()
        assert poll_after(minutes) == 0, "no news is no event"
        if Attempt.objects.filter(looked_up_at=MORNING + timedelta(minutes=minutes)).exists():
            asked.append(minutes)
        assert before in (0, 3)
    assert asked == [30, 60, 120, 240, 480, 960, 1920]


def test_an_operator_that_cannot_be_asked_changes_nothing(operator: FakeGateway) -> None:
    operator.is_reachable = False
    operator.inbox.append(InboundMessage("SMin", operator.sent[0].destination, "STOP"))
    assert (poll_after(30), poll_inbound(now=MORNING)) == (0, 0)
    assert not ProviderEvent.objects.exists()


def test_a_stop_whose_webhook_failed_is_heard(operator: FakeGateway) -> None:
    operator.inbox.append(InboundMessage("SMin", operator.sent[0].destination, "STOP"))
    assert poll_inbound(now=MORNING) == 1
    assert poll_inbound(now=MORNING) == 0
    assert receive_replies(now=MORNING) == 1
    assert Opposition.objects.get().allocataire_id == Reply.objects.get().allocataire_id
    ProviderEvent.objects.all().delete()  # retention
    assert poll_inbound(now=MORNING) == 0


@pytest.mark.parametrize(("silence", "asked"), [(0, 1), (5, 6), (1_000, 168)])
def test_how_far_back_it_is_asked(
    operator: FakeGateway, monkeypatch: pytest.MonkeyPatch, silence: int, asked: int
) -> None:
    operator.inbox.append(InboundMessage("SMin", operator.sent[0].destination, "Merci"))
    poll_inbound(now=MORNING)
    ages: list[float] = []
    listing = operator.list_inbound

    def note(*, max_age_seconds: float, known: Known) -> object:
        ages.append(max_age_seconds)
        return listing(max_age_seconds=max_age_seconds)

    monkeypatch.setattr(operator, "list_inbound", note)
    poll_inbound(now=MORNING + timedelta(hours=silence))
    assert ages == [asked * 3600]


def test_one_run_at_a_time_asks(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.inbox.append(InboundMessage("SMin", operator.sent[0].destination, "STOP"))
    other = connection.copy()
    with other.cursor() as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(%s)", [polling.INBOUND_LOCK])
        assert poll_inbound(now=MORNING) == 0
        elsewhere.execute("SELECT pg_advisory_unlock(%s)", [polling.INBOUND_LOCK])
        assert poll_inbound(now=MORNING) == 1
        elsewhere.execute("SELECT pg_try_advisory_lock(%s)", [polling.INBOUND_LOCK])
        assert elsewhere.fetchone()[0], "it was kept"
    other.close()


def test_what_was_left_is_asked_for_again(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator whose list was not read to its end is asked as far back, however recent what was read."""
    poll_inbound(now=MORNING)
    asked: list[float] = []
    answers = [
        InboundResult(is_answered=True, messages=(InboundMessage("SM1", "+33700000009", "STOP"),), is_whole=False),
        InboundResult(is_answered=False),
        InboundResult(is_answered=True),
        InboundResult(is_answered=True),
    ]

    def listed(*, max_age_seconds: float, known: Known) -> InboundResult:
        asked.append(max_age_seconds / 3600)
        return answers[len(asked) - 1]

    monkeypatch.setattr(operator, "list_inbound", listed)
    for hours in (10, 11, 12, 13):
        poll_inbound(now=MORNING + timedelta(hours=hours))
    assert asked == [11, 12, 13, 2]


def test_a_webhook_that_works_again_hides_nothing(operator: FakeGateway) -> None:
    """Two failed, with the list; the next one passed."""
    poll_inbound(now=MORNING)
    later = MORNING + timedelta(hours=9)
    ProviderEvent.objects.create(
        provider="fake", kind="INBOUND", provider_ref="SM3", status="received", payload={}, received_at=later
    )
    assert polling._age_to_ask("fake", later) == timedelta(hours=10)
