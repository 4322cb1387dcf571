import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from psycopg.errors import DeadlockDetected
from pytest_django import Settings

from campaigns.enums import FactState, OppositionSource
from campaigns.models import ContactFact, Opposition
from campaigns.oppositions import hash_destination
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import EventKind, ReplyClass, Suppression, TouchStatus
from outreach.models import ProviderEvent, Reply, Touch
from outreach.receipts import store_event
from outreach.refusals import refuse_contact
from outreach.replies import ReplyOfNobody, handle_reply, opt_out, receive_replies
from tests.factories import give_rules, make_allocataire, make_user
from tests.outreach.sent import NOW, add_attempt, make_sent
from tests.outreach.waves import make_wave

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def journal(settings: Settings, tmp_path: Path) -> Path:
    settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"
    return settings.OPPOSITION_JOURNAL


def hear(sender: str, body: str, reference: str = "SMin1", **payload: Any) -> ProviderEvent:
    stored = store_event(
        provider="twilio",
        kind=EventKind.INBOUND,
        payload={"From": sender, "Body": body, **payload},
        provider_ref=reference,
        now=NOW,
    )
    return ProviderEvent.objects.get(pk=stored)


def test_stop_opposes_and_takes_away_what_was_planned(journal: Path) -> None:
    attempt = make_sent()
    person = attempt.touch.allocataire
    pending = Touch.objects.get(audience=make_wave(people=[person]))
    hear(person.mobile, "stop svp")
    assert receive_replies(now=NOW) == 1

    opposition = Opposition.objects.get()
    assert (opposition.allocataire_id, opposition.channel) == (person.pk, "")
    assert opposition.source == OppositionSource.SMS_STOP
    assert opposition.destination_hash == hash_destination(person.mobile)
    pending.refresh_from_db()
    assert (pending.status, pending.reason) == (TouchStatus.SUPPRESSED, Suppression.OPPOSED)
    assert ContactFact.objects.get(touch_ref=pending.pk).state == FactState.RELEASED
    assert ContactFact.objects.get(touch_ref=attempt.touch_id).state == FactState.ANSWERED

    reply = Reply.objects.get()
    assert (reply.kind, reply.allocataire_id, reply.touch_id) == (ReplyClass.STOP, person.pk, attempt.touch_id)
    assert reply.handled_at == NOW
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["source"] for line in lines] == [OppositionSource.SMS_STOP]
    assert person.mobile not in journal.read_text()


def test_a_claimed_contact_is_taken_from_its_worker() -> None:
    person = make_allocataire()
    touch = Touch.objects.get(audience=make_wave(people=[person]))
    Touch.objects.filter(pk=touch.pk).update(status=TouchStatus.CLAIMED, claimed_by="w", attempt_count=1)
    hear(person.mobile, "STOP")
    receive_replies(now=NOW)
    touch.refresh_from_db()
    assert (touch.status, touch.claimed_by, touch.attempt_count) == (TouchStatus.SUPPRESSED, "", 0)


def test_a_contact_on_its_way_stays_what_it_is() -> None:
    attempt = make_sent(status="ENVOI")
    hear(attempt.touch.destination, "STOP")
    receive_replies(now=NOW)
    attempt.touch.refresh_from_db()
    assert attempt.touch.status == TouchStatus.SENDING


def test_everybody_who_shares_the_mobile_is_left_alone() -> None:
    first = make_allocataire()
    second = make_allocataire(mobile=first.mobile)
    Touch.objects.get(audience=make_wave(people=[second]))
    hear(first.mobile, "Arrêtez")
    receive_replies(now=NOW)
    assert set(Opposition.objects.values_list("allocataire_id", flat=True)) == {first.pk, second.pk}
    assert Touch.objects.get().status == TouchStatus.SUPPRESSED
    assert Reply.objects.get().allocataire_id is None


def test_a_number_that_the_person_has_left_is_refused_as_such() -> None:
    hear("+33699999999", "STOP")
    receive_replies(now=NOW)
    opposition = Opposition.objects.get()
    assert opposition.allocataire is None
    assert opposition.destination_hash == hash_destination("+33699999999")


def test_the_same_message_twice_is_one_reply() -> None:
    attempt = make_sent()
    hear(attempt.touch.destination, "Merci")
    hear(attempt.touch.destination, "Merci")
    assert receive_replies(now=NOW) == 2
    assert Reply.objects.count() == 1
    assert receive_replies(now=NOW) == 0


@pytest.mark.parametrize(("body", "kind"), [("Merci", ReplyClass.ORDINARY), ("non merci", ReplyClass.AMBIGUOUS)])
def test_other_replies_wait_for_a_person(body: str, kind: ReplyClass) -> None:
    attempt = make_sent()
    hear(attempt.touch.destination, body)
    receive_replies(now=NOW)
    reply = Reply.objects.get()
    assert (reply.kind, reply.handled_at, reply.body) == (kind, None, body)
    assert not Opposition.objects.exists()
    answered_at = ContactFact.objects.get().answered_at
    assert answered_at == (NOW if kind == ReplyClass.ORDINARY else None)
    handle_reply(reply=reply, by=make_user(), now=NOW + timedelta(hours=1))
    assert ContactFact.objects.get().answered_at == NOW


