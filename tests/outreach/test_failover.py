"""Two operators on real sockets: the first dies in the middle of a wave; nobody is sent anything twice."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from outreach.channels.failover import Providers, WatchedGateway
from outreach.channels.fake import FakeGateway
from outreach.channels.ports import OutgoingMessage, SendOutcome, SendResult
from outreach.channels.registry import gateway_for, gateway_of, gateways_of, use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import AttemptStatus, EventKind
from outreach.models import Attempt, ProviderEvent, Touch
from outreach.polling import poll_inbound, poll_statuses
from outreach.receipts import apply_receipts
from outreach.reconciliation import reconcile_unconfirmed
from outreach.rules.circuit import PROBE_AFTER_SECONDS
from tests.outreach.local_servers import RunningOperator, running_operator, running_ovh
from tests.outreach.test_sms_ovh import BASE as OVH
from tests.outreach.test_sms_twilio import BASE as TWILIO
from tests.outreach.test_sms_twilio import make_message
from tests.outreach.waves import MORNING, make_wave

PEOPLE = 120


@pytest.fixture
def operators(tmp_path: Path, settings: Settings) -> Iterator[tuple[RunningOperator, RunningOperator]]:
    settings.SMS_CONNECTIONS = 8
    with (
        running_operator(tmp_path / "first.sqlite", receipt_delay=30) as first,
        running_ovh(tmp_path / "second.sqlite", receipt_delay=30) as second,
        use_gateway("SMS", replace(TWILIO, api_url=first.url), replace(OVH, api_url=f"{second.url}/1.0")),
    ):
        yield first, second


def run() -> None:
    dispatch_due(channel="SMS", worker="test", deadline_seconds=60)


def recipients(*operators: RunningOperator) -> Counter[str]:
    return Counter(entry["recipient"] for one in operators for entry in one.ledger()["messages"])


@pytest.mark.django_db
@pytest.mark.parametrize("trouble", ["error_after", "reset_after", "error_before", "reset_before"])
def test_the_first_dies_in_the_middle_of_a_wave(
    operators: tuple[RunningOperator, RunningOperator], trouble: str
) -> None:
    first, second = operators
    make_wave(size=PEOPLE)
    dying = sorted(Touch.objects.values_list("destination", flat=True))[PEOPLE // 3 :]
    for destination in dying:
        first.post("/__script__", to=destination, troubles=[trouble])
    run()
    by_provider = Counter(Attempt.objects.values_list("provider", flat=True))
    assert by_provider["twilio"] >= 5
    assert by_provider["ovh"] >= PEOPLE // 3, "the wave went on by the second"
    injected = first.ledger()["mischief"][trouble]
    doubtful = Attempt.objects.filter(status=AttemptStatus.UNCONFIRMED)
    assert injected == doubtful.count() > 0
    assert set(doubtful.values_list("provider", flat=True)) == {"twilio"}
    reconcile_unconfirmed(now=MORNING + timedelta(minutes=10))
    run()
    assert set(recipients(first, second).values()) == {1}
    still = doubtful.count()
    assert still == (0 if trouble.endswith("after") else injected), "found where it is held; absent: left to a person"
    assert sum(recipients(first, second).values()) == PEOPLE - still


@pytest.mark.django_db
def test_refused_connections_move_to_the_second_operator(tmp_path: Path, settings: Settings) -> None:
    settings.SMS_CONNECTIONS = 4
    settings.RETRY_DELAYS_SECONDS = [0, 0, 0]
    with running_ovh(tmp_path / "l.sqlite", receipt_delay=30) as second:
        with use_gateway("SMS", TWILIO, replace(OVH, api_url=f"{second.url}/1.0")):
            make_wave(size=30)
            run()
        assert set(recipients(second).values()) == {1}
        assert len(recipients(second)) == 30


@pytest.mark.django_db
def test_each_operator_is_asked_about_its_own(operators: tuple[RunningOperator, RunningOperator]) -> None:
    first, second = operators
    make_wave(size=2)
    run()
    one, other = Attempt.objects.order_by("pk")
    with use_gateway("SMS", gateways_of("SMS")[1]):
        sent = gateway_for("SMS").send(make_message(destination=other.touch.destination))
    Attempt.objects.filter(pk=other.pk).update(provider="ovh", provider_ref=sent.provider_ref)
    for operator, attempt in ((first, one), (second, other)):
        operator.post("/__inbound__", **{"from": attempt.touch.destination, "to": TWILIO.sender, "body": "Merci"})
        operator.post("/__behaviour__", receipt_delay=0)
    assert poll_statuses(now=MORNING + timedelta(hours=1)) == 0, "no news yet, and nobody asked the wrong one"
    assert poll_inbound(now=MORNING) == 2
    assert set(ProviderEvent.objects.filter(kind=EventKind.INBOUND).values_list("provider", flat=True)) == {
        "twilio",
        "ovh",
    }
    apply_receipts(now=MORNING)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def silent(_: OutgoingMessage) -> SendResult:
    return SendResult(SendOutcome.UNKNOWN, error_code="ReadTimeoutError")


def test_the_first_comes_back_after_a_probe() -> None:
    clock = Clock()
    first = FakeGateway(script=silent, name="first", is_reachable=False)
    providers = Providers([first, FakeGateway(name="second")])
    watched = providers.all()[0]
    assert isinstance(watched, WatchedGateway)
    watched.clock = clock
    for _ in range(5):
        assert providers.choose().name == "first"
        providers.choose().send(make_message())
    assert providers.choose().name == "second"
    clock.now += PROBE_AFTER_SECONDS
    assert providers.choose().name == "second", "asked, still down"
    first.is_reachable = True
    assert providers.choose().name == "second", "not asked again so soon"
    clock.now += PROBE_AFTER_SECONDS
    assert providers.choose().name == "first"


def test_when_all_are_down_the_first_is_used() -> None:
    providers = Providers([FakeGateway(script=silent, name="first"), FakeGateway(script=silent, name="second")])
    for _ in range(12):
        providers.choose().send(make_message())
    assert providers.choose().name == "first"


def test_one_alone_is_never_left() -> None:
    only = FakeGateway(script=silent)
    providers = Providers([only])
    for _ in range(12):
        assert providers.choose() is only
        only.send(make_message())


def test_a_gateway_that_fails_counts_as_silent() -> None:
    def fail(_: OutgoingMessage) -> SendResult:
        raise RuntimeError

    providers = Providers([FakeGateway(script=fail, name="first"), FakeGateway(name="second")])
    for _ in range(5):
        with pytest.raises(RuntimeError):
            providers.choose().send(make_message())
    assert providers.choose().name == "second"


def test_an_operator_that_left_the_settings_can_still_be_asked(settings: Settings) -> None:
    settings.OVH_API_URL = "http://127.0.0.1:9/1.0"
    with use_gateway("SMS", FakeGateway()):
        former = gateway_of("SMS", "twilio")
        assert former is not None
        assert former.name == "twilio"
        assert gateway_of("SMS", "ovh") is None, "its access left with it"
        assert gateway_of("SMS", "nobody") is None
