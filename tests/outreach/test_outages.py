"""An operator that nobody can reach is left alone, longer and longer: contacts wait without being tried one by one."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from campaigns.models import set_clock
from outreach.channels.fake import FakeGateway, accept
from outreach.channels.ports import GIVEN_BACK, OutgoingMessage, SendOutcome, SendResult
from outreach.channels.registry import use_gateway
from outreach.dispatch import UNWRITTEN, DispatchReport, dispatch_due
from outreach.enums import TouchStatus
from outreach.models import Attempt, Outage, Touch
from outreach.pending import read_pending
from outreach.reconciliation import reconcile_unconfirmed
from outreach.rules.outages import is_out_of_reach
from outreach.rules.pending import late_steps
from tests.factories import give_rules
from tests.outreach.waves import MORNING, make_wave


def unreachable(_: OutgoingMessage) -> SendResult:
    return SendResult(SendOutcome.RETRY, error_code="NewConnectionError", is_alert=True)


def send_at(seconds: float) -> DispatchReport:
    set_clock(MORNING + timedelta(seconds=seconds))
    return dispatch_due(channel="SMS", worker="test", deadline_seconds=30)


@pytest.fixture
def operator() -> Iterator[FakeGateway]:
    gateway = FakeGateway(script=unreachable, is_reachable=False)
    with use_gateway("SMS", gateway):
        yield gateway


@pytest.mark.parametrize(
    ("outcome", "code", "expected"),
    [
        (SendOutcome.RETRY, "NewConnectionError", True),
        (SendOutcome.RETRY, "ClockUnknown", True),
        (SendOutcome.RETRY, "SMTPServerDisconnected", True),
        (SendOutcome.RETRY, "20429", False),
        (SendOutcome.RETRY, "HTTP 429", False),
        (SendOutcome.RETRY, "SMTP 421", False),
        (SendOutcome.RETRY, "4.2.1", False),
        (SendOutcome.UNKNOWN, "ConnectionResetError", False),
        (SendOutcome.ACCEPTED, "", False),
        (GIVEN_BACK.outcome, GIVEN_BACK.error_code, None),
        (UNWRITTEN.outcome, UNWRITTEN.error_code, None),
    ],
)
def test_what_says_that_nobody_can_be_reached(outcome: SendOutcome, code: str, expected: bool | None) -> None:
    assert is_out_of_reach(outcome, code) is expected


@pytest.mark.django_db
class TestOutage:
    def test_two_hours_without_an_operator_write_a_handful_of_tries(self, operator: FakeGateway) -> None:
        make_wave(size=100)
        asked: list[int] = []
        operator.is_ready = lambda: asked.append(1) or False  # type: ignore[method-assign,func-returns-value]
        for second in range(0, 7_200, 10):
            send_at(second)
        assert Attempt.objects.count() <= 32, "one batch at most, then it was asked without a message"
        assert len(asked) == 15, "after 30 s, 1, 2, 4, 8, then every 10 minutes"
        operator.script, operator.is_reachable = accept, True
        del operator.is_ready
        for second in range(7_200, 8_500, 10):
            send_at(second)
        assert set(Touch.objects.values_list("status", flat=True)) == {TouchStatus.SUBMITTED}
        assert len(operator.sent) == 100
        assert not Outage.objects.exists()

    def test_who_dies_asking_keeps_the_others_from_asking_at_once(
        self, operator: FakeGateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_wave(size=10)
        send_at(0)

        def die() -> bool:
            raise SystemExit

        monkeypatch.setattr(operator, "is_ready", die)
        with pytest.raises(SystemExit):
            send_at(31)
        assert send_at(32) == DispatchReport(stopped={"operator_down": 1})

    def test_one_contact_that_cannot_be_sent_holds_nothing(self, operator: FakeGateway) -> None:
        make_wave(size=60)
        lost = set(Touch.objects.order_by("pk").values_list("destination", flat=True)[::2])
        operator.script = lambda message: unreachable(message) if message.destination in lost else accept(message)
        send_at(0)
        assert not Outage.objects.exists()
        assert len(operator.sent) == 30

    def test_another_operator_takes_over_first(self) -> None:
        down, up = FakeGateway(script=unreachable, name="down", is_reachable=False), FakeGateway(name="up")
        make_wave(size=80)
        with use_gateway("SMS", down, up):
            for second in range(0, 400, 10):
                send_at(second)
        assert len(up.sent) == 80
        assert not Outage.objects.exists()

    def test_it_is_shown_with_what_waits(self, operator: FakeGateway) -> None:
        make_wave(size=10)
        send_at(0)
        late = late_steps(read_pending(now=MORNING + timedelta(minutes=3)))
        assert [row.step.code for row in late] == ["outage"]

    @pytest.mark.parametrize("first", [unreachable, lambda _: GIVEN_BACK])
    def test_what_did_not_leave_is_no_try_when_a_doubt_may_be_sent_again(
        self, operator: FakeGateway, first: object
    ) -> None:
        make_wave(size=1)
        give_rules(allows_resend=True)
        operator.script = first  # type: ignore[assignment]
        send_at(0)
        operator.script = lambda _: SendResult(SendOutcome.UNKNOWN, error_code="500")
        operator.is_reachable = True
        send_at(61)
        operator.script = accept
        for second in (200, 1_000, 1_100):
            reconcile_unconfirmed(now=MORNING + timedelta(seconds=second))
            send_at(second)
        assert len(operator.sent) == 1
        assert Attempt.objects.count() == 3
