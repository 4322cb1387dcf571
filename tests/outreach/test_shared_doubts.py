"""Two doubts on one mobile: an operator's message is never given to an attempt when it may be another's."""

from uuid import UUID

import pytest

from outreach.channels.fake import FakeGateway
from outreach.channels.ports import LookUpResult, OutgoingMessage
from outreach.enums import AttemptStatus, EventKind, TouchStatus
from outreach.models import Attempt, ProviderEvent, Touch
from outreach.receipts import apply_receipts
from outreach.reconciliation import reconcile_unconfirmed
from tests.factories import make_allocataires, step_values
from tests.outreach.test_reconciliation import lost, minutes, send_at
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


def two_doubts_on_one_mobile(operator: FakeGateway) -> None:
    """The same text twice to the same person: the operator's list tells a message, not whose it is."""
    make_wave(people=make_allocataires(1), steps=[step_values(), step_values(position=2)])
    operator.script = lost
    send_at(MORNING)
    assert len(operator.ledger) == 2


def statuses() -> list[str]:
    return sorted(Touch.objects.values_list("status", flat=True))


def test_as_many_messages_as_doubts_are_theirs(operator: FakeGateway) -> None:
    two_doubts_on_one_mobile(operator)
    assert reconcile_unconfirmed(now=minutes(2)) == 2
    assert statuses() == [TouchStatus.SUBMITTED] * 2
    assert {*Attempt.objects.values_list("provider_ref", flat=True)} == {ref for ref, _ in operator.ledger}


def test_one_message_for_two_doubts_is_nobodys_until_its_receipt(operator: FakeGateway) -> None:
    two_doubts_on_one_mobile(operator)
    _, left = operator.ledger.pop()
    operator.ledger[0] = (f"FA{left.attempt_uuid.hex}", left)  # that of the second one, first to be looked up
    for minute in (2, 5, 20, 60, 130):
        assert reconcile_unconfirmed(now=minutes(minute)) == 0, "whose message it is was guessed"
    assert not Attempt.objects.exclude(lookup_count=0).exists(), "held for absent: it could be sent again"
    receipt_of(left.attempt_uuid)
    reconcile_unconfirmed(now=minutes(200))
    [other] = Attempt.objects.exclude(uuid=left.attempt_uuid)
    assert (other.status, other.lookup_count) == (AttemptStatus.UNCONFIRMED, 1)


def receipt_of(attempt_uuid: UUID) -> None:
    ProviderEvent.objects.create(
        provider="fake", kind=EventKind.STATUS, attempt_uuid=attempt_uuid, provider_ref=f"FA{attempt_uuid.hex}",
        status="delivered", payload={}, received_at=MORNING,
    )  # fmt: skip
    assert apply_receipts(now=MORNING) == 1


def test_a_message_that_is_being_sent_is_not_taken_for_an_earlier_one(operator: FakeGateway) -> None:
    """Its answer is not written down yet: it would then find its reference taken."""
    two_doubts_on_one_mobile(operator)
    operator.ledger.pop(0)
    last = Attempt.objects.get(uuid=operator.ledger[0][1].attempt_uuid)
    Attempt.objects.filter(pk=last.pk).update(status=AttemptStatus.SENDING)
    Touch.objects.filter(pk=last.touch_id).update(status=TouchStatus.SENDING)
    assert reconcile_unconfirmed(now=minutes(2)) == 0
    assert TouchStatus.UNCONFIRMED in statuses()


def test_an_old_doubt_does_not_keep_a_later_one_from_its_message(operator: FakeGateway) -> None:
    """What was made after the later one began was not made by the older, closed by a superviseur for instance."""
    two_doubts_on_one_mobile(operator)
    (_, first), (_, second) = operator.ledger
    Attempt.objects.filter(uuid=first.attempt_uuid).update(intent_at=minutes(-6))
    operator.ledger.pop(0)
    assert reconcile_unconfirmed(now=minutes(2)) == 1
    assert Attempt.objects.get(uuid=second.attempt_uuid).status == AttemptStatus.SUBMITTED


def test_a_rival_that_cannot_be_asked_may_have_sent_it(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    two_doubts_on_one_mobile(operator)
    (_, first), _ = operator.ledger
    operator.ledger.pop()
    make_wave(people=make_allocataires(1))
    send_at(MORNING)
    look_up = operator.look_up

    def look_up_one(message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        is_asked = message.attempt_uuid == first.attempt_uuid or message.destination != first.destination
        return look_up(message, max_age_seconds=max_age_seconds) if is_asked else LookUpResult(is_answered=False)

    monkeypatch.setattr(operator, "look_up", look_up_one)
    assert reconcile_unconfirmed(now=minutes(2)) == 1
    assert Attempt.objects.get(status=AttemptStatus.SUBMITTED).touch.destination != first.destination


def test_two_texts_on_one_mobile_are_two_messages(operator: FakeGateway) -> None:
    make_wave(people=make_allocataires(1), steps=[step_values(), step_values(position=2, body="Caf : un autre texte.")])
    operator.script = lost
    send_at(MORNING)
    operator.ledger.pop()
    assert reconcile_unconfirmed(now=minutes(2)) == 1
    assert set(statuses()) == {TouchStatus.SUBMITTED, TouchStatus.UNCONFIRMED}
