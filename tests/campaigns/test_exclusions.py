"""Why somebody is left out of an audience: each reason alone, their order, and the rules read twice."""

from datetime import date, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.audiences import (
    count_exclusions,
)
from campaigns.bad_destinations import Finding, mark_corrected, record_bad_destinations
from campaigns.enums import BadDestinationReason, Channel, Exclusion, FactState, PlanMode
from campaigns.models import Allocataire, BadDestination, Campaign, ContactFact, Opposition
from campaigns.oppositions import hash_destination
from campaigns.rules.contactability import is_reachable, stratum_of, usable_channels
from campaigns.rules.pressure import Contact, Limits, breaks_cap
from tests.campaigns.frozen import TWO_ARM_STEPS, TWO_ARMS, freeze
from tests.factories import (
    NIGHT,
    NOW,
    make_allocataire,
    make_allocataires,
    make_audience,
    make_campaign,
    make_contact_fact,
    make_control,
    make_member,
    make_plan,
    make_running_campaign,
    step_values,
)

pytestmark = pytest.mark.django_db


def exclusion_of(person: Allocataire, **campaign_values) -> str:
    """The exclusion of one person, alone in a campaign."""
    campaign = campaign_values.pop("campaign", None)
    campaign = campaign or make_running_campaign(expected_size=Allocataire.objects.count(), **campaign_values)
    return freeze(campaign).members.get(allocataire=person).exclusion


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, ""),
        ({"deceased_on": date(2026, 1, 1)}, Exclusion.DECEASED),
        ({"closed_on": NIGHT}, Exclusion.CLOSED),
        ({"closed_on": NIGHT + timedelta(days=1)}, ""),
        ({"is_under_guardianship": True}, Exclusion.GUARDIANSHIP),
        ({"mobile": ""}, Exclusion.NO_ADDRESS),
        ({"sms_allowed": False}, Exclusion.NO_ADDRESS),
        ({"deceased_on": date(2026, 1, 1), "closed_on": NIGHT, "mobile": ""}, Exclusion.DECEASED),
        ({"closed_on": NIGHT, "is_under_guardianship": True}, Exclusion.CLOSED),
    ],
)
def test_what_the_file_says(values, reason):
    assert exclusion_of(make_allocataire(**values)) == reason


CALL_STEPS = [step_values(Channel.CALL)]


@pytest.mark.parametrize(
    ("channel", "number", "steps", "reason"),
    [
        (Channel.SMS, "mobile", None, Exclusion.NO_ADDRESS),
        ("", "mobile", None, Exclusion.NO_ADDRESS),
        (Channel.CALL, "mobile", None, ""),
        (Channel.SMS, "landline", None, ""),
        ("", "mobile", CALL_STEPS, ""),  # the landline is left
        (Channel.EMAIL, "email", [step_values(Channel.EMAIL)], Exclusion.NO_ADDRESS),
    ],
)
def test_an_address_to_correct_is_no_address(channel, number, steps, reason):
    person = make_allocataire()
    finding = Finding(person.pk, getattr(person, number), channel, BadDestinationReason.UNKNOWN)
    assert record_bad_destinations(findings=[finding], now=NOW) == 1
    record_bad_destinations(findings=[finding], now=NOW)
    assert BadDestination.objects.count() == 1
    assert exclusion_of(person, steps=steps) == reason


def test_no_number_left_to_ring():
    person = make_allocataire()
    findings = [
        Finding(person.pk, number, Channel.CALL, BadDestinationReason.UNKNOWN)
        for number in (person.mobile, person.landline)
    ]
    record_bad_destinations(findings=findings, now=NOW)
    assert exclusion_of(person, steps=CALL_STEPS) == Exclusion.NO_ADDRESS


@pytest.mark.parametrize("way", ["another number", "corrected"])
def test_a_corrected_address_is_used_again(way):
    person = make_allocataire()
    record_bad_destinations(
        findings=[Finding(person.pk, person.mobile, "", BadDestinationReason.SOMEBODY_ELSE)], now=NOW
    )
    if way == "corrected":
        assert mark_corrected(ids=BadDestination.objects.values_list("pk", flat=True), now=NOW) == 1
    else:
        Allocataire.objects.filter(pk=person.pk).update(mobile="+33611111111")
    assert exclusion_of(person) == ""


@pytest.mark.parametrize(
    ("opposition", "reason"),
    [
        ({}, Exclusion.OPPOSED),
        ({"channel": "SMS"}, Exclusion.OPPOSED),
        ({"channel": "EMAIL"}, ""),
        ({"theme": "vie-maritale"}, Exclusion.OPPOSED),
        ({"theme": "logement"}, ""),
        ({"channel": "SMS", "theme": "vie-maritale"}, Exclusion.OPPOSED),
        ({"lifted_at": NOW - timedelta(days=1)}, ""),
    ],
)
def test_oppositions_to_an_sms_campaign(opposition, reason):
    person = make_allocataire()
    Opposition.objects.create(allocataire=person, source="AGENT", recorded_at=NOW, **opposition)
    assert exclusion_of(person, plan=make_plan(theme="vie-maritale")) == reason


