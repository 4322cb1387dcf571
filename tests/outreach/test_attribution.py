"""What is attributed to a member: the same rule and the same clock for témoins and contact arms."""

from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest

from campaigns.models import ContactFact, Member
from outreach.attribution import attribute_outcomes
from outreach.enums import CallResult, TouchStatus
from outreach.models import Call, CallAttempt, Outcome, Regularisation
from outreach.rules.attribution import RULE_VERSION, window_of
from tests.factories import make_allocataires, make_audience, make_contact_fact
from tests.outreach.bilan_worlds import contact, feed, make_kind, make_wave, noon, regularise

LAUNCH = date(2026, 3, 3)
LATER = LAUNCH + timedelta(days=200)


def outcome_of(member: Member) -> Outcome:
    return Outcome.objects.get(member=member)


def attribute(campaign) -> int:
    return attribute_outcomes(campaign=campaign, now=noon(LATER))


@pytest.mark.parametrize(("day", "is_inside"), [(-1, False), (0, True), (1, True), (59, True), (60, True), (61, False)])
def test_window_takes_both_its_ends(day, is_inside):
    assert (LAUNCH + timedelta(days=day) in window_of(LAUNCH, 60)) is is_inside


@pytest.mark.django_db
@pytest.mark.parametrize(("day", "is_inside"), [(-1, False), (0, True), (1, True), (59, True), (60, True), (61, False)])
def test_the_database_uses_the_same_window_for_both_arms(day, is_inside):
    kind = make_kind("PPA_OUVERTE")
    campaign, arms = make_wave(LAUNCH, {"TEMOIN": 1, "SMS": 1}, kinds=[kind])
    on = LAUNCH + timedelta(days=day)
    regularise(feed([kind], LATER), arms["TEMOIN"] + arms["SMS"], kind, on)

    assert attribute(campaign) == 2
    settled = set(Outcome.objects.values_list("settled_on", flat=True))
    assert settled == ({on} if is_inside else {None})


@pytest.mark.django_db
def test_first_of_each_stage_and_first_amount_of_each_nature():
    consulted, filed = make_kind("CONSULTE", "CONSULTATION"), make_kind("DEMANDE", "DEMARCHE")
    monthly, arrears, debt = (
        make_kind(code, nature=nature) for code, nature in [("PPA", "MENSUEL"), ("ASF", "RAPPEL"), ("INDU", "INDU")]
    )
    foreign = make_kind("AUTRE")
    campaign, arms = make_wave(LAUNCH, {"SMS": 2}, kinds=[consulted, filed, monthly, arrears, debt])
    her, nobody = arms["SMS"]
    source = feed([monthly], LATER)
    for kind, day, amount in [
        (consulted, 2, None),
        (consulted, 1, None),
        (filed, 5, None),
        (monthly, 20, None),
        (monthly, 21, 219.5),
        (monthly, 30, 500),
        (arrears, 25, 1012),
        (debt, 26, 300.1),
        (foreign, 1, 9999),
    ]:
        regularise(source, [her], kind, LAUNCH + timedelta(days=day), [amount] if amount else None)
    attribute(campaign)

    found = outcome_of(her)
    assert (found.consulted_on, found.filed_on, found.settled_on) == tuple(
        LAUNCH + timedelta(days=day) for day in (1, 5, 20)
    )
    assert (found.amount_monthly, found.amount_arrears, found.amount_overpayment) == (
        Decimal("219.50"),
        Decimal("1012.00"),
        Decimal("300.10"),
    )
    assert found.rule_version == RULE_VERSION
    other = outcome_of(nobody)
    assert (other.settled_on, other.amount_monthly, other.is_shared) == (None, None, False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "is_contacted", "is_delivered"),
    [
        (TouchStatus.PLANNED, False, False),
        (TouchStatus.SUBMITTED, True, False),
        (TouchStatus.SENT, True, False),
        (TouchStatus.DELIVERED, True, True),
        (TouchStatus.UNDELIVERED, True, False),
        (TouchStatus.FAILED, False, False),
        (TouchStatus.UNCONFIRMED, False, False),
        (TouchStatus.SUPPRESSED, False, False),
        (TouchStatus.CANCELLED, False, False),
    ],
)
def test_contacted_and_delivered_follow_the_touch(status, is_contacted, is_delivered):
    campaign, arms = make_wave(LAUNCH, {"SMS": 1})
    contact(arms["SMS"], status)
    attribute(campaign)
    found = outcome_of(arms["SMS"][0])
    assert (found.contacted_at is not None, found.delivered_at is not None) == (is_contacted, is_delivered)


@pytest.mark.django_db
@pytest.mark.parametrize("result", CallResult.values)
def test_a_call_contacts_when_the_person_answers(result):
    campaign, arms = make_wave(LAUNCH, {"APPEL": 1})
    touch = contact(arms["APPEL"], TouchStatus.PLANNED)[0]
    CallAttempt.objects.all().delete()
    CallAttempt.objects.create(call=Call.objects.get(touch=touch), number=1, at=noon(LAUNCH), result=result)
    attribute(campaign)
    found = outcome_of(arms["APPEL"][0])
    expected = noon(LAUNCH) if result == CallResult.REACHED else None
    assert (found.contacted_at, found.delivered_at) == (expected, expected)


