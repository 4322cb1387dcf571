"""Each stop condition, alone, keeps a message from leaving: before it is claimed, and between the claim and the intent.

``test_only_that_check_stops`` removes the check and sees the message leave: a check that is lost fails here.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from campaigns.enums import BadDestinationReason, CampaignStatus, Channel, FactState, OppositionSource, OutcomeStage
from campaigns.models import Allocataire, BadDestination, Campaign, ContactFact, Opposition, RegularisationKind, Step
from campaigns.oppositions import hash_destination
from outreach import dispatch, dispatch_sql
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import AttemptStatus, ReplyClass, Suppression, TouchStatus
from outreach.models import (
    Attempt,
    Canary,
    Fence,
    LostIntent,
    Pause,
    Regularisation,
    RegularisationImport,
    Reply,
    Touch,
)
from outreach.rules.stopping import CHECKS, Effect
from tests.factories import give_rules, make_allocataires, make_campaign, make_contact_fact, step_values
from tests.outreach.waves import MORNING, NIGHT, make_wave

pytestmark = pytest.mark.django_db


def send() -> dict[str, int]:
    return dispatch_due(channel="SMS", worker="test", deadline_seconds=30).stopped


def a_touch() -> Touch:
    return Touch.objects.order_by("pk").first() or pytest.fail("no touch")


def change(model: Any, **values: Any) -> None:
    assert model.objects.update(**values)


def earlier_attempt(**values: Any) -> None:
    values = {"number": 0, "provider": "fake", "status": AttemptStatus.SUBMITTED, "intent_at": MORNING, **values}
    Attempt.objects.create(touch=a_touch(), **values)


def leave_before_restore(**values: Any) -> None:
    touch = a_touch()
    values = {"step": touch.step, "destination_hash": touch.destination_hash, "at": MORNING, **values}
    LostIntent.objects.create(attempt_uuid=uuid4(), **values)


def oppose(**values: Any) -> None:
    values.setdefault("allocataire", a_touch().allocataire)
    Opposition.objects.create(source=OppositionSource.AGENT, recorded_at=MORNING, **values)


def oppose_destination(**values: Any) -> None:
    oppose(allocataire=None, destination_hash=a_touch().destination_hash, **values)


def expect(stage: str = OutcomeStage.FILED, max_age: int | None = None) -> RegularisationKind:
    """A kind of régularisation that the campaign's plan expects."""
    kind = RegularisationKind.objects.create(
        code=f"kind-{RegularisationKind.objects.count()}", label="Déclaration", stage=stage, feed_max_age_days=max_age
    )
    give_rules(expected_kinds=[*a_touch().campaign.expected_kinds, kind.code])
    return kind


def import_feed(kind: RegularisationKind, as_of: date) -> RegularisationImport:
    feed = RegularisationImport.objects.create(file_name="f.csv", as_of=as_of, imported_at=MORNING)
    feed.kinds.add(kind)
    return feed


def regularise(on: date = NIGHT, stage: str = OutcomeStage.FILED, max_age: int | None = None) -> None:
    kind = expect(stage, max_age)
    Regularisation.objects.create(
        allocataire=a_touch().allocataire, kind=kind, occurred_on=on, source=import_feed(kind, NIGHT)
    )


def contacted(*days_ago: int, **values: Any) -> None:
    """Contacts of other campaigns, made so many days ago."""
    values.setdefault("state", FactState.SUBMITTED)
    for days in days_ago:
        campaign = make_campaign(status=CampaignStatus.CLOSED)
        make_contact_fact(
            a_touch().allocataire,
            campaign,
            **{"touch_ref": 10**9 + campaign.pk, "at": MORNING - timedelta(days=days), **values},
        )


def bad(**values: Any) -> None:
    """The number was found to reach nobody."""
    values = {
        "allocataire": a_touch().allocataire, "destination_hash": a_touch().destination_hash, "since": MORNING,
        "reason": BadDestinationReason.UNKNOWN, **values,
    }  # fmt: skip
    BadDestination.objects.create(**values)


