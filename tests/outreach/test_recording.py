"""What an answer may change of a contact that was tried several times, or of which more is known already."""

import pytest

from campaigns.enums import FactState
from campaigns.models import ContactFact
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch
from outreach.recording import Answer, record_answers
from tests.outreach.sent import NOW, add_attempt, make_sent

pytestmark = pytest.mark.django_db


def answer(attempt: Attempt, status: AttemptStatus, code: str = "") -> tuple[str, str]:
    """State of the contact and of its fact once it is written down."""
    record_answers(answers=[Answer(attempt.uuid, status, "", code, 1)], now=NOW)
    touch = Touch.objects.get(pk=attempt.touch_id)
    return touch.status, ContactFact.objects.get(touch_ref=touch.pk).state


def test_who_may_have_received_an_earlier_try_counts_after_a_refusal() -> None:
    doubt = make_sent(status=AttemptStatus.UNCONFIRMED, provider_ref="")
    again = add_attempt(doubt.touch, status=AttemptStatus.SENDING, provider_ref="")
    ContactFact.objects.update(state=FactState.UNCONFIRMED)
    assert answer(again, AttemptStatus.FAILED, "21612") == (TouchStatus.FAILED, FactState.UNCONFIRMED)


def test_the_answer_of_an_earlier_try_does_not_decide_of_the_last() -> None:
    first = make_sent(status=AttemptStatus.UNCONFIRMED, provider_ref="")
    add_attempt(first.touch, status=AttemptStatus.UNCONFIRMED, provider_ref="")
    assert answer(first, AttemptStatus.FAILED, "21612") == (TouchStatus.UNCONFIRMED, FactState.UNCONFIRMED)


def test_an_answer_that_says_less_than_a_receipt_moves_nothing() -> None:
    attempt = make_sent(status=AttemptStatus.DELIVERED)
    Touch.objects.update(status=TouchStatus.UNCONFIRMED)
    assert answer(attempt, AttemptStatus.SUBMITTED)[0] == TouchStatus.UNCONFIRMED
    assert Attempt.objects.get().status == AttemptStatus.DELIVERED
