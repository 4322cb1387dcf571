"""What a bilan says of contacts, counted in one pass over them, against the same counted slowly."""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.urls import reverse

from campaigns.enums import CONTROL_ARM, Channel
from campaigns.models import Campaign, Member, Programme
from outreach.bilan import compute_programme_bilan
from outreach.enums import CallResult, ReplyClass, TouchStatus
from outreach.models import Attempt, Call, CallAttempt, Reply, Touch
from outreach.roles import SUPERVISEUR
from outreach.rules.bilan import Bilan
from tests.factories import make_allocataires
from tests.outreach.bilan_worlds import contact, make_wave, noon
from tests.pages import MAX_QUERIES, make_colleague, sign_in

pytestmark = pytest.mark.django_db

LAUNCH = date(2026, 3, 3)
ARMS = {"SMS": 20, "APPEL": 20, CONTROL_ARM: 10}
FAILED = {TouchStatus.FAILED, TouchStatus.UNDELIVERED, TouchStatus.EXPIRED, TouchStatus.QUARANTINED}
CONTACTED = {TouchStatus.SUBMITTED, TouchStatus.SENT, TouchStatus.DELIVERED, TouchStatus.UNDELIVERED}


def make_world(seed: int) -> Programme:
    """Two campaigns that share people, the second replaced once; contacts of every state, tried several times."""
    chance = random.Random(seed)
    people = make_allocataires(75)
    first, arms = make_wave(LAUNCH, ARMS, people=people[:50])
    second, replaced = make_wave(LAUNCH + timedelta(days=2), ARMS, people=people[25:])
    touches = [*contact(arms["SMS"]), *contact(arms["APPEL"]), *contact(replaced["SMS"])]
    second.audiences.update(superseded_at=noon(LAUNCH))
    _, again = make_wave(LAUNCH + timedelta(days=3), ARMS, people=people[25:], campaign=second)
    touches += [*contact(again["SMS"]), *contact(again["APPEL"])]
    CallAttempt.objects.update(result=CallResult.NO_ANSWER)
    for touch in touches:
        touch.status = chance.choice(TouchStatus.values)
        happen_again(touch, chance)
    Touch.objects.bulk_update(touches, ["status"])
    programme = Programme.objects.create(name="Essai", code="essai")
    programme.campaigns.set([first, second])
    return programme


def happen_again(touch: Touch, chance: random.Random) -> None:
    """More attempts or rings, and none to three replies."""
    at = noon(LAUNCH + timedelta(days=1))
    call = Call.objects.filter(touch=touch).first()
    for number in range(2, 2 + chance.randrange(3)):
        later = at + timedelta(hours=number)
        if call:
            result, minutes = chance.choice(CallResult.values), chance.randrange(9)
            CallAttempt.objects.create(call=call, number=number, at=later, result=result, minutes=minutes)
        else:
            Attempt.objects.create(touch=touch, number=number, provider="test", intent_at=later, segments=number)
    for number in range(max(0, chance.randrange(7) - 3)):
        ref, kind = f"{touch.pk}-{number}", ReplyClass.ORDINARY
        Reply.objects.create(touch=touch, provider="test", provider_ref=ref, sender_hash="", kind=kind, received_at=at)


def find_drawn(programme: Programme) -> set[int]:
    """Who is to be contacted: retained at first in a contact arm, whatever came later."""
    members = Member.objects.filter(campaign__in=programme.campaigns.all(), audience__superseded_at=None)
    first: dict[int, Member] = {}
    for member in members.order_by("audience__night_on", "pk").exclude(arm=""):
        first.setdefault(member.allocataire_id, member)
    return {person for person, member in first.items() if member.arm != CONTROL_ARM}


def count_people(programme: Programme) -> dict[str, tuple[int, ...]]:
    """Channel → people planned, contacted, delivered, failed, uncertain, suppressed, answered, of a wrong number."""
    drawn = find_drawn(programme)
    asked: tuple[Callable[[Touch, set[str]], bool], ...] = (
        lambda touch, results: True,
        lambda touch, results: touch.status in CONTACTED or CallResult.REACHED in results,
        lambda touch, results: touch.status == TouchStatus.DELIVERED or CallResult.REACHED in results,
        lambda touch, results: touch.status in FAILED,
        lambda touch, results: touch.status == TouchStatus.UNCONFIRMED,
        lambda touch, results: touch.status == TouchStatus.SUPPRESSED,
        lambda touch, results: CallResult.REACHED in results or touch.replies.exists(),
        lambda touch, results: CallResult.WRONG_NUMBER in results,
    )
    people: dict[str, list[set[int]]] = defaultdict(lambda: [set() for _ in asked])
    for touch in Touch.objects.filter(audience__superseded_at=None, allocataire__in=drawn):
        results = set(CallAttempt.objects.filter(call__touch=touch).values_list("result", flat=True))
        for held, question in zip(people[touch.channel], asked, strict=True):
            if question(touch, results):
                held.add(touch.allocataire_id)
    return {channel: tuple(map(len, held)) for channel, held in people.items()}


def said(bilan: Bilan) -> dict[str, tuple[Any, ...]]:
    return {
        way.channel: (
            way.planned_count, way.contacted.count, way.delivered.count, way.failed_count, way.uncertain_count,
            way.suppressed_count, way.answered_count, way.wrong_number_count or 0,
        )
        for way in bilan.reach
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_people_are_counted_once_a_channel_and_money_once_a_try(seed: int) -> None:
    programme = make_world(seed)
    bilan = compute_programme_bilan(programme=programme)
    assert said(bilan) == count_people(programme)
    assert list(said(bilan)) == [Channel.CALL, Channel.SMS]
    tries = CallAttempt.objects.values_list("minutes", flat=True)
    spent = sum(Attempt.objects.values_list("segments", flat=True)), len(tries), sum(tries)
    assert (bilan.cost.sms_segment_count, bilan.cost.call_count, bilan.cost.call_minutes) == spent


def test_addresses_are_those_of_the_people_drawn() -> None:
    people = make_allocataires(6)
    campaign, arms = make_wave(LAUNCH, {"SMS": 4, CONTROL_ARM: 2}, people=people)
    contact(arms["SMS"])
    for person, values in zip(people, ({"mobile": ""}, {"sms_allowed": False}, {"email_allowed": False}), strict=False):
        type(person).objects.filter(pk=person.pk).update(**values)
    bilan = bilan_of(campaign)
    (way,) = bilan.reach
    assert (way.addressable.count, way.addressable.denominator) == (2, 4)


def test_the_pages_cost_few_queries_whatever_the_number_of_campaigns(django_assert_max_num_queries: Any) -> None:
    programme, client = make_world(0), sign_in(make_colleague(SUPERVISEUR))
    campaign = programme.campaigns.earliest("pk")
    for page, key in (("campaign_bilan", campaign.pk), ("programme_bilan", programme.code)):
        with django_assert_max_num_queries(MAX_QUERIES):
            assert client.get(reverse(f"admin:{page}", args=[key])).status_code == 200


def bilan_of(campaign: Campaign) -> Bilan:
    programme = Programme.objects.create(name="Seule", code="seule")
    programme.campaigns.set([campaign])
    return compute_programme_bilan(programme=programme)
