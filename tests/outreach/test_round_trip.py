"""The wire, both ways: our gateway, the operator, our webhooks served for real, receipts and replies applied."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django import Settings

from campaigns.models import Opposition
from outreach.channels.ports import OutgoingMessage
from outreach.enums import AttemptStatus, EventKind, TouchStatus
from outreach.models import Attempt, ProviderEvent, Touch
from outreach.receipts import apply_receipts
from outreach.recording import Answer, record_answers
from outreach.replies import receive_replies
from tests.outreach.local_servers import RunningOperator, running_operator
from tests.outreach.sent import NOW, add_attempt
from tests.outreach.test_sms_twilio import BASE
from tests.outreach.waves import make_wave

PEOPLE = 12


@pytest.fixture
def operator(live_server: "object", settings: Settings, tmp_path: Path) -> Iterator[RunningOperator]:
    settings.PUBLIC_BASE_URL = live_server.url  # type: ignore[attr-defined]
    settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"
    inbound_url = f"{settings.PUBLIC_BASE_URL}/operateur/twilio/entrant/"
    with running_operator(
        tmp_path / "l.sqlite", inbound_url=inbound_url, delivered=1, stop=0, reply=0, receipt_delay=0.001
    ) as running:
        yield running


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < deadline


@pytest.mark.django_db(transaction=True)
def test_sent_delivered_answered_and_left_alone(operator: RunningOperator, settings: Settings) -> None:
    gateway = replace(BASE, api_url=operator.url, callback_base_url=settings.PUBLIC_BASE_URL)
    wave = make_wave(size=PEOPLE)
    for touch in Touch.objects.filter(audience=wave):
        attempt = add_attempt(touch, status=AttemptStatus.SENDING, provider_ref="")
        message = OutgoingMessage(attempt.uuid, touch.destination, "Bonjour")
        record_answers(answers=[Answer.to_sending(attempt.uuid, gateway.send(message))], now=NOW)
    wait_for(lambda: ProviderEvent.objects.filter(kind=EventKind.STATUS).count() == 2 * PEOPLE)
    assert apply_receipts(now=NOW) == 2 * PEOPLE
    assert set(Touch.objects.values_list("status", flat=True)) == {TouchStatus.DELIVERED}
    assert set(Attempt.objects.values_list("status", "segments")) == {(AttemptStatus.DELIVERED, 1)}
    assert not ProviderEvent.objects.exclude(problem="").exists()

    person = Touch.objects.select_related("allocataire").earliest("pk").allocataire
    operator.post("/__inbound__", **{"from": person.mobile, "to": "+33700000001", "body": "Arrêtez svp 🙏"})
    wait_for(lambda: ProviderEvent.objects.filter(kind=EventKind.INBOUND).exists())
    assert receive_replies(now=NOW) == 1
    assert Opposition.objects.get().allocataire_id == person.pk