@pytest.mark.parametrize(
    ("destination", "opposition", "reason"),
    [
        ("+33612345678", {}, Exclusion.OPPOSED),
        ("+33612345678", {"channel": "SMS"}, Exclusion.OPPOSED),
        ("+33612345678", {"channel": "CALL"}, ""),
        ("+33612345678", {"lifted_at": NOW}, ""),
        ("+33612345678", {"theme": "autre"}, ""),
        ("dominique@exemple.fr", {}, ""),  # an e-mail that refuses does not close the SMS
        ("+33687654321", {}, ""),
    ],
)
def test_a_refusal_known_only_by_its_address_still_holds(destination, opposition, reason):
    """The person's file was purged, then came back under another number of ours."""
    person = make_allocataire(mobile="+33612345678", email="dominique@exemple.fr")
    Opposition.objects.create(
        destination_hash=hash_destination(destination), source="STOP_SMS", recorded_at=NOW, **opposition
    )
    assert exclusion_of(person) == reason


@pytest.mark.parametrize(
    ("opposed", "values", "reason"),
    [
        (["SMS"], {}, ""),  # e-mail is left
        (["SMS", "EMAIL"], {}, Exclusion.OPPOSED),
        (["SMS"], {"email": ""}, Exclusion.NO_ADDRESS),  # not opposed to everything, yet nothing is left
        ([], {"mobile": ""}, ""),
        ([], {"mobile": "", "email_allowed": False}, Exclusion.NO_ADDRESS),
    ],
)
def test_one_open_channel_of_an_arm_is_enough(opposed, values, reason):
    person = make_allocataire(**values)
    for channel in opposed:
        Opposition.objects.create(allocataire=person, source="AGENT", recorded_at=NOW, channel=channel)
    assert exclusion_of(person, steps=[step_values(), step_values(Channel.EMAIL, position=2)]) == reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, ""),
        ({"call_allowed": False}, Exclusion.NO_ADDRESS),
        ({"landline": ""}, ""),  # a mobile can be called
        ({"sms_allowed": False}, Exclusion.NO_ADDRESS),
    ],
)
def test_every_arm_must_reach_whoever_is_drawn(values, reason):
    """Otherwise those of the call arm would not be like those of the SMS arm."""
    assert exclusion_of(make_allocataire(**values), arms=TWO_ARMS, steps=TWO_ARM_STEPS) == reason


@pytest.mark.parametrize(
    ("is_sensitive", "days_ago", "state", "reason"),
    [
        (True, 700, FactState.DELIVERED, Exclusion.SENSITIVE_THEME),
        (True, 731, FactState.DELIVERED, ""),
        (True, 700, FactState.RELEASED, ""),
        (False, 700, FactState.DELIVERED, ""),
    ],
)
def test_a_sensitive_theme_is_not_raised_twice(is_sensitive, days_ago, state, reason):
    person = make_allocataire()
    before = make_campaign(plan=make_plan(theme="vie-maritale"))
    make_contact_fact(person, before, at=NOW - timedelta(days=days_ago), state=state)
    assert exclusion_of(person, plan=make_plan(theme="vie-maritale", is_sensitive=is_sensitive)) == reason


@pytest.mark.parametrize(
    ("theme", "days_ago", "superseded", "reason"),
    [
        ("dtr", 60, False, Exclusion.CONTROL_ELSEWHERE),
        ("dtr", 61, False, ""),  # the window of the other campaign is closed
        ("logement", 1, False, ""),
        ("dtr", 1, True, ""),
    ],
)
def test_a_temoin_is_left_alone_while_she_is_measured(theme, days_ago, superseded, reason):
    person = make_allocataire()
    elsewhere = make_campaign(plan=make_plan(theme=theme), window_days=60)
    wave = make_audience(
        elsewhere, night_on=NIGHT - timedelta(days=days_ago), superseded_at=NOW if superseded else None
    )
    make_control(wave, person)
    assert exclusion_of(person, plan=make_plan(theme="dtr")) == reason


@pytest.mark.parametrize(
    ("facts", "plan_values", "reason"),
    [
        ([(-1, {})], {}, Exclusion.CAP),
        ([(+3, {"state": FactState.RESERVED})], {}, Exclusion.CAP),
        ([(-1, {"state": FactState.RELEASED})], {}, ""),
        ([(-1, {"is_exempt": True})], {}, ""),
        ([(-7, {})], {}, ""),
        ([(-8, {}), (-12, {}), (-20, {}), (-29, {})], {}, Exclusion.CAP),
        ([(-8, {}), (-12, {}), (-20, {})], {}, ""),
        ([(-1, {})], {"is_exempt_from_cap": True}, ""),
    ],
)
def test_cap(facts, plan_values, reason):
    person, other = make_allocataire(), make_campaign()
    for days, values in facts:
        make_contact_fact(person, other, at=NOW + timedelta(days=days), **values)
    assert exclusion_of(person, plan=make_plan(**plan_values)) == reason