def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(django_assert_max_num_queries: Any) -> None:
    wave = make_wave(size=30)
    for number, touch in enumerate(Touch.objects.filter(audience=wave)):
        add_attempt(touch, provider_ref=f"SM{number}")
        hear(touch.destination, ("STOP", "Merci", "non merci")[number % 3], reference=f"IN{number}")
    with django_assert_max_num_queries(30):
        assert receive_replies(now=NOW) == 30
    assert Opposition.objects.count() == 10
    assert set(Reply.objects.values_list("kind", flat=True)) == set(ReplyClass.values)


def test_a_message_that_cannot_be_read_does_not_hold_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from outreach import replies

    first, second = make_sent(provider_ref="A"), make_sent(provider_ref="B")
    poison = hear(first.touch.destination, "poison", "SMp")
    hear(second.touch.destination, "STOP", "SMs")

    def classify(body: str) -> ReplyClass:
        if body == "poison":
            raise RuntimeError
        return ReplyClass.STOP

    monkeypatch.setattr(replies, "classify", classify)
    receive_replies(now=NOW)
    poison.refresh_from_db()
    assert poison.applied_at
    assert "pas pu être lu" in poison.problem
    assert Reply.objects.get(body="poison").kind == ReplyClass.AMBIGUOUS
    assert Opposition.objects.get().allocataire_id == second.touch.allocataire_id


def test_an_agent_reads_a_refusal() -> None:
    attempt = make_sent()
    pending = Touch.objects.get(audience=make_wave(people=[attempt.touch.allocataire]))
    hear(attempt.touch.destination, "non merci")
    receive_replies(now=NOW)
    agent, later = make_user(), NOW + timedelta(hours=1)
    handle_reply(reply=Reply.objects.get(), by=agent, now=later, note="C’est un refus", is_opposition=True)
    reply = Reply.objects.get()
    assert (reply.handled_at, reply.handled_by, reply.note) == (later, agent, "C’est un refus")
    opposition = Opposition.objects.get()
    assert (opposition.source, opposition.recorded_by) == (OppositionSource.AGENT, agent)
    pending.refresh_from_db()
    assert pending.status == TouchStatus.SUPPRESSED


def test_what_may_be_a_refusal_holds_the_person_until_it_is_read() -> None:
    attempt = make_sent()
    make_wave(people=[attempt.touch.allocataire])
    give_rules(is_exempt_from_cap=True)
    hear(attempt.touch.destination, "non merci")
    receive_replies(now=NOW)
    with use_gateway("SMS", FakeGateway()) as gateway:
        dispatch_due(channel="SMS", worker="test", deadline_seconds=20)
        assert not gateway.sent  # type: ignore[attr-defined]
        handle_reply(reply=Reply.objects.get(), by=make_user(), now=NOW, note="Elle remercie")
        dispatch_due(channel="SMS", worker="test", deadline_seconds=20)
        assert len(gateway.sent) == 1  # type: ignore[attr-defined]


def test_a_refusal_read_on_a_shared_mobile_is_that_of_all_its_holders() -> None:
    first, second = make_allocataire(mobile="+33600000009"), make_allocataire(mobile="+33600000009")
    hear("+33600000009", "non merci")
    receive_replies(now=NOW)
    handle_reply(reply=Reply.objects.get(), by=make_user(), now=NOW, is_opposition=True)
    assert set(Opposition.objects.values_list("allocataire_id", flat=True)) == {first.pk, second.pk}


def test_a_reply_of_nobody_cannot_be_a_refusal() -> None:
    hear("+33600000009", "non merci")
    receive_replies(now=NOW)
    ProviderEvent.objects.all().delete()  # retention
    with pytest.raises(ReplyOfNobody, match="sans opposition"):
        handle_reply(reply=Reply.objects.get(), by=make_user(), now=NOW, is_opposition=True)
    assert Reply.objects.get().handled_at is None


def test_an_agent_reads_an_ordinary_reply() -> None:
    attempt = make_sent()
    hear(attempt.touch.destination, "Merci")
    receive_replies(now=NOW)
    handle_reply(reply=Reply.objects.get(), by=make_user(), now=NOW)
    assert Reply.objects.get().handled_at == NOW
    assert not Opposition.objects.exists()


def test_a_message_waits_while_the_database_is_in_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    from outreach import replies

    event = hear(make_sent().touch.destination, "STOP")
    with monkeypatch.context() as broken:
        broken.setattr(replies, "refuse_contacts", _deadlock)
        with pytest.raises(OperationalError):
            receive_replies(now=NOW)
    event.refresh_from_db()
    assert event.applied_at is None
    assert receive_replies(now=NOW) == 1
    assert Opposition.objects.exists()


def test_a_refusal_by_link_is_recorded_in_spite_of_deadlocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from outreach import replies

    attempt, tries = make_sent(), []

    def refuse(**values: Any) -> int:
        tries.append(values)
        if len(tries) < 3:
            raise OperationalError from DeadlockDetected()
        return refuse_contact(**values)

    monkeypatch.setattr(replies, "refuse_contact", refuse)
    assert opt_out(attempt_uuid=attempt.uuid, is_one_click=False, now=NOW)
    assert (len(tries), Opposition.objects.count()) == (3, 1)


def _deadlock(**_: Any) -> int:
    raise OperationalError
