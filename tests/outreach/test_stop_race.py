"""A STOP and a sending meet: whoever comes second sees the other."""

import threading
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from campaigns.enums import Channel, OppositionSource
from campaigns.models import read_now
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import TouchStatus
from outreach.models import Attempt, Touch
from outreach.refusals import refuse_contact
from tests.factories import make_allocataires
from tests.outreach.waves import make_wave

PEOPLE = 80


@pytest.mark.django_db(transaction=True)
def test_no_intent_after_the_stop_is_committed(settings: Settings, tmp_path: Path) -> None:
    settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"
    people = make_allocataires(PEOPLE)
    make_wave(people=people)
    seen_at_stop: dict[int, int] = {}

    def stop_everybody() -> None:
        try:
            for person in reversed(people):
                refuse_contact(persons=[person.pk], destination=person.mobile, source=SOURCE, now=read_now())
                seen_at_stop[person.pk] = Attempt.objects.filter(touch__allocataire=person).count()
        finally:
            connection.close()

    with use_gateway(Channel.SMS, FakeGateway()) as gateway:
        stops = threading.Thread(target=stop_everybody)
        stops.start()
        dispatch_due(channel=Channel.SMS, worker="test", deadline_seconds=20)
        stops.join()

    in_the_end = {person.pk: Attempt.objects.filter(touch__allocataire=person).count() for person in people}
    assert seen_at_stop == in_the_end
    suppressed = Touch.objects.filter(status=TouchStatus.SUPPRESSED).count()
    assert suppressed + len(gateway.sent) == PEOPLE  # type: ignore[attr-defined]
    assert suppressed, "no STOP came before its sending: the race was not run"


SOURCE = OppositionSource.SMS_STOP
