"""« Pourquoi elle ? »: the criteria, the wave, the reason and what caused it, with dates."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given, reject, settings

from campaigns.audiences import freeze_audience
from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import CONTROL_ARM, BadDestinationReason, CampaignStatus, Exclusion, FactState, PlanMode
from campaigns.explanations import explain_campaign, explain_night, explain_segment
from campaigns.models import AccessLog, Allocataire, Campaign, ExtraAttribute, Member
from campaigns.oppositions import record_opposition
from campaigns.rules.criteria import InvalidCriteria
from campaigns.rules.explanations import lay_flat
from campaigns.segments import holding, matching
from outreach.roles import ADMINISTRATEUR, AGENT
from tests.campaigns.test_segments import trees
from tests.factories import (
    NIGHT,
    NOW,
    make_allocataire,
    make_audience,
    make_campaign,
    make_contact_fact,
    make_control,
    make_epci,
    make_member,
    make_plan,
    make_running_campaign,
    make_segment,
)
from tests.pages import MAX_QUERIES, make_colleague, sign_in

pytestmark = pytest.mark.django_db
TREE: dict[str, Any] = {
    "all": [
        {"field": "age", "op": "lte", "value": 30},
        {"not": {"field": "prestation", "op": "has", "value": "PPA"}},
        {
            "any": [
                {"field": "has_mobile", "op": "eq", "value": True},
                {"field": "epci", "op": "eq", "value": "200027183"},
            ]
        },
        {"field": "contacted_within_days", "op": "not_within", "value": 180},
    ]
}


def test_each_criterion_says_whether_it_holds_with_the_fact_masked() -> None:
    person = make_allocataire(born_on=date(1990, 5, 17), mobile="+33612345678", prestations={"PPA": "2024-01-01"})
    make_contact_fact(person, make_campaign(name="Rappel DTR"), at=NOW - timedelta(days=10))
    verdict = explain_segment(allocataire=person, criteria=TREE, today=NIGHT)
    assert not verdict.holds
    assert verdict.sentence.startswith("Allocataires ayant 30 ans au plus")
    assert [(line.depth, line.text, line.holds, line.value) for line in verdict.criteria] == [
        (0, "Tous ces critères :", False, ""),
        (1, "Ayant 30 ans au plus", False, "35 ans"),
        (1, "Sauf :", False, ""),
        (2, "Percevant la prime d’activité", True, "Prime d’activité"),
        (1, "Au moins un de ces critères :", True, ""),
        (2, "Ayant un mobile", True, "06 •• •• •• 78"),
        (2, "Habitant Perpignan Méditerranée Métropole", True, "Perpignan Méditerranée Métropole"),
        (1, "Pas contactés depuis 180\N{NO-BREAK SPACE}jours", False, "SMS de « Rappel DTR » le 21/02/2026 (Prévu)."),
    ]


def leave_out(person: Allocataire, **values: Any) -> Campaign:
    """A campaign that takes everybody, frozen: the person is expected to be left out."""
    plan = values.pop("plan", None) or make_plan(theme="vie-maritale", is_sensitive=True)
    campaign = make_running_campaign(plan=plan, expected_size=Allocataire.objects.count(), **values)
    assert freeze_audience(campaign=campaign, night_on=NIGHT, now=NOW)
    assert Member.objects.get(allocataire=person, campaign=campaign).exclusion
    return campaign


def _dead() -> Allocataire:
    return make_allocataire(deceased_on=date(2026, 1, 9))


def _closed() -> Allocataire:
    return make_allocataire(closed_on=date(2026, 1, 31))


def _guarded() -> Allocataire:
    return make_allocataire(is_under_guardianship=True)


def _opposed() -> Allocataire:
    person = make_allocataire()
    record_opposition(allocataire_ids=[person.pk], channel="SMS", source="STOP_SMS", now=NOW - timedelta(days=3))
    return person


def _unreachable() -> Allocataire:
    return make_allocataire(mobile="+33612345678", sms_allowed=False)


def _badly_addressed() -> Allocataire:
    person = make_allocataire()
    for days, number in ((2, person.mobile), (90, "+33611111111")):  # the other was hers before
        finding = Finding(person.pk, number, "SMS", BadDestinationReason.UNKNOWN)
        record_bad_destinations(findings=[finding], now=NOW - timedelta(days=days))
    return person


def _sharing_a_bad_number() -> Allocataire:
    return make_allocataire(mobile=_badly_addressed().mobile)


def _seen_on_the_theme() -> Allocataire:
    person = make_allocataire()
    former = make_campaign(name="Première", plan=make_plan(theme="vie-maritale"))
    make_member(make_audience(former), person)
    make_contact_fact(person, former, at=NOW - timedelta(days=100), state=FactState.DELIVERED)
    return person


def _temoin_elsewhere() -> Allocataire:
    person = make_allocataire()
    other = make_audience(make_campaign(name="Autre", plan=make_plan(theme="vie-maritale"), window_days=60))
    make_control(other, person)
    ended = make_campaign(name="Finie", plan=make_plan(theme="vie-maritale"), window_days=9)
    make_control(make_audience(ended, night_on=NIGHT - timedelta(days=10)), person)
    return person


def _solicited() -> Allocataire:
    person = make_allocataire()
    other = make_campaign(name="Forum")
    make_member(make_audience(other), person)
    make_contact_fact(person, other, at=NOW - timedelta(days=2), state=FactState.DELIVERED)
    return person


def _sharing() -> Allocataire:
    make_allocataire(matricule="0", mobile="+33612345678")
    return make_allocataire(matricule="9", mobile="+33612345678")


@pytest.mark.parametrize(
    ("build", "exclusion", "causes"),
    [
        (_dead, Exclusion.DECEASED, ["Décès le 09/01/2026."]),
        (_closed, Exclusion.CLOSED, ["Dossier clos le 31/01/2026."]),
        (_guarded, Exclusion.GUARDIANSHIP, ["Le fichier signale une mesure de protection."]),
        (_opposed, Exclusion.OPPOSED, ["Opposition : SMS, tous les thèmes (STOP par SMS), le 28/02/2026."]),
        (
            _unreachable,
            Exclusion.NO_ADDRESS,
            ["SMS : 06 •• •• •• 78, mais la personne ne l’a pas autorisé."],
        ),
        (
            _seen_on_the_theme,
            Exclusion.SENSITIVE_THEME,
            ["SMS de « Première » le 23/11/2025 (Remis à la personne). Protégée sur ce thème jusqu’au 23/11/2027."],
        ),
        (
            _badly_addressed,
            Exclusion.NO_ADDRESS,
            ["SMS : adresse à corriger depuis le 01/03/2026 (Numéro inconnu de l’opérateur)."],
        ),
        (
            _sharing_a_bad_number,
            Exclusion.NO_ADDRESS,
            ["SMS : adresse à corriger depuis le 01/03/2026 (Numéro inconnu de l’opérateur)."],
        ),
        (_temoin_elsewhere, Exclusion.CONTROL_ELSEWHERE, ["Témoin de « Autre » (vague 1), jusqu’au 02/05/2026."]),
        (
            _solicited,
            Exclusion.CAP,
            [
                "Contactée par une autre campagne à moins de 7 jours (plafond : 1).",
                "SMS de « Forum » le 01/03/2026 (Remis à la personne).",
                "De la place à partir du 08/03/2026.",
            ],
        ),
        (
            _sharing,
            Exclusion.SHARED_MOBILE,
            ["Mobile 06 •• •• •• 78 partagé avec une personne retenue dans la vague 1 (nuit du 03/03/2026)."],
        ),
    ],
)
def test_an_exclusion_says_what_caused_it(
    build: Callable[[], Allocataire], exclusion: Exclusion, causes: list[str]
) -> None:
    person = build()
    campaign = leave_out(person)
    wave = explain_campaign(allocataire=person, campaign=campaign, now=NOW).waves[0]
    assert wave.wave == "Vague 1, nuit du 03/03/2026"
    assert wave.text == f"Laissée de côté : {exclusion.label}."
    assert wave.causes == causes


def test_the_campaign_s_own_contacts_are_not_what_filled_the_cap() -> None:
    """Another campaign, frozen after this one, had nothing to do with it."""
    person = _solicited()
    campaign = leave_out(person)
    later = make_campaign(name="Ensuite")
    make_member(make_audience(later), person)
    make_contact_fact(person, later, at=NOW + timedelta(days=1))
    causes = explain_campaign(allocataire=person, campaign=campaign, now=NOW).waves[0].causes
    assert not any("Ensuite" in cause for cause in causes)


@pytest.mark.parametrize(
    ("arm", "said"), [("SMS", "tirée au sort dans le bras « SMS »"), (CONTROL_ARM, "parmi les témoins")]
)
def test_a_retained_person_is_told_with_her_arm_and_her_delay(arm: str, said: str) -> None:
    person = make_allocataire()
    campaign = make_running_campaign(expected_size=1, mode=PlanMode.NIGHTLY, night_size_max=9)
    make_member(make_audience(campaign), person, arm=arm)
    answer = explain_campaign(allocataire=person, campaign=campaign, now=NOW)
    assert said in answer.waves[0].text
    assert answer.conclusion.endswith("qu’à partir du 01/06/2026.")


@pytest.mark.parametrize(
    ("values", "has_audience", "said"),
    [
        ({}, True, "Son audience est figée"),
        ({"status": CampaignStatus.CLOSED}, False, "La campagne est terminée"),
        ({"status": CampaignStatus.CANCELLED}, False, "La campagne est terminée"),
        ({"mode": PlanMode.NIGHTLY, "night_size_max": 9}, True, "Aujourd’hui, elle serait retenue"),
    ],
)
def test_nobody_is_promised_what_no_night_will_do(values: dict[str, Any], has_audience: bool, said: str) -> None:
    campaign = make_running_campaign(expected_size=1, mode=values.pop("mode", PlanMode.ONE_SHOT))
    if has_audience:
        make_member(make_audience(campaign), make_allocataire())
    late = make_allocataire()
    Campaign.objects.filter(pk=campaign.pk).update(**values)
    campaign = Campaign.objects.select_related("plan", "segment").get(pk=campaign.pk)
    assert explain_campaign(allocataire=late, campaign=campaign, now=NOW).conclusion.startswith(said)


def test_before_the_freeze_one_learns_what_tonight_would_do() -> None:
    kept, away, opposed = make_allocataire(), make_allocataire(children_count=0), _opposed()
    criteria = {"all": [{"field": "children_count", "op": "gte", "value": 1}]}
    campaign = make_campaign(segment=make_segment(criteria))
    say = [explain_campaign(allocataire=person, campaign=campaign, now=NOW) for person in (kept, away, opposed)]
    assert say[0].conclusion.startswith("Aujourd’hui, elle serait retenue")
    assert "ne remplit pas les critères" in say[1].conclusion
    assert say[2].conclusion == "Aujourd’hui, elle serait laissée de côté : Opposition à être contactée."
    assert say[2].causes == ["Opposition : SMS, tous les thèmes (STOP par SMS), le 28/02/2026."]


def test_a_night_answers_for_each_wave() -> None:
    person = make_allocataire()
    first = make_running_campaign(expected_size=1, mode=PlanMode.NIGHTLY, night_size_max=9)
    make_member(make_audience(first), person)
    make_audience(first, night_on=NIGHT + timedelta(days=1), number=2)
    other = make_running_campaign(
        expected_size=1, segment=make_segment({"all": [{"field": "children_count", "op": "gte", "value": 5}]})
    )
    make_audience(other)
    told = explain_night(allocataire=person, night_on=NIGHT)
    assert [answer.campaign for answer in told] == [first, other]
    assert told[0].waves[0].is_retained
    assert "ne remplissait pas les critères" in told[1].conclusion
    again = explain_night(allocataire=person, night_on=NIGHT + timedelta(days=1))
    assert "Déjà examinée" in again[0].conclusion


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees)
def test_the_answer_is_the_compiler_s_own(tree: dict[str, Any]) -> None:
    for code, kind in (("12", "NOMBRE"), ("liste__date__lte", "OUI_NON"), ("word", "TEXTE"), ("on", "DATE")):
        ExtraAttribute.objects.get_or_create(code=code, defaults={"label": code, "type": kind})
    make_epci("200071751", "Autre")
    person = make_allocataire()
    nodes = [node for _, node in lay_flat(tree)]
    try:
        matching(tree, today=NIGHT)
    except InvalidCriteria:  # criteria that contradict each other
        reject()
    selected = [matching(node, today=NIGHT).filter(pk=person.pk).exists() for node in nodes]
    assert holding(nodes, allocataire_id=person.pk, today=NIGHT) == selected


def test_the_page_masks_logs_and_keeps_the_matricule_out_of_its_address(django_assert_max_num_queries: Any) -> None:
    person = make_allocataire(matricule="7654321", last_name="DURANDAL", mobile="+33612345678")
    segment = make_segment(TREE, name="Jeunes sans PPA")
    client = sign_in(make_colleague(AGENT))
    url = reverse("admin:explain_allocataire", args=[person.pk])
    assert "7654321" not in url
    assert client.get(url).status_code == 200
    assert not AccessLog.objects.exists()
    with django_assert_max_num_queries(MAX_QUERIES):
        page = client.get(url, {"segment": segment.pk}).content.decode()
    assert "06 •• •• •• 78" in page
    for value in ("7654321", "DURANDAL", "+33612345678", "12 34 56"):
        assert value not in page
    log = AccessLog.objects.get()
    assert (log.action, log.detail, log.allocataire_id) == ("pourquoi elle", f"segment n° {segment.pk}", person.pk)
    campaign = leave_out(_opposed())
    with django_assert_max_num_queries(50):
        assert "Pourquoi elle" in client.get(url, {"campaign": campaign.pk}).content.decode()
    assert "Laissée de côté" not in client.get(url, {"night_on": "2026-03-03"}).content.decode()
    assert "Aucune campagne n’a figé" in client.get(url, {"night_on": "2025-01-01"}).content.decode()


def test_a_criterion_that_no_longer_exists_is_said() -> None:
    person = make_allocataire()
    segment = make_segment({"all": [{"field": "extra.disparu", "op": "eq", "value": "x"}]})
    client = sign_in(make_colleague(AGENT))
    page = client.get(reverse("admin:explain_allocataire", args=[person.pk]), {"segment": segment.pk}).content.decode()
    assert "n’existe pas (ou n’existe plus)" in page


def test_one_question_is_asked_at_a_time() -> None:
    """Answering the first of two, or nothing, would leave the person believing that the other was looked at."""
    person, segment = make_allocataire(), make_segment()
    client, url = sign_in(make_colleague(AGENT)), reverse("admin:explain_allocataire", args=[person.pk])
    assert "Choisissez un segment, une campagne ou une nuit" not in client.get(url).content.decode()
    none = client.get(url, {"segment": "", "campaign": "", "night_on": ""}).content.decode()
    assert "Choisissez un segment, une campagne ou une nuit" in none
    two = client.get(url, {"segment": segment.pk, "night_on": "2026-03-03"}).content.decode()
    assert "Une question à la fois" in two
    assert not AccessLog.objects.filter(action="pourquoi elle").exists()


def test_an_administrateur_may_not_ask() -> None:
    person = make_allocataire()
    client = sign_in(make_colleague(ADMINISTRATEUR))
    assert client.get(reverse("admin:explain_allocataire", args=[person.pk])).status_code == 403
    assert client.get(reverse("admin:person_timeline", args=[person.pk])).status_code == 403
