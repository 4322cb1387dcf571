"""Several workers, one contract: what they reserve together, and what a dispatcher makes of it."""

import threading
import time
from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest
from django.db import connection
from pytest_django import Settings

from outreach.channels import wire as wire_room
from outreach.channels.fake import FakeGateway, accept
from outreach.channels.ports import OutgoingMessage, SendOutcome, SendResult
from outreach.channels.wire import Wire
from outreach.dispatch import dispatch_due
from outreach.models import ProviderPace, Touch
from outreach.pacing import SharedPacer, Unpaced, pacer_for
from outreach.pauses import resume_sending
from tests.factories import make_user
from tests.outreach.test_pacing_rules import most_in_a_second
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


def at_full_rate(contract: float, provider: str = "fake") -> None:
    now = time.time()
    ProviderPace.objects.create(
        provider=provider, contract=contract, rate=contract, ceiling=contract, changed_at=now, next_at=now
    )


@pytest.mark.django_db(transaction=True)
def test_workers_together_never_exceed_the_contract() -> None:
    at_full_rate(120)  # all within what is waited for
    reserved: list[tuple[float, int]] = []

    def reserve(size: int) -> None:
        pacer = SharedPacer("fake", 120)
        try:
            for _ in range(8):
                reserved.extend((at, size) for at in pacer.reserve([size] * 3))
        finally:
            connection.close()

    threads = [threading.Thread(target=reserve, args=(size,)) for size in (1, 2, 1, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(reserved) == 4 * 24
    assert most_in_a_second(reserved) <= 120
    pace = ProviderPace.objects.get()
    assert (pace.version, len(pace.recent) <= 258) == (32, True)


def test_what_is_reserved_far_ahead_is_not_decided_now() -> None:
    at_full_rate(10)
    first, second = SharedPacer("fake", 10), SharedPacer("fake", 10)
    assert first.room() == 10
    first.reserve([1] * 10)
    assert (first.is_open, first.room(), second.room(), second.is_open) == (False, 0, 0, False)


def test_a_refusal_for_speed_holds_everybody() -> None:
    at_full_rate(10)
    first, second = SharedPacer("fake", 10), SharedPacer("fake", 10)
    first.slow_down(20)
    [at] = second.reserve([1])
    assert 19 < at - time.monotonic() < 21
    assert ProviderPace.objects.get().rate == 5


def test_a_resume_starts_slowly() -> None:
    at_full_rate(10)
    resume_sending(scope="SMS", by=make_user(), now=MORNING)
    SharedPacer("fake", 10).reserve([1])
    assert ProviderPace.objects.get().rate == 1


def test_the_contract_of_a_provider_then_of_its_channel(settings: Settings) -> None:
    settings.SEGMENTS_PER_SECOND = {"sms": 10.0, "ovh": 30.0}
    assert isinstance(pacer_for(provider="smtp", channel="EMAIL"), Unpaced)
    by_channel, by_name = (pacer_for(provider=name, channel="SMS") for name in ("twilio", "ovh"))
    assert isinstance(by_channel, SharedPacer)
    assert isinstance(by_name, SharedPacer)
    assert (by_channel.contract, by_name.contract) == (10, 30)


def test_a_dispatcher_keeps_to_the_contract(operator: FakeGateway, settings: Settings) -> None:
    settings.SEGMENTS_PER_SECOND = {"sms": 40.0}
    sent_at: list[float] = []

    def note(message: OutgoingMessage) -> SendResult:
        sent_at.append(time.monotonic())
        return accept(message)

    operator.script = note
    make_wave(size=40)  # two segments each
    at_full_rate(40)
    assert dispatch_due(channel="SMS", worker="test", deadline_seconds=30).sent == 40
    late = 0.1  # this machine may be busy: the ledger of the operator judges more finely (benchmarks)
    assert max(sum(2 for at in sent_at if begun <= at < begun + 1 - late) for begun in sent_at) <= 40
    assert sent_at[-1] - sent_at[0] >= 39 * 2 / 40


def test_a_throttled_message_slows_everything(operator: FakeGateway, settings: Settings) -> None:
    settings.SEGMENTS_PER_SECOND = {"sms": 100.0}
    operator.script = lambda message: SendResult(SendOutcome.RETRY, error_code="20429", retry_after=30)
    make_wave(size=2)
    at_full_rate(100)
    report = dispatch_due(channel="SMS", worker="test", deadline_seconds=1)
    assert report.retried == 2
    pace = ProviderPace.objects.get()
    assert pace.rate == 50
    assert pace.held_until > time.time() + 25


def test_nothing_claimed_is_kept_when_the_contract_does_not_allow_it(operator: FakeGateway, settings: Settings) -> None:
    settings.SEGMENTS_PER_SECOND = {"sms": 10.0}
    make_wave(size=20)
    at_full_rate(10)
    SharedPacer("fake", 10).slow_down(60)
    report = dispatch_due(channel="SMS", worker="test", deadline_seconds=0.5)
    assert report.attempts == 0
    assert set(Touch.objects.values_list("status", "attempt_count")) == {("PREVU", 0)}


def test_a_sending_ends_when_its_worker_is_asked_to(operator: FakeGateway) -> None:
    make_wave(size=200)
    report = dispatch_due(
        channel="SMS", worker="test", deadline_seconds=60, is_stopping=lambda: len(operator.sent) >= 32
    )
    assert 32 <= report.sent < 200
    assert Touch.objects.filter(status="PREVU", attempt_count=0).count() == 200 - report.sent


class Together(FakeGateway):
    """Says which messages it was given at once; sends none of those numbered as if their connection had to open."""

    closed: Sequence[int] = ()

    def send_together(self, messages: Sequence[OutgoingMessage]) -> Iterator[tuple[OutgoingMessage, SendResult | None]]:
        self.groups = [*getattr(self, "groups", []), len(messages)]
        for message in messages:
            yield message, None if message.attempt_uuid.int in self.closed else self.send(message)


def test_messages_of_one_instant_leave_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_room, "LATEST", 5)
    gateway = Together()
    gateway.closed = [1]
    wire = Wire(4, lambda one, message: one.send(message), lambda one, messages: one.send_together(messages))
    messages = [OutgoingMessage(UUID(int=place), "+33639980001", "Bonjour") for place in range(6)]
    now = time.monotonic()
    wire.leave_all(gateway, messages, [now, now, now, now + 0.3, now + 0.6, now + 0.6])
    arrived = wire.collect(patience=5, gather=2)
    wire.close()
    assert sorted(gateway.groups) == [2, 3]
    assert {one.attempt_uuid for one in arrived} == {message.attempt_uuid for message in messages}
    assert len(gateway.sent) == len(arrived) == 6


def test_what_missed_its_instant_does_not_leave() -> None:
    gateway = FakeGateway()
    wire = Wire(2, lambda operator, message: operator.send(message))
    message = OutgoingMessage(attempt_uuid=UUID(int=1), destination="+33639980001", body="Bonjour")
    wire.leave(gateway, message, time.monotonic() - 1)
    [late] = wire.collect(patience=5, gather=0)
    assert (late.result, gateway.sent) == (None, [])
    wire.leave(gateway, message, 0)
    [arrived] = wire.collect(patience=5, gather=0)
    assert arrived.result
    assert arrived.result.outcome is SendOutcome.ACCEPTED
    wire.close()
