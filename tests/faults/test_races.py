"""While real workers send: people refuse, a superviseur presses the stop button, other workers join in."""

import random
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import pytest

from campaigns.enums import Channel, OppositionSource
from campaigns.models import read_now
from campaigns.oppositions import record_opposition
from outreach.enums import Suppression, TouchStatus
from outreach.models import Attempt, Touch
from outreach.pauses import pause_sending, resume_sending
from tests.factories import make_allocataires, make_user
from tests.faults.conftest import StartOperator
from tests.faults.harness import OperatorProcess, Workers, say, wait_until
from tests.outreach.waves import make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
StartWorkers = Callable[[OperatorProcess], Workers]


def nothing_is_left() -> bool:
    moving = [TouchStatus.PLANNED, TouchStatus.CLAIMED, TouchStatus.SENDING]
    return not Touch.objects.filter(status__in=moving).exists()


def nothing_is_on_the_wire() -> bool:
    return not Touch.objects.filter(status__in=[TouchStatus.CLAIMED, TouchStatus.SENDING]).exists()


def test_a_stop_is_before_or_after_an_intent_never_under_it(
    start_operator: StartOperator, start_workers: StartWorkers, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = start_operator(latency_ms=20)
    workers = start_workers(operator)
    people = make_allocataires(800)
    make_wave(people=people)
    workers.start()
    workers.start()
    wait_until(lambda: operator.count() > 0, what="the first message has left")

    stops: dict[int, datetime] = {}
    for person in random.Random(3).sample(people, 300):
        by_number = person.pk % 2
        record_opposition(
            allocataire_ids=[] if by_number else [person.pk],
            channel=Channel.SMS,
            source=OppositionSource.SMS_STOP,
            now=read_now(),
            destination=person.mobile if by_number else "",
        )
        stops[person.pk] = read_now()
    wait_until(nothing_is_left, what="everything is decided")
    workers.stop()

    intents = dict(Attempt.objects.values_list("touch__allocataire_id", "intent_at"))
    too_late = [person for person, at in stops.items() if person in intents and intents[person] > at]
    in_time = Touch.objects.filter(allocataire_id__in=stops, reason=Suppression.OPPOSED).count()
    say(capsys, f"{len(stops)} STOP while 800 SMS were leaving: {in_time} were in time, {len(too_late)} ignored")
    assert in_time > 0, "every STOP came too late: nothing was proved"
    assert not too_late
    assert in_time + operator.count() == len(people)
    assert set(operator.recipients().values()) == {1}


def test_the_stop_button_stops_within_two_seconds(
    start_operator: StartOperator, start_workers: StartWorkers, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = start_operator(latency_ms=50)
    workers = start_workers(operator)
    make_wave(size=1500)
    superviseur = make_user()
    workers.start()
    workers.start()
    delays = []
    for press, scope in enumerate(["", "SMS", ""], start=1):
        wait_until(partial(operator.has_taken, 150 * press), what="messages are leaving")
        pause_sending(scope=scope, by=superviseur, now=read_now(), reason="essai")
        pressed_at = time.time()
        wait_until(nothing_is_on_the_wire, what="nothing is on the wire")
        delays.append(max(m["accepted_at"] for m in operator.read(messages=True)["messages"]) - pressed_at)
        paused_at = operator.count()
        assert Touch.objects.filter(status=TouchStatus.PLANNED).exists(), "all had left: nothing was proved"
        resume_sending(scope=scope, by=superviseur, now=read_now())
        wait_until(partial(operator.has_taken, paused_at), what="sending goes on")
    say(capsys, f"stop button: last message {[f'{delay * 1000:.0f} ms' for delay in delays]} after the commit")
    assert max(delays) <= 2
    wait_until(nothing_is_left, what="everything has left")
    workers.stop()
    assert set(operator.recipients().values()) == {1}
    assert operator.count() == 1500


@pytest.mark.parametrize("number", [2, 4])
def test_any_number_of_workers_share_the_work(
    start_operator: StartOperator, start_workers: StartWorkers, number: int
) -> None:
    operator = start_operator()
    workers = start_workers(operator)
    make_wave(size=600)
    started = [workers.start("--until-idle") for _ in range(number)]
    for worker in started:
        assert worker.wait(60) == 0
        workers.running.remove(worker)
    assert operator.recipients() == dict.fromkeys(Touch.objects.values_list("destination", flat=True), 1)
    senders = {name.split("#")[0] for name in Touch.objects.values_list("claimed_by", flat=True)}
    assert senders == {""}, "a claim outlived its message"