def answer(**values: Any) -> None:
    """A reply that may be a refusal and that nobody has read yet."""
    values = {
        "allocataire": a_touch().allocataire, "sender_hash": a_touch().destination_hash, "provider": "twilio",
        "provider_ref": "SMin", "kind": ReplyClass.AMBIGUOUS, "received_at": MORNING, **values,
    }  # fmt: skip
    Reply.objects.create(**values)


# check → situations in which nothing else stops the message
SITUATIONS: dict[str, list[Callable[[], Any]]] = {
    "already_sent": [
        earlier_attempt,
        lambda: earlier_attempt(status=AttemptStatus.SENDING),
        lambda: earlier_attempt(status=AttemptStatus.DELIVERED),
    ],
    "sent_before_restore": [lambda: leave_before_restore()],
    "fence_closed": [lambda: Fence.objects.update(closed_at=MORNING), lambda: Fence.objects.all().delete()],
    "paused": [
        lambda: Pause.objects.filter(scope="").update(is_paused=True),
        lambda: Pause.objects.filter(scope="SMS").update(is_paused=True),
        lambda: Pause.objects.filter(scope="").delete(),
        lambda: Pause.objects.filter(scope="SMS").delete(),
    ],
    "campaign_not_running": [
        lambda: change(Campaign, status=CampaignStatus.PAUSED),
        lambda: change(Campaign, status=CampaignStatus.CLOSED),
    ],
    "approval_void": [
        lambda: change(Step, body="Un autre texte"),
        lambda: change(Campaign, approved_fingerprint=""),
        lambda: change(Campaign, approved_fingerprint="autre"),
        lambda: change(Campaign, window_days=61),
    ],
    "wave_superseded": [lambda: change(type(a_touch().audience), superseded_at=MORNING)],
    "first_contacts": [lambda: change(Canary, released_at=None), lambda: Canary.objects.all().delete()],
    "stale_feed": [
        lambda: expect(max_age=3),
        lambda: import_feed(expect(max_age=3), NIGHT - timedelta(days=4)),
        lambda: import_feed(expect(max_age=3), NIGHT + timedelta(days=1)),
    ],
    "deceased": [lambda: change(Allocataire, deceased_on=NIGHT)],
    "closed": [lambda: change(Allocataire, closed_on=NIGHT)],
    "guardianship": [lambda: change(Allocataire, is_under_guardianship=True)],
    "opposed": [
        oppose,
        lambda: oppose(channel=Channel.SMS),
        lambda: oppose(theme=a_touch().campaign.plan.theme),
        lambda: oppose(channel=Channel.SMS, theme=a_touch().campaign.plan.theme),
    ],
    "opposed_destination": [oppose_destination, lambda: oppose_destination(channel=Channel.SMS)],
    "regularised": [
        regularise,
        lambda: regularise(stage=OutcomeStage.SETTLED),
        lambda: regularise(on=NIGHT - timedelta(days=3), max_age=3),  # told after the night, as late as a feed may be
        lambda: regularise(on=NIGHT - timedelta(days=10)),
    ],
    "no_address": [
        lambda: change(Allocataire, sms_allowed=False),
        lambda: change(Allocataire, mobile="+33600000000"),
        lambda: change(Allocataire, mobile=""),
        lambda: bad(channel=Channel.SMS),
        lambda: bad(channel=""),
    ],
    "expired": [lambda: change(Touch, expires_at=MORNING)],
    "awaits_reading": [
        answer,
        lambda: answer(allocataire=None),
        lambda: answer(allocataire=None, touch=None, sender_hash=hash_destination(a_touch().allocataire.mobile)),
    ],
    "outside_window": [
        lambda: change(Touch, closes_at=MORNING + timedelta(seconds=30)),
        lambda: change(Touch, closes_at=MORNING),
        lambda: change(Touch, due_at=MORNING + timedelta(hours=1)),
    ],
    "cap_30_days": [
        lambda: contacted(8, 9, 10, 29),
        lambda: contacted(8, 9, 10, 29, state=FactState.UNCONFIRMED),
    ],
    "cap_7_days": [lambda: contacted(6), lambda: contacted(1, state=FactState.DELIVERED)],
}
CASES = [
    pytest.param(code, situation, id=f"{code}-{number}")
    for code, situations in SITUATIONS.items()
    for number, situation in enumerate(situations)
]
CHECK = {check.code: check for check in CHECKS}


