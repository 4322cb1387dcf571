"""The database crashes, the broker dies or forgets, while everything runs: nothing lost, nothing doubled."""

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice

import pytest
import redis
from django.db import connection
from pytest_django import DjangoDbBlocker

from campaigns.models import read_now
from outreach.enums import TouchStatus
from outreach.models import Touch
from tests.factories import give_rules
from tests.faults.aftermath import count_lost, nothing_is_due, recover
from tests.faults.bells import Bells
from tests.faults.conftest import StartOperator
from tests.faults.harness import OperatorProcess, say, wait_until
from tests.faults.servers import MortalServer, mortal_server
from tests.faults.sizes import SEED, size_of
from tests.faults.table import Row, note
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.fault

MESSAGES = size_of("outage_messages")
CRASHES, BROKER_FAILURES = size_of("postgres_crashes"), size_of("broker_failures")
BACK_WITHIN = 60.0
WORKERS = 2


@pytest.fixture
def server(django_db_blocker: DjangoDbBlocker) -> Iterator[MortalServer]:
    with django_db_blocker.unblock(), mortal_server() as started:
        yield started


def test_a_database_that_crashes_loses_nothing_and_doubles_nothing(
    server: MortalServer,
    start_operator: StartOperator,
    start_bells: Callable[..., Bells],
    capsys: pytest.CaptureFixture[str],
) -> None:
    operator = start_operator(seed=SEED, latency_ms=40, receipt_ms=20)
    make_wave(size=MESSAGES)
    give_rules(allows_resend=True)
    bells = start_bells(operator)
    bells.start(workers=WORKERS, with_site=True)
    delays = [crash(server, operator, share, is_whole) for share, is_whole in moments(CRASHES)]
    wait_until(bells.site_answers, what="the site answers again")
    decided = recover(operator, {})
    told = Touch.objects.filter(status=TouchStatus.DELIVERED).count()
    say(
        capsys,
        f"{CRASHES} crashes of PostgreSQL ({server.count_recoveries()} recoveries) while {MESSAGES} SMS left: sending "
        f"again after {max(delays):.1f} s at worst, {decided} left to a superviseur, {told} delivered, seed {SEED}",
    )
    judge("arrêt brutal de PostgreSQL, fsync actif", f"{CRASHES} arrêts, {MESSAGES} SMS", operator, delays)
    assert server.count_recoveries() >= CRASHES, "some crashes were none"
    assert told, "no receipt came through the site"
    assert_all_alive(bells)


def test_a_broker_that_dies_or_forgets_loses_nothing_and_doubles_nothing(
    transactional_db: None,
    start_operator: StartOperator,
    start_bells: Callable[..., Bells],
    capsys: pytest.CaptureFixture[str],
) -> None:
    operator = start_operator(seed=SEED, latency_ms=40)
    make_wave(size=MESSAGES)
    give_rules(allows_resend=True)
    bells = start_bells(operator)
    bells.start(workers=WORKERS)
    delays = []
    for share, is_whole in moments(BROKER_FAILURES):
        allow(share)
        wait_until(partial(operator.has_taken, operator.count()), what="messages are leaving")
        back_at = kill_broker(bells) if is_whole else flush_broker(bells)
        # The runs that had begun do not need the broker: the one that sends next will have been rung.
        wait_until(nothing_due_now, what="those that had begun are over", seconds=BACK_WITHIN + 20)
        taken = operator.count()
        allow(share + 0.02)
        wait_until(partial(operator.has_taken, taken), what="it rings again", seconds=BACK_WITHIN + 20)
        delays.append(time.time() - back_at)
    allow(1)
    decided = recover(operator, {})
    say(
        capsys,
        f"{BROKER_FAILURES} failures of the broker while {MESSAGES} SMS left: ringing again after {max(delays):.1f} s "
        f"at worst, {decided} left to a superviseur, seed {SEED}",
    )
    judge("broker tué ou vidé", f"{BROKER_FAILURES} pannes, {MESSAGES} SMS", operator, delays)
    assert_all_alive(bells)


def moments(number: int) -> Iterator[tuple[float, bool]]:
    """When, as a share of the messages that left, and which of the two ways of failing."""
    chance = random.Random(SEED)
    shares = sorted(chance.uniform(0.05, 0.9) for _ in range(number))
    yield from zip(shares, islice(cycle([True, False]), number), strict=True)


def crash(server: MortalServer, operator: OperatorProcess, share: float, is_whole: bool) -> float:
    """Crash once that share has left; returns how long after its return the first message leaves."""
    wait_until(partial(operator.has_taken, share * MESSAGES), what=f"{share:.0%} of the messages left", seconds=120)
    if is_whole:
        server.crash()
    else:
        server.lose_a_session()
    connection.close()
    back_at, taken = time.time(), operator.count()
    wait_until(partial(operator.has_taken, taken), what="sending goes on", seconds=BACK_WITHIN + 20)
    return time.time() - back_at


def kill_broker(bells: Bells) -> float:
    bells.kill("broker")
    bells.start_broker()
    return time.time()


def flush_broker(bells: Bells) -> float:
    broker = redis.Redis(port=bells.broker_port)
    broker.flushall()
    broker.close()
    return time.time()


def allow(share: float) -> None:
    """So much of the wave is due; the rest is due later in the morning."""
    waiting = Touch.objects.filter(status=TouchStatus.PLANNED).order_by("pk")
    total, left = Touch.objects.count(), waiting.count()
    due = list(waiting.values_list("pk", flat=True)[: max(0, round(share * total) - (total - left))])
    later = MORNING.replace(hour=MORNING.hour + 2)
    waiting.exclude(pk__in=due).update(due_at=later)
    Touch.objects.filter(pk__in=due, status=TouchStatus.PLANNED).update(due_at=MORNING)


def nothing_due_now() -> bool:
    return nothing_is_due(read_now())


def judge(fault: str, injected: str, operator: OperatorProcess, delays: list[float]) -> None:
    ledger, lost = operator.read(), count_lost(operator)
    doubled = ledger["duplicate_attempts"] + ledger["duplicate_texts"]
    note(Row(fault, injected, lost=lost, doubled=doubled, worst=f"reprise en {max(delays):.1f} s"))
    assert (lost, doubled) == (0, 0)
    assert max(delays) <= BACK_WITHIN
    assert set(Touch.objects.values_list("status", flat=True)) <= TouchStatus.contacted()


def assert_all_alive(bells: Bells) -> None:
    dead = [name for name, process in bells.running.items() if process.poll() is not None]
    assert not dead, f"did not survive: {dead}"
