"""Sending, STOPs, refusals told by the operator and by agents, all at once: nobody waits in a circle."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from campaigns.enums import Channel, OppositionSource
from campaigns.locks import lock_people
from campaigns.models import Allocataire, read_now
from campaigns.oppositions import hash_destination, record_opposition
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import AttemptStatus, EventKind, ReplyClass
from outreach.models import Attempt, Reply, Touch
from outreach.receipts import apply_receipts, store_event
from outreach.refusals import refuse_contact
from outreach.replies import receive_replies
from tests.factories import make_allocataires
from tests.outreach.sent import add_attempt
from tests.outreach.waves import make_wave

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE, ROUNDS, TOGETHER = 60, 12, 5


@pytest.fixture(autouse=True)
def _journal(settings: Settings, tmp_path: Path) -> None:
    settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def run_together(*acts: Callable[[random.Random], None]) -> list[BaseException]:
    """Each act by its own thread, again and again; what they raised."""
    troubles: list[BaseException] = []
    start = threading.Barrier(len(acts))

    def act_often(seed: int, act: Callable[[random.Random], None]) -> None:
        chance = random.Random(seed)
        try:
            start.wait(10)
            for _ in range(ROUNDS):
                act(chance)
        except Exception as trouble:
            troubles.append(trouble)
        finally:
            connection.close()

    threads = [threading.Thread(target=act_often, args=item) for item in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return troubles


def make_sharers() -> list[Allocataire]:
    """Two to a mobile, crosswise: destinations and persons do not come in the same order."""
    people = make_allocataires(PEOPLE)
    for first, second in zip(people[::2], reversed(people[1::2]), strict=True):
        second.mobile = first.mobile
    Allocataire.objects.bulk_update(people, ["mobile"])
    return people


def test_nobody_waits_in_a_circle() -> None:
    people = make_sharers()
    make_wave(people=people)
    before = deadlocks()

    def send(chance: random.Random) -> None:
        dispatch_due(channel=Channel.SMS, worker="test", deadline_seconds=1)

    def prepare(chance: random.Random) -> None:
        some = chance.sample(people, 20)
        with transaction.atomic():
            lock_people(persons=[one.pk for one in some], destinations=[hash_destination(one.mobile) for one in some])

    def stop(chance: random.Random) -> None:
        for one in chance.sample(people, TOGETHER):
            refuse_contact(persons=[one.pk], destination=one.mobile, source=OppositionSource.SMS_STOP, now=read_now())

    def write(chance: random.Random) -> None:
        for one in chance.sample(people, TOGETHER):
            store_event(
                provider="twilio", kind=EventKind.INBOUND, payload={"From": one.mobile, "Body": "non merci"},
                provider_ref=f"SM{chance.random()}", now=read_now(),
            )  # fmt: skip
        receive_replies(now=read_now())

    def record(chance: random.Random) -> None:
        some = chance.sample(people, TOGETHER)
        record_opposition(
            allocataire_ids=[one.pk for one in some],
            destination=some[0].mobile,
            source=OppositionSource.AGENT,
            now=read_now(),
        )

    with use_gateway(Channel.SMS, FakeGateway()):
        troubles = run_together(send, prepare, prepare, stop, write, record)
    assert troubles == []
    assert deadlocks() == before
    assert Attempt.objects.exists()
    assert Reply.objects.filter(kind=ReplyClass.AMBIGUOUS).exists()


def test_refusals_told_together_by_the_operator_are_locked_together() -> None:
    people = make_allocataires(TOGETHER + 2)
    make_wave(people=people)
    touches = list(Touch.objects.order_by("pk"))
    for touch in touches:
        add_attempt(touch, status=AttemptStatus.SUBMITTED, provider_ref=f"SM{touch.pk}")
    before = deadlocks()

    def refuse(chance: random.Random) -> None:
        for touch in chance.sample(touches, TOGETHER):
            store_event(
                provider="twilio", kind=EventKind.STATUS, payload={}, provider_ref=f"SM{touch.pk}",
                status="undelivered", error_code="21610", now=read_now(),
            )  # fmt: skip
        apply_receipts(now=read_now())

    def stop(chance: random.Random) -> None:
        some = chance.sample(people, TOGETHER)
        with transaction.atomic():
            lock_people(persons=[one.pk for one in some], destinations=[hash_destination(one.mobile) for one in some])

    assert run_together(refuse, refuse, refuse, stop, stop) == []
    assert deadlocks() == before
