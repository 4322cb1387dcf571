"""Real workers, killed with -9 in the middle of the night's messages by chance; the operator's ledger judges."""

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from campaigns.models import Plan, set_clock
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch
from outreach.reconciliation import (
    mark_crashed_attempts,
    reconcile_unconfirmed,
    release_expired_claims,
    resolve_touch,
)
from outreach.rules.retry import Resolution
from tests.factories import make_user
from tests.faults.conftest import StartOperator
from tests.faults.harness import OperatorProcess, Workers, say, wait_until
from tests.outreach.waves import MORNING, make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

MESSAGES = int(os.environ.get("FAULT_MESSAGES", "2000"))
KILLS = int(os.environ.get("FAULT_KILLS", "8"))
SEED = int(os.environ.get("FAULT_SEED", "20260303"))
TROUBLES = {"throttled": 0.02, "error_before": 0.015, "error_after": 0.015, "reset_after": 0.01}


def test_killed_workers_lose_nothing_and_double_nothing(
    start_operator: StartOperator,
    start_workers: Callable[[OperatorProcess], Workers],
    capsys: pytest.CaptureFixture[str],
) -> None:
    operator = start_operator(seed=SEED, latency_ms=5, **TROUBLES)
    workers = start_workers(operator)
    make_wave(size=MESSAGES)
    Plan.objects.update(allows_resend=True)

    kills = kill_at_random(operator, workers)
    in_doubt = Attempt.objects.filter(status=AttemptStatus.SENDING).count()
    workers.drain(seconds=300)
    troubles = Counter(Attempt.objects.exclude(error_code="").values_list("error_code", flat=True))
    assert_never_twice(operator)

    for minutes in (5, 10, 25, 45):
        settle(minutes, workers)
        assert_never_twice(operator)
    doubts = Touch.objects.filter(status=TouchStatus.UNCONFIRMED)
    left = doubts.count()
    operator.behave(**dict.fromkeys(TROUBLES, 0))
    superviseur = make_user()
    for touch in doubts:  # the operator swears twice that it has none of them: a superviseur sends them again
        resolve_touch(touch=touch, decision=Resolution.RESEND, by=superviseur, now=MORNING + timedelta(minutes=46))
    settle(60, workers)

    say(
        capsys,
        f"{MESSAGES} SMS, {kills} workers killed ({in_doubt} requests in doubt), troubles {dict(troubles)}, "
        f"{left} left to a superviseur, seed {SEED}",
    )
    assert kills, "no fault was injected"
    assert sum(troubles.values()), "no fault was injected"
    assert set(Touch.objects.values_list("status", flat=True)) <= TouchStatus.contacted()
    assert operator.recipients() == dict.fromkeys(Touch.objects.values_list("destination", flat=True), 1)
    ledger = operator.read()
    assert (ledger["duplicate_attempts"], ledger["duplicate_texts"]) == (0, 0)


def kill_at_random(operator: OperatorProcess, workers: Workers) -> int:
    """Two workers at a time; each time some more messages have left, one of them is killed and another one starts."""
    chance = random.Random(SEED)
    workers.start()
    workers.start()
    kills = 0
    for share in sorted(chance.uniform(0.02, 0.9) for _ in range(KILLS)):
        wait_until(partial(operator.has_taken, share * MESSAGES), what=f"{share:.0%} of the messages left")
        workers.kill(chance.choice(workers.running))
        kills += 1
        workers.start()
    wait_until(
        lambda: not Touch.objects.filter(status=TouchStatus.PLANNED, due_at__lte=MORNING).exists(),
        what="everything that was due has been claimed",
    )
    for worker in list(workers.running):
        workers.kill(worker)
        kills += 1
    return kills


def settle(minutes: int, workers: Workers) -> None:
    now = MORNING + timedelta(minutes=minutes)
    set_clock(now)
    release_expired_claims(now=now)
    mark_crashed_attempts(now=now)
    reconcile_unconfirmed(now=now)
    workers.drain()


def assert_never_twice(operator: OperatorProcess) -> None:
    doubled = {recipient for recipient, times in operator.recipients().items() if times > 1}
    assert not doubled, f"{len(doubled)} people got two messages"
