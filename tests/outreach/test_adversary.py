"""Each misdeed of the simulated operator happens, and the engine answers right: on real sockets, at a small scale."""

import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.core.management import CommandError
from pytest_django import Settings

from campaigns.models import Opposition
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import AttemptStatus, EventKind, TouchStatus
from outreach.management.commands.operator import _behaviour
from outreach.models import Attempt, ProviderEvent, Touch
from outreach.polling import poll_inbound
from outreach.receipts import apply_receipts
from outreach.reconciliation import reconcile_unconfirmed
from outreach.replies import receive_replies
from outreach.simulator.behaviour import TROUBLES, Behaviour
from tests.outreach.local_servers import RunningOperator, running_operator, running_ovh
from tests.outreach.test_sms_ovh import BASE as OVH
from tests.outreach.test_sms_twilio import BASE as TWILIO
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 12
KEY = "tests-key-of-the-receipts"
Run = Callable[..., AbstractContextManager[RunningOperator]]


@pytest.fixture(params=["twilio", "ovh"])
def run(request: pytest.FixtureRequest, live_server: Any, settings: Settings, tmp_path: Path) -> Run:
    """Starts an operator with a behaviour and sends it a wave."""
    settings.PUBLIC_BASE_URL, settings.OVH_CALLBACK_KEY = live_server.url, KEY
    settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"
    settings.SMS_CONNECTIONS = 4
    calm = {"delivered": 1, "stop": 0, "reply": 0, "receipt_delay": 0.002}

    @contextmanager
    def start(**behaviour: Any) -> Iterator[RunningOperator]:
        ledger = tmp_path / "l.sqlite"
        if request.param == "ovh":
            callback = f"{live_server.url}/operateur/ovh/accuse/?cle={KEY}"
            with (
                running_ovh(ledger, callback_url=callback, **{**calm, **behaviour}) as operator,
                use_gateway("SMS", replace(OVH, api_url=f"{operator.url}/1.0", deadline_seconds=1.5)),
            ):
                send_wave()
                yield operator
            return
        inbound = f"{live_server.url}/operateur/twilio/entrant/"
        with running_operator(ledger, inbound_url=inbound, **{**calm, **behaviour}) as operator:
            gateway = replace(TWILIO, api_url=operator.url, callback_base_url=live_server.url, deadline_seconds=1.5)
            with use_gateway("SMS", gateway):
                send_wave()
                yield operator

    return start


def send_wave() -> None:
    make_wave(size=PEOPLE)
    dispatch_due(channel="SMS", worker="test", deadline_seconds=60)


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < deadline


def receipts() -> int:
    return ProviderEvent.objects.filter(kind=EventKind.STATUS).count()


def all_delivered() -> bool:
    apply_receipts(now=MORNING)
    return set(Touch.objects.values_list("status", flat=True)) == {TouchStatus.DELIVERED}


@pytest.mark.parametrize(
    "mischief",
    [{"late": 1.0, "late_seconds": 0.3}, {"shuffled": 1.0}, {"doubled": 1.0}, {"forged": 1.0}],
    ids=lambda one: next(iter(one)),
)
def test_receipts(run: Run, mischief: dict[str, float]) -> None:
    name = next(iter(mischief))
    copies = 2 if name == "doubled" else 1
    with run(**mischief) as operator:
        wait_for(lambda: receipts() == 2 * PEOPLE * copies)
        wait_for(all_delivered)
        said = operator.ledger()
    assert said["mischief"] == {"late" if name == "shuffled" else name: 2 * PEOPLE}
    assert set(Attempt.objects.values_list("status", "error_code")) == {(AttemptStatus.DELIVERED, "")}
    assert not ProviderEvent.objects.exclude(problem="").exists()
    assert not Opposition.objects.exists()
    if name == "forged":
        assert said["callbacks"]["forged_refused"] == 2 * PEOPLE
        assert "forged_taken" not in said["callbacks"]


def test_receipts_before_the_answer(run: Run) -> None:
    with run(early=1.0) as operator:
        assert receipts() == 2 * PEOPLE, "all were there when the answers came"
        wait_for(all_delivered)
        assert operator.ledger()["mischief"] == {"early": PEOPLE}
    assert Attempt.objects.exclude(provider_ref="").count() == PEOPLE


def test_a_storm_of_stop(run: Run) -> None:
    with run() as operator:
        wait_for(all_delivered)
        assert operator.post("/__storm__")["count"] == PEOPLE
        poll_inbound(now=MORNING)
        wait_for(lambda: receive_replies(now=MORNING) >= 0 and Opposition.objects.count() == PEOPLE)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_troubles_of_requests(run: Run, settings: Settings, trouble: str) -> None:
    """Each request for a wave meets it once. Taken: found again. Not taken: never doubled."""
    settings.RETRY_DELAYS_SECONDS = [0, 0, 0]
    with run(**{trouble: 1.0, "retry_after": 0}) as operator:
        assert operator.ledger()["mischief"][trouble] >= PEOPLE
        operator.post("/__behaviour__", **{trouble: 0.0})
        reconcile_unconfirmed(now=MORNING + timedelta(minutes=20))
        ledger = operator.ledger()
    is_taken = trouble in {"error_after", "reset_after", "slow_drip"}
    assert ledger["count"] == (PEOPLE if is_taken else 0)
    assert (ledger["duplicate_attempts"], ledger["duplicate_texts"]) == (0, 0)
    states = set(Attempt.objects.values_list("status", flat=True))
    if trouble == "throttled":
        assert states == {AttemptStatus.FAILED}
    elif is_taken:
        assert AttemptStatus.UNCONFIRMED not in states
    else:
        assert states == {AttemptStatus.UNCONFIRMED}


def test_a_lagging_list_doubles_nobody(run: Run) -> None:
    with run(error_after=1.0, list_lag=3600.0, receipt_delay=30.0) as operator:
        operator.post("/__behaviour__", error_after=0.0)
        reconcile_unconfirmed(now=MORNING + timedelta(minutes=5))
        reconcile_unconfirmed(now=MORNING + timedelta(minutes=30))
        dispatch_due(channel="SMS", worker="test", deadline_seconds=60)
        assert set(Attempt.objects.values_list("status", flat=True)) == {AttemptStatus.UNCONFIRMED}
        operator.post("/__behaviour__", list_lag=0.0)
        reconcile_unconfirmed(now=MORNING + timedelta(hours=2))
        ledger = operator.ledger()
    assert (ledger["count"], ledger["duplicate_texts"]) == (PEOPLE, 0)
    assert AttemptStatus.UNCONFIRMED not in set(Attempt.objects.values_list("status", flat=True))


class TestScenario:
    SHARES = dict.fromkeys((*TROUBLES, "delivered", "switched_off", "stop", "reply", "filtered"), 0.0)
    OPTIONS: ClassVar = {"seed": "a", "latency_ms": 0, "receipt_ms": 20, "reply_ms": 200, **SHARES}

    def test_the_example_says_everything_that_makes_an_adversary(self) -> None:
        path = Path("outreach/simulator/adversary.toml")
        behaviour = _behaviour({**self.OPTIONS, "scenario": path})
        said = set(tomllib.loads(path.read_text()))
        assert said | {"latency", "receipt_delay", "reply_delay"} == {field.name for field in fields(Behaviour)}
        assert (behaviour.seed, behaviour.doubled, behaviour.receipt_delay) == ("adversary", 0.2, 0.02)

    def test_a_word_that_means_nothing_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "s.toml"
        path.write_text("doubeld = 1\n")
        with pytest.raises(CommandError, match="doubeld"):
            _behaviour({**self.OPTIONS, "scenario": path})
