import random
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from campaigns.enums import BadDestinationReason, CampaignStatus, Channel, FactState, OppositionSource
from campaigns.models import BadDestination, Campaign, CampaignMove, ContactFact, Opposition
from outreach.channels.ports import SendOutcome, SendResult
from outreach.enums import AttemptStatus, EventKind, Suppression, TouchStatus
from outreach.models import Attempt, ProviderEvent, Touch
from outreach.receipts import apply_receipts, store_event
from outreach.recording import Answer, record_answers
from outreach.rules.delivery import LATE_TRY_DELAY
from tests.outreach.sent import NOW, add_attempt, make_sent
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


def hear(attempt: Attempt | None, status: str, code: str = "", **values: Any) -> ProviderEvent:
    fields = {
        "provider": "twilio",
        "kind": EventKind.STATUS,
        "payload": {},
        "provider_ref": "SM1",
        "status": status,
        "error_code": code,
        "attempt_uuid": attempt.uuid if attempt else None,
        "now": NOW,
        **values,
    }
    return ProviderEvent.objects.get(pk=store_event(**fields))


def states_of(attempt: Attempt) -> tuple[str, str, str]:
    attempt.refresh_from_db()
    attempt.touch.refresh_from_db()
    fact = ContactFact.objects.get(touch_ref=attempt.touch_id)
    return attempt.status, attempt.touch.status, fact.state


@pytest.mark.parametrize(
    ("word", "code", "expected"),
    [
        ("queued", "", (AttemptStatus.SUBMITTED, TouchStatus.SUBMITTED, FactState.SUBMITTED)),
        ("sent", "", (AttemptStatus.SENT, TouchStatus.SENT, FactState.SUBMITTED)),
        ("delivered", "", (AttemptStatus.DELIVERED, TouchStatus.DELIVERED, FactState.DELIVERED)),
        ("undelivered", "30005", (AttemptStatus.UNDELIVERED, TouchStatus.UNDELIVERED, FactState.RELEASED)),
        ("undelivered", "30036", (AttemptStatus.EXPIRED, TouchStatus.EXPIRED, FactState.RELEASED)),
        ("failed", "30008", (AttemptStatus.FAILED, TouchStatus.FAILED, FactState.RELEASED)),
    ],
)
def test_a_receipt_moves_attempt_touch_and_fact(word: str, code: str, expected: tuple[str, str, str]) -> None:
    attempt = make_sent()
    event = hear(attempt, word, code)
    assert apply_receipts(now=NOW) == 1
    assert states_of(attempt) == expected
    assert attempt.error_code == code
    event.refresh_from_db()
    assert (event.applied_at, event.problem) == (NOW, "")
    assert apply_receipts(now=NOW) == 0


def test_any_order_any_number_one_state() -> None:
    words = ["queued", "sent", "delivered", "sent", "queued", "delivered", "undelivered"]
    attempts = [make_sent(provider_ref=f"SM{n}") for n in range(6)]
    for seed, attempt in enumerate(attempts):
        shuffled = random.Random(seed).sample(words, len(words))
        for word in shuffled:
            hear(attempt, word, "30008" if word == "undelivered" else "", provider_ref=f"SM{seed}")
            if seed % 2:
                apply_receipts(now=NOW)
    apply_receipts(now=NOW)
    final = (AttemptStatus.DELIVERED, TouchStatus.DELIVERED, FactState.DELIVERED)
    assert {states_of(attempt) for attempt in attempts} == {final}
    assert {attempt.error_code for attempt in attempts} == {""}


def test_an_early_receipt_is_not_undone_by_the_answer() -> None:
    attempt = make_sent(status=AttemptStatus.SENDING, provider_ref="")
    hear(attempt, "delivered")
    apply_receipts(now=NOW)
    assert states_of(attempt) == (AttemptStatus.DELIVERED, TouchStatus.DELIVERED, FactState.DELIVERED)
    assert attempt.provider_ref == "SM1"
    accepted = SendResult(SendOutcome.ACCEPTED, provider_ref="SM1", segments=1)
    record_answers(answers=[Answer.to_sending(attempt.uuid, accepted)], now=NOW)
    assert states_of(attempt) == (AttemptStatus.DELIVERED, TouchStatus.DELIVERED, FactState.DELIVERED)
    assert attempt.segments == 1


