from collections.abc import Iterator

import pytest

from campaigns.enums import FactState
from campaigns.models import ContactFact
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import DispatchReport, dispatch_due
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch
from tests.outreach.waves import make_wave

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    with use_gateway("SMS", gateway):
        yield gateway


def send() -> DispatchReport:
    return dispatch_due(channel="SMS", worker="test", deadline_seconds=30)


def test_what_is_due_leaves_once(operator: FakeGateway) -> None:
    make_wave(size=70)
    assert send().sent == 70
    assert send().sent == 0
    assert len({m.destination for m in operator.sent}) == len(operator.sent) == 70
    assert set(Touch.objects.values_list("status", flat=True)) == {TouchStatus.SUBMITTED}
    assert set(ContactFact.objects.values_list("state", flat=True)) == {FactState.SUBMITTED}
    assert set(Attempt.objects.values_list("status", "number")) == {(AttemptStatus.SUBMITTED, 1)}