@pytest.mark.django_db
def test_attribution_writes_only_what_changed_and_forgets_what_is_no_more():
    kind = make_kind("PPA_OUVERTE")
    campaign, arms = make_wave(LAUNCH, {"TEMOIN": 5, "SMS": 5}, kinds=[kind])
    assert attribute(campaign) == 10
    assert attribute(campaign) == 0

    regularise(feed([kind], LATER), arms["SMS"][:2], kind, LAUNCH)
    contact(arms["SMS"][1:2])
    assert attribute(campaign) == 2
    assert attribute(campaign) == 0

    Regularisation.objects.all().delete()
    assert attribute(campaign) == 2
    assert not Outcome.objects.exclude(settled_on=None).exists()


@pytest.mark.django_db
def test_excluded_people_and_superseded_audiences_have_no_outcome():
    kind = make_kind("PPA_OUVERTE")
    campaign, _ = make_wave(LAUNCH, {"SMS": 1}, kinds=[kind])
    campaign.audiences.update(superseded_at=noon(LAUNCH))
    audience = make_audience(campaign, night_on=LAUNCH)
    person = make_allocataires(1)[0]
    Member.objects.create(audience=audience, campaign=campaign, allocataire=person, exclusion="DECES")
    assert attribute(campaign) == 0


@pytest.mark.django_db
def test_nothing_dated_after_now_counts():
    kind = make_kind("PPA_OUVERTE")
    campaign, arms = make_wave(LAUNCH, {"SMS": 1}, kinds=[kind])
    regularise(feed([kind], LATER), arms["SMS"], kind, LAUNCH + timedelta(days=20))
    attribute_outcomes(campaign=campaign, now=noon(LAUNCH + timedelta(days=19)))
    assert outcome_of(arms["SMS"][0]).settled_on is None
    attribute_outcomes(campaign=campaign, now=noon(LAUNCH + timedelta(days=20)))
    assert outcome_of(arms["SMS"][0]).settled_on is not None


@pytest.mark.django_db
def test_a_regularisation_that_two_campaigns_contacted_for_is_shared():
    kind, other_kind = make_kind("PPA_OUVERTE"), make_kind("AUTRE")
    people = make_allocataires(5)
    first, mine = make_wave(LAUNCH, {"SMS": 5}, kinds=[kind], people=people)
    second, theirs = make_wave(LAUNCH + timedelta(days=10), {"SMS": 4}, kinds=[kind, other_kind], people=people[:4])
    source = feed([kind], LATER)
    both, before_second, untouched, only_other_kind, alone = mine["SMS"]
    contact(mine["SMS"])
    contact([theirs["SMS"][0], theirs["SMS"][1], theirs["SMS"][3]])
    regularise(source, [both, untouched, alone], kind, LAUNCH + timedelta(days=30))
    regularise(source, [before_second], kind, LAUNCH + timedelta(days=9))
    regularise(source, [only_other_kind], other_kind, LAUNCH + timedelta(days=30))
    attribute(first)
    attribute(second)

    assert [outcome_of(member).is_shared for member in mine["SMS"]] == [True, False, False, False, False]
    assert [outcome_of(member).is_shared for member in theirs["SMS"]] == [True, False, True, False]
    assert outcome_of(both).settled_on == outcome_of(theirs["SMS"][0]).settled_on


@pytest.mark.django_db
def test_random_worlds_agree_with_a_naive_reading():
    """The oracle reads each person's facts one by one."""
    random = Random(20260303)
    kinds = {code: make_kind(code, stage) for code, stage in [("A", "DEMARCHE"), ("B", "ABOUTI"), ("C", "ABOUTI")]}
    expected = [kinds["A"], kinds["B"]]
    campaign, arms = make_wave(LAUNCH, {"TEMOIN": 40, "SMS": 60}, kinds=expected)
    source = feed(expected, LATER)
    members = arms["TEMOIN"] + arms["SMS"]
    facts = {
        (member.pk, code, LAUNCH + timedelta(days=random.randint(-20, 90)))
        for member in members
        for code in kinds
        for _ in range(random.choice([0, 0, 1, 3]))
    }
    by_pk = {member.pk: member for member in members}
    for pk, code, day in facts:
        regularise(source, [by_pk[pk]], kinds[code], day)
    attribute(campaign)

    window = window_of(LAUNCH, campaign.window_days)
    for member in members:
        days = {code: [d for pk, c, d in facts if pk == member.pk and c == code and d in window] for code in "AB"}
        found = outcome_of(member)
        assert found.filed_on == min(days["A"], default=None)
        assert found.settled_on == min(days["B"], default=None)


@pytest.mark.django_db
def test_contacts_are_told_what_was_settled_from_their_day_on():
    kind = make_kind("PPA_OUVERTE")
    campaign, arms = make_wave(LAUNCH, {"TEMOIN": 1, "SMS": 3}, kinds=[kind])
    before, after, never = arms["SMS"]
    for touch in contact(arms["SMS"]):
        at = noon(LAUNCH + timedelta(days=5))
        make_contact_fact(touch.member.allocataire, campaign, at=at, touch_ref=touch.pk, state="REMIS")
    source = feed([kind], LATER)
    regularise(source, [before], kind, LAUNCH + timedelta(days=4))
    regularise(source, [after], kind, LAUNCH + timedelta(days=5))
    attribute(campaign)
    told = dict(ContactFact.objects.values_list("allocataire_id", "settled_on"))
    assert told == {
        before.allocataire_id: None,
        after.allocataire_id: LAUNCH + timedelta(days=5),
        never.allocataire_id: None,
    }
    Regularisation.objects.all().delete()
    attribute(campaign)
    assert not ContactFact.objects.exclude(settled_on=None).exists()