def test_a_receipt_resolves_a_doubt() -> None:
    attempt = make_sent(status=AttemptStatus.UNCONFIRMED, provider_ref="")
    hear(attempt, "sent")
    apply_receipts(now=NOW)
    assert states_of(attempt) == (AttemptStatus.SENT, TouchStatus.SENT, FactState.SUBMITTED)
    assert attempt.submitted_at == NOW


def test_without_our_identifier_the_reference_serves() -> None:
    attempt = make_sent(provider_ref="SM7")
    hear(None, "delivered", provider_ref="SM7")
    apply_receipts(now=NOW)
    assert states_of(attempt)[0] == AttemptStatus.DELIVERED


def test_receipts_of_nobody_and_unknown_words_are_kept_and_said() -> None:
    attempt = make_sent()
    lost = hear(None, "delivered", provider_ref="SM404", attempt_uuid=uuid4())
    strange = hear(attempt, "teleported")
    unknown_code = hear(attempt, "undelivered", "98765")
    assert apply_receipts(now=NOW) == 3
    for event, word in ((lost, "Aucun contact"), (strange, "État inconnu"), (unknown_code, "Code d’erreur inconnu")):
        event.refresh_from_db()
        assert event.applied_at
        assert word in event.problem
    assert states_of(attempt)[0] == AttemptStatus.UNDELIVERED


def test_a_second_message_for_one_attempt_is_said() -> None:
    attempt = make_sent(provider_ref="SM1")
    event = hear(attempt, "delivered", provider_ref="SM2")
    apply_receipts(now=NOW)
    event.refresh_from_db()
    assert "double" in event.problem
    assert states_of(attempt)[0] == AttemptStatus.DELIVERED
    assert attempt.provider_ref == "SM1"


def test_a_reference_that_another_attempt_holds_breaks_nothing() -> None:
    holder = make_sent(provider_ref="SM1")
    other = make_sent(provider_ref="")
    hear(other, "delivered", provider_ref="SM1")
    assert apply_receipts(now=NOW) == 1
    assert states_of(other)[0] == AttemptStatus.DELIVERED
    assert other.provider_ref == ""
    assert states_of(holder)[0] == AttemptStatus.SUBMITTED


def test_a_silent_handset_is_tried_once_more_later() -> None:
    attempt = make_sent()
    hear(attempt, "undelivered", "30003")
    apply_receipts(now=NOW)
    assert states_of(attempt) == (AttemptStatus.UNDELIVERED, TouchStatus.PLANNED, FactState.RESERVED)
    assert attempt.touch.due_at == NOW + LATE_TRY_DELAY
    hear(attempt, "undelivered", "30003")
    apply_receipts(now=NOW)
    assert states_of(attempt)[1] == TouchStatus.PLANNED

    second = add_attempt(attempt.touch, provider_ref="SM2")
    hear(second, "undelivered", "30003", provider_ref="SM2")
    apply_receipts(now=NOW)
    assert states_of(second) == (AttemptStatus.UNDELIVERED, TouchStatus.UNDELIVERED, FactState.RELEASED)


def test_who_may_have_received_an_earlier_try_counts_while_she_waits_for_a_later_one() -> None:
    """A doubt, sent again by a superviseur; the second handset was off."""
    doubt = make_sent(status=AttemptStatus.UNCONFIRMED, provider_ref="")
    again = add_attempt(doubt.touch, provider_ref="SM2")
    hear(again, "undelivered", "30003", provider_ref="SM2")
    apply_receipts(now=NOW)
    assert states_of(again) == (AttemptStatus.UNDELIVERED, TouchStatus.PLANNED, FactState.UNCONFIRMED)


def test_no_later_try_when_the_contact_expires_first() -> None:
    attempt = make_sent()
    Touch.objects.filter(pk=attempt.touch_id).update(expires_at=NOW + LATE_TRY_DELAY)
    hear(attempt, "undelivered", "30003")
    apply_receipts(now=NOW)
    assert states_of(attempt)[1] == TouchStatus.UNDELIVERED


def test_filtered_messages_pause_the_campaign_once() -> None:
    attempt = make_sent()
    hear(attempt, "undelivered", "30007")
    apply_receipts(now=NOW)
    campaign = Campaign.objects.get(pk=attempt.touch.campaign_id)
    assert campaign.status == CampaignStatus.PAUSED
    hear(attempt, "undelivered", "30007")
    apply_receipts(now=NOW)
    assert "30007" in CampaignMove.objects.get(campaign=campaign).reason


