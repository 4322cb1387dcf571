"""The processes that send are killed with -9, at random and in the middle of requests: the operator's ledger judges.

Real Celery workers, beat and broker; kills strike a process of a pool, as the kernel does when memory misses, and now
and then a whole worker, as a power cut would.
"""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from outreach import tasks
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch
from tests.factories import give_rules
from tests.faults.aftermath import ON_THE_WIRE, count_lost, go_on, recover
from tests.faults.bells import SLOTS, Bells, kill_sender
from tests.faults.conftest import StartOperator
from tests.faults.harness import say, wait_until
from tests.faults.sizes import SEED, size_of
from tests.faults.table import Row, note
from tests.outreach.waves import make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

MESSAGES, KILLS = size_of("kill_messages"), size_of("kills")
WHOLE_WORKER = 25  # one kill in so many
LEASES = 3  # minutes after which nothing that a dead process held is held any more
TROUBLES = {"throttled": 0.02, "error_before": 0.015, "error_after": 0.015, "reset_after": 0.01, "slow_drip": 0.002}


def test_killed_workers_lose_nothing_and_double_nothing(
    start_operator: StartOperator, start_bells: Callable[..., Bells], capsys: pytest.CaptureFixture[str]
) -> None:
    operator = start_operator(seed=SEED, latency_ms=80, **TROUBLES)
    make_wave(size=MESSAGES)
    give_rules(allows_resend=True)
    bells = start_bells(operator)
    bells.start(workers=2)

    doubts = kill_at_random(bells)
    unsure = Attempt.objects.filter(status__in=[AttemptStatus.SENDING, AttemptStatus.UNCONFIRMED]).count()
    decided = recover(operator, TROUBLES)

    troubles = Counter(Attempt.objects.exclude(error_code="").values_list("error_code", flat=True))
    ledger, lost = operator.read(), count_lost(operator)
    say(
        capsys,
        f"{MESSAGES} SMS, {len(doubts)} processes killed at work ({max(doubts)} requests in doubt at most, {unsure} at "
        f"the end), troubles {dict(troubles)}, {decided} left to a superviseur, seed {SEED}",
    )
    note(
        Row(
            "kill -9 de processus de workers Celery, réponses 429, 500, coupées, lentes",
            f"{len(doubts)} processus tués, {sum(troubles.values())} réponses troublées, {MESSAGES} SMS",
            lost=lost,
            doubled=ledger["duplicate_attempts"] + ledger["duplicate_texts"],
            worst=f"{max(doubts)} requêtes en doute après un arrêt",
        )
    )
    assert len(doubts) == KILLS, "too few faults were injected"
    assert {"20429", "20500"} <= set(troubles), "the troubles that need no luck were not injected"
    assert max(doubts) <= SLOTS
    assert lost == 0
    assert set(Touch.objects.values_list("status", flat=True)) <= TouchStatus.contacted()
    assert (ledger["duplicate_attempts"], ledger["duplicate_texts"]) == (0, 0)


def kill_at_random(bells: Bells) -> list[int]:
    """As messages leave, a process that is sending dies. For each: how many of its requests are then in doubt."""
    chance = random.Random(SEED)
    doubts: list[int] = []
    for share in sorted(chance.uniform(0, 0.9) for _ in range(KILLS)):
        wait_until(partial(has_decided, share * MESSAGES), what=f"{share:.0%} of the messages decided", seconds=120)
        victim = kill_one_at_work(chance)
        doubts.append(Touch.objects.filter(status=TouchStatus.SENDING, claimed_by=victim).count())
        if len(doubts) % WHOLE_WORKER == 0:
            bells.restart_worker(f"sender-{chance.randrange(2)}")
            go_on(LEASES)  # else so many deaths would hold the whole wave until the end
    return doubts


def has_decided(number: float) -> bool:
    return Attempt.objects.count() >= number


def kill_one_at_work(chance: random.Random) -> str:
    """One process that holds claims or requests, by the name under which it claimed."""
    killed: list[str] = []

    def strike() -> bool:
        names = sorted(set(Touch.objects.filter(status__in=ON_THE_WIRE).values_list("claimed_by", flat=True)))
        chance.shuffle(names)
        killed.extend(name for name in names[:1] if kill_sender(name))
        return bool(killed)

    wait_until(strike, what="a process at work was killed")
    return killed[0]


def test_no_dead_process_can_hang_the_others() -> None:
    """What the processes of a pool share has no lock: one that dies holding it would keep it for ever."""
    assert not hasattr(tasks._stopping, "get_lock")
    assert not hasattr(tasks._stopping, "is_set")
