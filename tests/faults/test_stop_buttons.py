"""At full rate: first contacts that no number of workers overshoots, and stop buttons that act at once."""

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from campaigns.lifecycle import pause_campaign, resume_campaign
from campaigns.models import Campaign, User, read_now
from outreach.dispatch import BATCH_SIZE
from outreach.enums import TouchStatus
from outreach.models import Attempt, Touch
from outreach.pauses import pause_sending, resume_sending
from outreach.safeguards import watch_campaigns
from tests.factories import make_user
from tests.faults.conftest import StartOperator
from tests.faults.harness import OperatorProcess, Workers, say, wait_until
from tests.faults.sizes import SEED, size_of
from tests.faults.table import Row, note
from tests.outreach.waves import make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
StartWorkers = Callable[[OperatorProcess], Workers]

PRESSES = size_of("presses")
WORKERS = 2
FEW = 40  # messages between two presses


def is_idle() -> bool:
    return not Touch.objects.filter(status__in=[TouchStatus.CLAIMED, TouchStatus.SENDING]).exists()


def test_no_number_of_workers_sends_more_than_the_first_contacts(
    start_operator: StartOperator, start_workers: StartWorkers, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.CANARY_MINIMUM = first = 45  # more than a batch, less than what the workers could hold
    operator = start_operator()
    workers = start_workers(operator)
    make_wave(size=400)
    runs = [workers.start("--until-idle") for _ in range(4)]
    for run in runs:
        assert run.wait(60) == 0
        workers.running.remove(run)
    assert operator.count() == first
    watch_campaigns(now=read_now() + timedelta(minutes=16))
    workers.drain()
    say(capsys, f"4 workers: {first} first contacts alone, then the {operator.count() - first} others")
    assert operator.count() == 400
    assert set(operator.recipients().values()) == {1}


def test_a_stop_button_acts_at_once_however_often_it_is_pressed(
    start_operator: StartOperator, start_workers: StartWorkers, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = start_operator(latency_ms=50)
    workers = start_workers(operator)
    make_wave(size=(FEW + WORKERS * BATCH_SIZE) * (PRESSES + 1))
    superviseur, chance = make_user(), random.Random(SEED)
    for _ in range(WORKERS):
        workers.start()
    delays, late_intents, late_messages = [], 0, []
    for _ in range(PRESSES):
        wait_until(partial(operator.has_taken, operator.count() + FEW), what="messages are leaving")
        button = chance.choice(["", "SMS", "campaign"])
        press(button, superviseur)
        pressed_at, pressed_on_app_clock, before = time.time(), read_now(), operator.count()
        wait_until(is_idle, what="nothing is on the wire")
        accepted = [m["accepted_at"] for m in operator.read(messages=True)["messages"]]
        delays.append(max(0.0, max(accepted) - pressed_at))
        late_messages.append(operator.count() - before)
        late_intents += count_intents_after(pressed_on_app_clock)
        assert Touch.objects.filter(status=TouchStatus.PLANNED).exists(), "all had left: nothing was proved"
        release(button, superviseur)
    workers.stop()
    say(
        capsys,
        f"{PRESSES} presses, {WORKERS} workers: last message {max(delays) * 1000:.0f} ms after the commit at most, "
        f"{max(late_messages)} messages at most, {late_intents} intents",
    )
    worst = f"dernier message {max(delays):.2f} s après"
    note(Row("bouton d’arrêt pressé à plein débit", f"{PRESSES} appuis", after_stop=late_intents, worst=worst))
    assert late_intents == 0
    assert max(delays) <= 2
    assert max(late_messages) <= WORKERS * BATCH_SIZE
    assert set(operator.recipients().values()) == {1}


def count_intents_after(instant: datetime) -> int:
    return Attempt.objects.filter(intent_at__gt=instant).count()


def press(button: str, by: User) -> None:
    if button == "campaign":
        pause_campaign(campaign=Campaign.objects.get(), by=by, now=read_now(), reason="essai")
    else:
        pause_sending(scope=button, by=by, now=read_now(), reason="essai")


def release(button: str, by: User) -> None:
    if button == "campaign":
        resume_campaign(campaign=Campaign.objects.get(), by=by, now=read_now())
    else:
        resume_sending(scope=button, by=by, now=read_now())