def test_what_was_filtered_before_the_campaign_was_resumed_does_not_pause_it_again() -> None:
    """A superviseur has looked at it; receipts of those messages go on coming for hours."""
    attempt = make_sent()
    campaign = Campaign.objects.get(pk=attempt.touch.campaign_id)
    CampaignMove.objects.create(campaign=campaign, move="RESUME", at=attempt.intent_at + timedelta(minutes=1))
    hear(attempt, "undelivered", "30007")
    apply_receipts(now=NOW)
    campaign.refresh_from_db()
    assert campaign.status == CampaignStatus.RUNNING


def test_unsubscribed_at_the_operator_is_an_opposition() -> None:
    attempt = make_sent()
    pending = Touch.objects.get(audience=make_wave(people=[attempt.touch.allocataire]))
    hear(attempt, "failed", "21610")
    apply_receipts(now=NOW)
    opposition = Opposition.objects.get()
    assert (opposition.source, opposition.channel) == (OppositionSource.OPERATOR, Channel.SMS)
    pending.refresh_from_db()
    assert (pending.status, pending.reason) == (TouchStatus.SUPPRESSED, Suppression.OPPOSED)
    assert states_of(attempt)[1] == TouchStatus.FAILED


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("30005", BadDestinationReason.UNKNOWN),
        ("30006", BadDestinationReason.NOT_A_MOBILE),
        ("30008", None),
        ("30003", None),
    ],
)
def test_a_number_that_reaches_nobody_is_to_be_corrected(code: str, reason: str | None) -> None:
    attempt = make_sent()
    hear(attempt, "undelivered", code)
    hear(attempt, "undelivered", code)
    apply_receipts(now=NOW)
    found = list(BadDestination.objects.values_list("allocataire", "destination_hash", "channel", "reason"))
    touch = attempt.touch
    assert found == ([(touch.allocataire_id, touch.destination_hash, "SMS", reason)] if reason else [])


def test_a_contact_closed_by_hand_is_not_reopened() -> None:
    attempt = make_sent(status=AttemptStatus.UNCONFIRMED)
    Touch.objects.filter(pk=attempt.touch_id).update(status=TouchStatus.EXPIRED)
    hear(attempt, "sent")
    apply_receipts(now=NOW)
    assert states_of(attempt)[1] == TouchStatus.EXPIRED


def test_who_answered_has_answered() -> None:
    attempt = make_sent(status=AttemptStatus.SENT)
    ContactFact.objects.filter(touch_ref=attempt.touch_id).update(state=FactState.ANSWERED)
    hear(attempt, "delivered")
    apply_receipts(now=NOW)
    assert states_of(attempt) == (AttemptStatus.DELIVERED, TouchStatus.DELIVERED, FactState.ANSWERED)


def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(django_assert_max_num_queries: Any) -> None:
    wave = make_wave(size=30)
    for number, touch in enumerate(Touch.objects.filter(audience=wave)):
        attempt = add_attempt(touch, provider_ref=f"SM{number}")
        hear(attempt, "delivered", provider_ref=f"SM{number}")
    with django_assert_max_num_queries(21):
        assert apply_receipts(now=NOW) == 30
    assert set(Touch.objects.values_list("status", flat=True)) == {TouchStatus.DELIVERED}


def test_the_limit_holds() -> None:
    attempt = make_sent()
    for _ in range(3):
        hear(attempt, "sent")
    assert apply_receipts(now=NOW, limit=2) == 2
    assert ProviderEvent.objects.unapplied().count() == 1


@pytest.mark.parametrize(
    ("ended", "word", "fact"),
    [
        (TouchStatus.EXPIRED, "undelivered", FactState.RELEASED),
        (TouchStatus.SUPPRESSED, "failed", FactState.RELEASED),
        (TouchStatus.EXPIRED, "sent", FactState.UNCONFIRMED),
    ],
)
def test_a_doubt_that_was_closed_counts_in_the_cap_until_its_receipt_says_it_did_not_arrive(
    ended: TouchStatus, word: str, fact: FactState
) -> None:
    attempt = make_sent(status=AttemptStatus.UNCONFIRMED)
    Touch.objects.update(status=ended, status_at=MORNING)  # as a superviseur closes it: its fact stays
    ContactFact.objects.update(state=FactState.UNCONFIRMED)
    hear(attempt, word)
    apply_receipts(now=NOW)
    assert ContactFact.objects.get().state == fact
    if word != "sent":
        assert (Touch.objects.get().status, Touch.objects.get().status_at) == (ended, MORNING)
