"""Thousands write STOP while thousands are sent to: no intent after a STOP is committed."""

import random
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from pytest_django import Settings

from campaigns.models import Allocataire, Opposition, read_now
from outreach.enums import EventKind, ReplyClass, Suppression, TouchStatus
from outreach.models import Attempt, ProviderEvent, Reply, Touch
from outreach.replies import receive_replies
from tests.factories import make_allocataires
from tests.faults.conftest import StartOperator
from tests.faults.harness import OperatorProcess, Workers, say, wait_until
from tests.faults.sizes import SEED, size_of
from tests.faults.table import Row, note
from tests.outreach.waves import make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

MESSAGES, STOPS = size_of("stop_messages"), size_of("stops")
WORDS = ["STOP", "stop svp", "Arrêtez", "ARRET", "Stop merci", "stopp", "🛑", "ne m’écrivez plus", "desabonnez moi"]


def test_a_storm_of_stops_is_heard_while_sending_goes_on(
    start_operator: StartOperator,
    start_workers: Callable[[OperatorProcess], Workers],
    capsys: pytest.CaptureFixture[str],
    settings: Settings,
    tmp_path: Path,
) -> None:
    settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"
    chance = random.Random(SEED)
    operator = start_operator(latency_ms=20)
    workers = start_workers(operator)
    people = make_allocataires(MESSAGES)
    make_wave(people=people)
    workers.start()
    workers.start()
    wait_until(partial(operator.has_taken, 0), what="the first message has left")

    write_stops(chance.sample(people, STOPS), chance)
    begun = time.perf_counter()
    heard = hear_them_all()
    rate = len(heard) / (time.perf_counter() - begun)
    wait_until(nothing_is_left, what="everything is decided", seconds=600)
    workers.stop()

    intents = dict(Attempt.objects.values_list("touch__allocataire_id", "intent_at"))
    too_late = [person for person, at in heard.items() if person in intents and intents[person] > at]
    in_time = Touch.objects.filter(allocataire_id__in=heard, reason=Suppression.OPPOSED).count()
    say(
        capsys,
        f"{len(heard)} STOP while {MESSAGES} SMS were leaving: {rate:.0f} STOP/s, {in_time} in time, "
        f"{len(too_late)} ignored, seed {SEED}",
    )
    lost, doubled = MESSAGES - in_time - operator.count(), operator.read()["duplicate_texts"]
    injected, worst = f"{len(heard)} STOP, {MESSAGES} SMS", f"{rate:.0f} STOP lus par seconde"
    note(Row("STOP pendant l’envoi", injected, lost, doubled, after_stop=len(too_late), worst=worst))
    assert len(heard) == STOPS == Opposition.objects.count()
    assert in_time > 0, "every STOP came too late: nothing was proved"
    assert not too_late
    assert in_time + operator.count() == MESSAGES
    assert set(operator.recipients().values()) == {1}


def write_stops(writers: list[Allocataire], chance: random.Random) -> None:
    """As the webhook keeps them, one in ten told twice."""
    events = [
        ProviderEvent(
            provider="twilio", kind=EventKind.INBOUND, provider_ref=f"IN{person.pk}", received_at=read_now(),
            payload={"From": person.mobile, "Body": chance.choice(WORDS), "MessageSid": f"IN{person.pk}"},
        )
        for person in [*writers, *chance.sample(writers, len(writers) // 10)]
    ]  # fmt: skip
    ProviderEvent.objects.bulk_create(events)


def hear_them_all() -> dict[int, datetime]:
    """For each writer, an instant after which her STOP was in force."""
    heard: dict[int, datetime] = {}
    while receive_replies(now=read_now(), limit=200):
        at = read_now()
        known = Reply.objects.filter(kind=ReplyClass.STOP).values_list("allocataire_id", flat=True)
        heard |= {person: at for person in known if person and person not in heard}
    return heard


def nothing_is_left() -> bool:
    moving = [TouchStatus.PLANNED, TouchStatus.CLAIMED, TouchStatus.SENDING]
    return not Touch.objects.filter(status__in=moving).exists()
