from datetime import timedelta

import pytest

from campaigns.enums import FactState
from campaigns.models import Allocataire, ContactFact
from outreach.channels.fake import FakeGateway
from outreach.channels.opt_out import opt_out_url
from outreach.channels.ports import OutgoingMessage, SendOutcome, SendResult
from outreach.dispatch import DispatchReport, dispatch_due
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch
from outreach.reconciliation import reconcile_unconfirmed
from tests.factories import step_values
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


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


WITH_LINK = [step_values(body="Caf : votre dossier attend. Ne plus recevoir : {{ lien_opposition }}")]


def test_the_opt_out_link_is_that_of_the_attempt(operator: FakeGateway) -> None:
    make_wave(size=3, steps=WITH_LINK)
    assert send().sent == 3
    assert {m.attempt_uuid for m in operator.sent} == set(Attempt.objects.values_list("uuid", flat=True))
    assert all(m.body.endswith(f": {opt_out_url(m.attempt_uuid)}") for m in operator.sent)


def test_a_message_with_its_link_is_found_again(operator: FakeGateway) -> None:
    def lost(message: OutgoingMessage) -> SendResult:
        return SendResult(SendOutcome.UNKNOWN, provider_ref=f"FA{message.attempt_uuid.hex}", error_code="reset")

    operator.script = lost
    make_wave(size=2, steps=WITH_LINK)
    Allocataire.objects.update(updated_at=MORNING)  # her data has not changed since
    assert send().unconfirmed == 2
    assert reconcile_unconfirmed(now=MORNING + timedelta(minutes=3)) == 2
    for attempt in Attempt.objects.all():
        assert (attempt.status, attempt.provider_ref) == (AttemptStatus.SUBMITTED, f"FA{attempt.uuid.hex}")