def test_of_people_who_share_a_mobile_the_smallest_matricule_is_kept():
    people = [make_allocataire(matricule=m, mobile="+33611111111") for m in ("0300", "0100", "0200")]
    audience = freeze(make_running_campaign(expected_size=3))
    kept = {m.allocataire.matricule: m.exclusion for m in audience.members.select_related("allocataire")}
    assert kept == {"0100": "", "0200": Exclusion.SHARED_MOBILE, "0300": Exclusion.SHARED_MOBILE}
    assert count_exclusions(audience) == {Exclusion.SHARED_MOBILE: 2}
    assert len(people) == audience.targeted_count


def test_a_mobile_is_shared_only_with_people_who_are_kept():
    make_allocataire(matricule="0100", mobile="+33611111111", closed_on=NIGHT)
    assert exclusion_of(make_allocataire(matricule="0200", mobile="+33611111111")) == ""


def test_a_shared_mobile_does_not_matter_to_an_email_campaign():
    make_allocataire(matricule="0100", mobile="+33611111111")
    person = make_allocataire(matricule="0200", mobile="+33611111111")
    assert exclusion_of(person, steps=[step_values(Channel.EMAIL)]) == ""


def test_who_shares_the_mobile_of_an_earlier_wave_is_left_out():
    campaign = make_running_campaign(expected_size=1, mode=PlanMode.NIGHTLY, night_size_max=9)
    make_member(make_audience(campaign, night_on=NIGHT - timedelta(days=1)), make_allocataire(mobile="+33611111111"))
    person = make_allocataire(mobile="+33611111111")
    assert exclusion_of(person, campaign=campaign) == Exclusion.SHARED_MOBILE


CHANNEL_SETS = [["SMS"], ["EMAIL"], ["CALL"], ["SMS", "EMAIL"], ["SMS", "EMAIL", "CALL"]]


PEOPLE = st.lists(
    st.fixed_dictionaries(
        {
            "born_on": st.none() | st.dates(date(1930, 1, 1), date(2008, 1, 1)),
            "mobile": st.sampled_from(["", "x"]),
            "sms_allowed": st.booleans(),
            "email": st.sampled_from(["", "x"]),
            "email_allowed": st.booleans(),
            "landline": st.sampled_from(["", "x"]),
            "call_allowed": st.booleans(),
        }
    ),
    min_size=1,
    max_size=25,
)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=PEOPLE, channels=st.sampled_from(CHANNEL_SETS))
def test_sql_and_rules_agree_on_reach_and_stratum(people, channels, monkeypatch):
    monkeypatch.setattr("campaigns.rules.draw.SMALL_STRATUM", 0)
    with transaction.atomic():
        rows = [make_allocataire(**_unique_addresses(values, n)) for n, values in enumerate(people)]
        steps = [step_values(channel, position=n) for n, channel in enumerate(channels)]
        audience = freeze(make_running_campaign(expected_size=len(rows), steps=steps))
        members = {m.allocataire_id: m for m in audience.members.all()}
        for row in rows:
            names = ("mobile", "sms_allowed", "email", "email_allowed", "landline", "call_allowed")
            usable = usable_channels(**{name: getattr(row, name) for name in names}) & frozenset(channels)
            member = members[row.pk]
            assert (member.exclusion == "") == is_reachable(usable, [frozenset(channels)])
            if not member.exclusion:
                assert member.stratum == stratum_of("200027183", row.born_on, usable, NIGHT)
        transaction.set_rollback(True)


def _unique_addresses(values: dict, number: int) -> dict:
    filled = {"mobile": f"+3361000{number:04}", "landline": f"+3341000{number:04}", "email": f"p{number}@x.invalid"}
    return {**values, **{name: address if values[name] else "" for name, address in filled.items()}}


HOURS_AWAY = st.integers(-900, 900)


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.tuples(HOURS_AWAY, st.integers(0, 2)), max_size=7), min_size=1, max_size=8))
def test_sql_and_rules_agree_on_the_cap(people):
    with transaction.atomic():
        others = [make_campaign() for _ in range(2)]
        rows = make_allocataires(len(people))
        ours = make_running_campaign(expected_size=len(rows))
        campaigns = [ours, *others]
        contacts = {
            row.pk: [Contact(NOW + timedelta(hours=h), campaigns[n].pk) for h, n in facts]
            for row, facts in zip(rows, people, strict=True)
        }
        _store_facts(contacts, ours)
        capped = set(freeze(ours).members.filter(exclusion=Exclusion.CAP).values_list("allocataire_id", flat=True))
        limits = Limits(campaigns_7_days=1, contacts_30_days=4)
        assert capped == {
            pk for pk, found in contacts.items() if breaks_cap(NOW, campaign=ours.pk, contacts=found, limits=limits)
        }
        transaction.set_rollback(True)


def _store_facts(contacts: dict[int, list[Contact]], ours: Campaign) -> None:
    pairs = [(pk, contact) for pk, found in contacts.items() for contact in found]
    ContactFact.objects.bulk_create(
        ContactFact(
            touch_ref=n, allocataire_id=pk, campaign_id=contact.campaign, at=contact.at, channel="SMS", theme="autre"
        )
        for n, (pk, contact) in enumerate(pairs)
    )
