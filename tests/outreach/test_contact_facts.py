"""What the cap counts: a person who may have received something goes on counting, whatever becomes of the next try."""

from datetime import timedelta

import pytest

from campaigns.enums import Channel, FactState, OppositionSource
from campaigns.models import Allocataire, ContactFact, set_clock
from campaigns.oppositions import record_opposition
from outreach.channels.fake import FakeGateway
from outreach.channels.ports import SendOutcome, SendResult
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import TouchStatus
from outreach.models import Touch
from outreach.reconciliation import resolve_touch
from outreach.rules.retry import Resolution
from tests.factories import make_user
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db
LATER = MORNING + timedelta(minutes=20)


def answer(outcome: SendOutcome, code: str) -> FakeGateway:
    return FakeGateway(script=lambda message: SendResult(outcome, error_code=code))


def send(gateway: FakeGateway) -> None:
    with use_gateway(Channel.SMS, gateway):
        dispatch_due(channel=Channel.SMS, worker="test", deadline_seconds=30)


@pytest.mark.parametrize("refuser", ["person", "operator"])
def test_who_may_have_received_a_first_try_goes_on_counting(refuser: str) -> None:
    make_wave(size=1)
    send(answer(SendOutcome.UNKNOWN, "reset"))
    resolve_touch(touch=Touch.objects.get(), decision=Resolution.RESEND, by=make_user(), now=LATER)
    if refuser == "person":
        someone = Allocataire.objects.get().pk
        record_opposition(allocataire_ids=[someone], channel="SMS", source=OppositionSource.AGENT, now=LATER)
    set_clock(LATER)
    send(answer(SendOutcome.REFUSED, "21612"))
    expected = {"person": TouchStatus.SUPPRESSED, "operator": TouchStatus.FAILED}[refuser]
    assert (Touch.objects.get().status, ContactFact.objects.get().state) == (expected, FactState.UNCONFIRMED)
