"""A worker is asked to end, kindly then not: it ends or gives back what it holds, and nobody gets a message twice."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial

import pytest

from outreach.enums import TouchStatus
from outreach.models import Touch
from tests.faults.aftermath import ON_THE_WIRE, assert_never_twice, count_lost, recover
from tests.faults.bells import Bells
from tests.faults.conftest import StartOperator
from tests.faults.harness import say, wait_until
from tests.outreach.waves import make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
MESSAGES = 1_500


def end(worker: "subprocess.Popen[bytes]", how: signal.Signals) -> float:
    """Ask the parent of the pool to end; seconds until it has."""
    begun = time.monotonic()
    os.kill(worker.pid, how)
    worker.wait(60)
    return time.monotonic() - begun


def test_sigterm_finishes_what_left_and_gives_the_rest_back(
    start_operator: StartOperator, start_bells: Callable[..., Bells], capsys: pytest.CaptureFixture[str]
) -> None:
    operator = start_operator(latency_ms=80)
    make_wave(size=MESSAGES)
    bells = start_bells(operator)
    bells.start(workers=1)
    wait_until(partial(operator.has_taken, 100), what="messages are leaving")

    took = end(bells.running.pop("sender-0"), signal.SIGTERM)
    taken, held = operator.count(), Touch.objects.filter(status__in=ON_THE_WIRE).count()
    say(capsys, f"SIGTERM: ended in {took:.1f} s, {taken} of {MESSAGES} SMS had left, {held} still held")
    assert taken < MESSAGES, "all had left: nothing was proved"
    assert held == 0
    assert took < 10, "a container is killed after that"
    assert Touch.objects.filter(status=TouchStatus.SUBMITTED).count() == taken
    assert set(Touch.objects.filter(status=TouchStatus.PLANNED).values_list("attempt_count", flat=True)) == {0}


def test_sigquit_leaves_doubts_and_no_double(
    start_operator: StartOperator, start_bells: Callable[..., Bells], capsys: pytest.CaptureFixture[str]
) -> None:
    operator = start_operator(latency_ms=80)
    make_wave(size=MESSAGES // 3)
    bells = start_bells(operator)
    bells.start(workers=1)
    wait_until(partial(operator.has_taken, 60), what="messages are leaving")

    end(bells.running.pop("sender-0"), signal.SIGQUIT)
    held = Touch.objects.filter(status__in=ON_THE_WIRE).count()
    bells.start_worker("sender-0", "sending")
    recover(operator, {})
    say(capsys, f"SIGQUIT: {held} contacts held by the dead, {count_lost(operator)} lost")
    assert_never_twice(operator)
    assert count_lost(operator) == 0