def test_every_check_has_its_situations() -> None:
    assert {*SITUATIONS, "same_person_in_batch"} == set(CHECK)


@pytest.mark.parametrize(("code", "situation"), CASES)
def test_a_stop_condition_met_before_the_claim(operator: FakeGateway, code: str, situation: Callable[[], Any]) -> None:
    make_wave(size=1)
    situation()
    send()
    assert not operator.sent
    assert not Attempt.objects.exclude(number=0).exists()


@pytest.mark.parametrize(("code", "situation"), CASES)
def test_a_stop_condition_met_just_before_the_intent(
    operator: FakeGateway, code: str, situation: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wave(size=1)
    happen_once_claimed(situation, monkeypatch)
    assert send() == {code: 1}
    assert not operator.sent
    assert not Attempt.objects.exclude(number=0).exists()
    touch, fact = a_touch(), ContactFact.objects.get(touch_ref=a_touch().pk)
    check = CHECK[code]
    expected = {
        Effect.HOLD: (TouchStatus.PLANNED, "", FactState.RESERVED),
        Effect.SUPPRESS: (TouchStatus.SUPPRESSED, check.reason, FactState.RELEASED),
        Effect.EXPIRE: (TouchStatus.EXPIRED, "", FactState.RELEASED),
        Effect.ALREADY: (TouchStatus.SUBMITTED, "", FactState.RESERVED),
    }[check.effect]
    assert (touch.status, touch.reason, fact.state) == expected
    assert (touch.claimed_by, touch.attempt_count) == ("", 0)


@pytest.mark.parametrize(("code", "situation"), CASES)
def test_only_that_check_stops(
    operator: FakeGateway, code: str, situation: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wave(size=1)
    happen_once_claimed(situation, monkeypatch)
    monkeypatch.setattr(dispatch_sql, "DECIDE", dispatch_sql.decide_sql(c for c in CHECKS if c.code != code))
    send()
    assert len(operator.sent) == 1


def happen_once_claimed(situation: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    def reached(point: str) -> None:
        if point == "1-claimed" and not happened:
            happened.append(point)
            situation()

    monkeypatch.setattr(dispatch, "reached", reached)


@pytest.mark.parametrize(
    "situation",
    [
        lambda: oppose(channel=Channel.EMAIL),
        lambda: oppose(theme="autre"),
        lambda: oppose(lifted_at=MORNING),
        lambda: oppose_destination(channel=Channel.EMAIL),
        lambda: oppose(allocataire=None, destination_hash="autre"),
        lambda: regularise(on=NIGHT - timedelta(days=4), max_age=3),  # it was of an earlier due date
        lambda: regularise(on=NIGHT - timedelta(days=11)),
        lambda: regularise(on=NIGHT + timedelta(days=1)),
        lambda: regularise(stage=OutcomeStage.CONSULTED),
        lambda: import_feed(expect(max_age=3), NIGHT - timedelta(days=3)),
        lambda: change(Allocataire, closed_on=NIGHT + timedelta(days=1)),
        lambda: contacted(7, 8, 9),
        lambda: contacted(8, 9, 10, 30),
        lambda: contacted(1, 2, 3, state=FactState.RELEASED),
        lambda: contacted(1, 2, 3, state=FactState.RESERVED),  # planned only: whoever leaves first counts
        lambda: contacted(1, 2, 3, is_exempt=True),
        lambda: earlier_attempt(status=AttemptStatus.FAILED),
        lambda: earlier_attempt(status=AttemptStatus.UNCONFIRMED),  # a re-send that was decided
        lambda: leave_before_restore(destination_hash="autre"),
        lambda: leave_before_restore(at=MORNING - timedelta(days=91)),
        lambda: Touch.objects.update(is_canary=True) and Canary.objects.update(released_at=None),
        lambda: Pause.objects.filter(scope="EMAIL").update(is_paused=True),
        lambda: bad(channel=Channel.CALL),
        lambda: bad(channel=Channel.SMS, corrected_at=MORNING),
        lambda: bad(channel=Channel.SMS, destination_hash="autre"),
        lambda: answer(handled_at=MORNING),
        lambda: answer(kind=ReplyClass.ORDINARY),
        lambda: answer(allocataire=None, sender_hash="autre"),
    ],
)
def test_what_does_not_stop(operator: FakeGateway, situation: Callable[[], Any]) -> None:
    make_wave(size=1)
    situation()
    assert send() == {}
    assert len(operator.sent) == 1


def answer_of_somebody_claimed() -> None:
    """Contacts due at one instant are claimed in no promised order: the first made may be in the second batch."""
    touch = Touch.objects.filter(status=TouchStatus.CLAIMED).earliest("pk")
    answer(allocataire=touch.allocataire, sender_hash=touch.destination_hash)


def test_an_unread_answer_holds_that_person_only(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wave(size=dispatch.BATCH_SIZE + 2)
    happen_once_claimed(answer_of_somebody_claimed, monkeypatch)
    assert send() == {"awaits_reading": 1}, "claimed again and again, or it held its campaign"
    assert len(operator.sent) == dispatch.BATCH_SIZE + 1
    assert send() == {}
    Reply.objects.update(handled_at=MORNING)
    send()
    assert len(operator.sent) == dispatch.BATCH_SIZE + 2


def test_an_unread_answer_holds_the_other_channels_of_who_shares_the_mobile() -> None:
    people = make_allocataires(1, mobile="+33600000007")
    make_wave(people=people, steps=[step_values(Channel.EMAIL)])
    answer(allocataire=None, sender_hash=hash_destination("+33600000007"))
    with use_gateway(Channel.EMAIL, FakeGateway()) as mail:
        dispatch_due(channel=Channel.EMAIL, worker="test", deadline_seconds=30)
    assert not mail.sent  # type: ignore[attr-defined]


def test_a_service_message_is_outside_the_cap(operator: FakeGateway) -> None:
    make_wave(size=1)
    contacted(1, 2, 3, 4)
    give_rules(is_exempt_from_cap=True)
    send()
    assert len(operator.sent) == 1


def test_the_next_step_of_a_campaign_is_exempt_from_the_seven_days(operator: FakeGateway) -> None:
    make_wave(size=1, steps=[step_values(), step_values(position=2)])
    first = a_touch()
    ContactFact.objects.filter(touch_ref=first.pk).update(state=FactState.SUBMITTED, at=MORNING - timedelta(days=8))
    Touch.objects.filter(pk=first.pk).update(status=TouchStatus.DELIVERED)
    contacted(2)
    send()
    assert len(operator.sent) == 1


@pytest.mark.parametrize(("is_checked", "sent"), [(True, 1), (False, 2)])
def test_two_contacts_of_one_person_do_not_share_a_batch(
    operator: FakeGateway, monkeypatch: pytest.MonkeyPatch, settings: Any, is_checked: bool, sent: int
) -> None:
    settings.CAP_CONTACTS_30_DAYS = 1
    make_wave(people=make_allocataires(1), steps=[step_values(), step_values(position=2)])
    if not is_checked:
        checks = [c for c in CHECKS if c.code != "same_person_in_batch"]
        monkeypatch.setattr(dispatch_sql, "DECIDE", dispatch_sql.decide_sql(checks))
    send()
    assert len(operator.sent) == sent
    if is_checked:
        assert list(Touch.objects.order_by("pk").values_list("status", "reason")) == [
            (TouchStatus.SUBMITTED, ""),
            (TouchStatus.SUPPRESSED, Suppression.CAP),
        ]


def test_a_value_that_misses_suppresses_that_contact_only(operator: FakeGateway) -> None:
    people = make_allocataires(2)
    Allocataire.objects.filter(pk=people[0].pk).update(first_name="")
    make_wave(people=people, steps=[step_values(body="Caf : bonjour {{ prenom }}")])
    assert send() == {"missing_value": 1}
    assert [m.body for m in operator.sent] == ["Caf : bonjour Camille"]
    assert (a_touch().status, a_touch().reason) == (TouchStatus.SUPPRESSED, Suppression.MISSING_VALUE)
