"""The bilans of published campaigns, recomputed from rows; and what a bilan must never say."""

import json
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Campaign, Member, Programme
from outreach.attribution import attribute_outcomes
from outreach.bilan import compute_campaign_bilan, compute_programme_bilan
from outreach.enums import TouchStatus
from outreach.rules.bilan import NO_CONTROL, Bilan
from outreach.rules.statistics import Sample, newcombe
from tests.factories import make_allocataires, make_audience, make_campaign, make_commune, make_epci
from tests.outreach.bilan_worlds import contact, feed, make_kind, make_wave, noon, regularise, spread

pytestmark = pytest.mark.django_db

LAUNCH = date(2026, 3, 3)


def attribute(campaign: Campaign, launched_on: date = LAUNCH, *, after: int = 80) -> None:
    attribute_outcomes(campaign=campaign, now=noon(launched_on + timedelta(days=after)))


def counts(bilan: Bilan) -> dict[str, int | None]:
    return {line.code: line.rate.count for line in bilan.funnel}


def programme_of(*campaigns: Campaign) -> Programme:
    programme = Programme.objects.create(name="Programme d’essai", code="essai")
    programme.campaigns.set(campaigns)
    return programme


# --- Published results ------------------------------------------------------------------------------


def vie_maritale(launched_on: date, size: int, declared: int) -> Campaign:
    kind = make_kind("VIE_MARITALE_DECLAREE")
    campaign, arms = make_wave(launched_on, {"SMS": size}, kinds=[kind])
    contact(arms["SMS"])
    source = feed([kind], launched_on + timedelta(days=80))
    regularise(source, arms["SMS"][:declared], kind, launched_on + timedelta(days=9))
    attribute(campaign, launched_on)
    return campaign


def test_vie_maritale_of_the_pyrenees_orientales():
    first, second = vie_maritale(date(2023, 3, 3), 787, 14), vie_maritale(date(2023, 6, 5), 3_479, 48)

    alone = compute_campaign_bilan(campaign=first)
    together = compute_programme_bilan(programme=programme_of(first, second))

    assert "La campagne lancée le 3 mars 2023 concernait 787 allocataires." in alone.sentence
    assert "lancées le 3 mars 2023 et le 5 juin 2023 concernaient 4\u202f266 allocataires." in together.sentence
    settled = together.line("SETTLED").rate
    assert (settled.count, settled.denominator, settled.rate_text) == (62, 4_266, "1,45\u00a0%")
    assert [(line.targeted, line.settled) for line in together.campaigns] == [(787, 14), (3_479, 48)]
    assert counts(together)["FILED"] is None
    assert together.line("FILED").rate.text == "non renseigné"
    assert together.effect_text == NO_CONTROL


def test_prime_d_activite_of_the_ain():
    filed, opened = make_kind("PPA_DEMANDE", "DEMARCHE"), make_kind("PPA_OUVERTE", "ABOUTI", "MENSUEL")
    launched_on = date(2020, 10, 12)
    campaign, arms = make_wave(launched_on, {"SMS": 1_656}, kinds=[filed, opened])
    contact(arms["SMS"])
    source = feed([filed, opened], launched_on + timedelta(days=80))
    regularise(source, arms["SMS"][:182], filed, launched_on + timedelta(days=5))
    regularise(source, arms["SMS"][:118], opened, launched_on + timedelta(days=30), spread(219, 118))
    attribute(campaign, launched_on)

    bilan = compute_campaign_bilan(campaign=campaign)
    assert (bilan.line("FILED").rate.count, bilan.line("FILED").rate.rate_text) == (182, "11,0\u00a0%")
    assert bilan.line("SETTLED").rate.count == 118
    assert bilan.line("SETTLED").rate.value > 0.07
    (euros,) = bilan.euros
    assert (euros.nature, euros.receiver_count, euros.mean, euros.total) == ("MENSUEL", 118, 219, 118 * 219)
    assert euros.text.startswith("219\u00a0€ par mois en moyenne")
    assert euros.estimate is None


def test_asf_by_call_against_sms_in_the_ain():
    kinds = [make_kind("ASF_CONSULTATION", "CONSULTATION"), make_kind("ASF_DEMANDE", "DEMARCHE")]
    kinds.append(make_kind("ASF_OUVERTE", "ABOUTI", "RAPPEL"))
    launched_on = date(2020, 11, 16)
    campaign, arms = make_wave(launched_on, {"TEMOIN": 300, "SMS": 600, "APPEL": 600}, kinds=kinds)
    contact(arms["SMS"])
    contact(arms["APPEL"])
    source = feed(kinds, launched_on + timedelta(days=80))
    for arm, sizes in {"APPEL": (246, 118, 79), "SMS": (162, 66, 42), "TEMOIN": (15, 6, 5)}.items():
        for kind, size in zip(kinds, sizes, strict=True):
            amounts = spread(1_012, size) if kind.nature else None
            regularise(source, arms[arm][:size], kind, launched_on + timedelta(days=10), amounts)
    attribute(campaign, launched_on)

    bilan = compute_campaign_bilan(campaign=campaign)
    control, sms, call = bilan.arms
    assert [arm.label for arm in bilan.arms] == ["Témoins", "SMS", "Appel"]
    assert [rate.count for rate in (call.contacted, call.consulted, call.filed, call.settled)] == [600, 246, 118, 79]
    assert call.consulted_of_contacted.value > 0.40
    assert 0.195 < call.filed_of_contacted.value < 0.20
    assert call.settled_of_contacted.value > 0.13
    assert control.contacted.count == 0
    assert sum(arm.settled.count for arm in (sms, call)) == counts(bilan)["SETTLED"] == 121
    effect = bilan.effects[0]
    assert effect.stage == "ABOUTI"
    assert effect.interval == newcombe(Sample(121, 1_200), Sample(5, 300))
    assert effect.number_needed.is_conclusive
    pairs = [(found.first, found.second) for found in bilan.comparisons]
    assert pairs == [("SMS", "Témoins"), ("Appel", "Témoins"), ("SMS", "Appel")]
    assert all(found.p_adjusted >= found.p_value for found in bilan.comparisons)
    (euros,) = bilan.euros
    assert (euros.nature, euros.mean) == ("RAPPEL", 1_012)
    assert euros.difference_per_person == pytest.approx(1_012 * (121 / 1_200 - 5 / 300))
    assert euros.estimate == pytest.approx(euros.difference_per_person * 1_200)
    assert euros.estimate in euros.estimate_interval
    assert (bilan.cost.call_count, bilan.cost.call_minutes, bilan.cost.sms_segment_count) == (600, 3_600, 600)
    assert bilan.cost.sms_euros == pytest.approx(39.0)


# --- What must be said beside a result ---------------------------------------------------------------


def test_people_kept_by_exception_are_counted_in_every_wave_that_stands():
    campaign, _ = make_wave(LAUNCH, {"SMS": 20}, sensitive_override_reason="Barème changé")
    campaign.audiences.update(override_count=2)
    make_audience(campaign, night_on=LAUNCH + timedelta(days=1), override_count=1_200)
    make_audience(campaign, night_on=LAUNCH + timedelta(days=2), override_count=50, superseded_at=noon(LAUNCH))
    other, _ = make_wave(LAUNCH, {"SMS": 5})
    bilan = compute_campaign_bilan(campaign=campaign)
    assert bilan.override_count == 1_202
    assert any("par dérogation, déjà contactées sur ce thème sensible : 1\u202f202." in note for note in bilan.notes)
    assert compute_programme_bilan(programme=programme_of(campaign, other)).override_count == 1_202
    assert compute_campaign_bilan(campaign=other).override_count == 0
    assert "dérogation" not in " ".join(compute_campaign_bilan(campaign=other).notes)


# --- Not known is not 0 -----------------------------------------------------------------------------


def test_a_plan_that_expects_nothing_shows_no_result():
    """86 campaigns of 2019 published how many people were contacted and nothing else."""
    campaign, arms = make_wave(LAUNCH, {"SMS": 20})
    contact(arms["SMS"])
    attribute(campaign)
    bilan = compute_campaign_bilan(campaign=campaign)
    assert counts(bilan)["CONTACTED"] == 20
    assert [counts(bilan)[code] for code in ("CONSULTED", "FILED", "SETTLED")] == [None] * 3
    assert "Résultat non renseigné." in bilan.sentence
    assert "0" not in bilan.line("SETTLED").rate.text
    assert bilan.euros == ()
    assert any("attendue par le plan" in note for note in bilan.notes)


def test_results_are_unknown_until_the_feed_covers_them():
    kind = make_kind("PPA_OUVERTE", nature="MENSUEL")
    campaign, _ = make_wave(LAUNCH, {"TEMOIN": 10, "SMS": 20}, kinds=[kind])
    attribute(campaign)
    before = compute_campaign_bilan(campaign=campaign)
    assert counts(before)["SETTLED"] is None
    assert before.effects == ()
    assert "pas encore connus" in before.effect_text
    assert before.euros[0].mean is None
    assert "aucune régularisation reçue" in before.period.text

    feed([kind], LAUNCH - timedelta(days=1))
    assert counts(compute_campaign_bilan(campaign=campaign))["SETTLED"] is None
    feed([kind], LAUNCH + timedelta(days=10))
    during = compute_campaign_bilan(campaign=campaign)
    assert counts(during)["SETTLED"] == 0
    assert during.period.is_provisional
    feed([kind], LAUNCH + timedelta(days=60))
    after = compute_campaign_bilan(campaign=campaign)
    assert not after.period.is_provisional
    assert not after.effects[0].number_needed.is_conclusive
    assert "non concluant" in after.effect_text


def test_results_are_unknown_until_they_are_computed():
    kind = make_kind("PPA_OUVERTE")
    campaign, _ = make_wave(LAUNCH, {"SMS": 20}, kinds=[kind])
    feed([kind], LAUNCH + timedelta(days=10))
    bilan = compute_campaign_bilan(campaign=campaign)
    assert (counts(bilan)["CONTACTED"], counts(bilan)["SETTLED"]) == (None, None)
    assert any("20 personnes" in note for note in bilan.notes)


def test_a_campaign_without_audience():
    bilan = compute_campaign_bilan(campaign=make_campaign())
    assert counts(bilan)["TARGETED"] == 0
    assert bilan.line("TARGETED").rate.value is None
    assert bilan.period.text.startswith("Pas encore lancée")
    assert compute_programme_bilan(programme=programme_of()).campaigns == ()


# --- Who is counted ---------------------------------------------------------------------------------


def test_funnel_adds_up_with_exclusions():
    kind = make_kind("PPA_OUVERTE")
    campaign, arms = make_wave(LAUNCH, {"TEMOIN": 10, "SMS": 30}, kinds=[kind])
    audience = campaign.audiences.get()
    Member.objects.bulk_create(
        Member(audience=audience, campaign=campaign, allocataire=person, exclusion=reason)
        for person, reason in zip(make_allocataires(5), ["DECES"] * 2 + ["PRESSION"] * 3, strict=True)
    )
    contact(arms["SMS"][:20])
    contact(arms["SMS"][20:25], TouchStatus.UNDELIVERED)
    contact(arms["SMS"][25:], TouchStatus.SUPPRESSED)
    feed([kind], LAUNCH + timedelta(days=70))
    attribute(campaign)
    bilan = compute_campaign_bilan(campaign=campaign)

    found = counts(bilan)
    assert found == {
        "TARGETED": 45,
        "EXCLUDED": 5,
        "RETAINED": 40,
        "CONTROL": 10,
        "TO_CONTACT": 30,
        "CONTACTED": 25,
        "DELIVERED": 20,
        "CONSULTED": None,
        "FILED": None,
        "SETTLED": 0,
    }
    assert {line.code: line.rate.count for line in bilan.exclusions} == {"DECES": 2, "PRESSION": 3}
    assert sum(arm.size for arm in bilan.arms) == found["RETAINED"]
    (sms,) = bilan.reach
    assert (sms.planned_count, sms.contacted.count, sms.failed_count, sms.suppressed_count) == (30, 25, 5, 5)
    assert sms.addressable.count == 30


def test_a_programme_counts_each_person_once_under_her_first_draw():
    """Ten people are drawn in both campaigns: témoins of the first, contacted by the second."""
    kind = make_kind("PPA_OUVERTE", nature="MENSUEL")
    first, mine = make_wave(LAUNCH, {"TEMOIN": 20, "SMS": 40}, kinds=[kind])
    twice = [member.allocataire for member in mine["TEMOIN"][:5] + mine["SMS"][:5]]
    later = LAUNCH + timedelta(days=30)
    second, theirs = make_wave(later, {"SMS": 40, "TEMOIN": 10}, kinds=[kind], people=[*twice, *make_allocataires(40)])
    contact(mine["SMS"])
    contact(theirs["SMS"])
    source = feed([kind], LAUNCH + timedelta(days=100))
    regularise(source, theirs["SMS"][:10], kind, later + timedelta(days=10), [200] * 10)  # in both windows
    regularise(source, theirs["SMS"][10:13], kind, later + timedelta(days=50), [200] * 3)
    for campaign in (first, second):
        attribute(campaign, after=100)
    alone = [compute_campaign_bilan(campaign=campaign) for campaign in (first, second)]
    together = compute_programme_bilan(programme=programme_of(first, second))

    assert [counts(bilan)["SETTLED"] for bilan in alone] == [5, 13]
    assert [bilan.shared_count for bilan in alone] == [10, 5]
    assert counts(together)["TARGETED"] == 60 + 40
    arms = {arm.code: arm for arm in together.arms}
    assert (arms["TEMOIN"].size, arms["TEMOIN"].settled.count, arms["TEMOIN"].contacted.count) == (30, 5, 5)
    assert (arms["SMS"].size, arms["SMS"].settled.count) == (70, 5 + 3)
    assert sum(line.settled for line in together.campaigns) == 5 + 8
    assert together.effects[0].method == "Mantel-Haenszel"
    assert [stratum.treated.denominator for stratum in together.effects[0].strata] == [40, 30]
    assert sum(s.treated.count for s in together.effects[0].strata) == together.effects[0].treated.count
    assert together.euros[0].receiver_count == 8


def test_waves_of_one_campaign_count_a_returning_person_once():
    kind = make_kind("DTR", "DEMARCHE")
    campaign, arms = make_wave(LAUNCH, {"TEMOIN": 5, "SMS": 5}, kinds=[kind])
    later = LAUNCH + timedelta(days=90)
    back = [member.allocataire for member in arms["TEMOIN"] + arms["SMS"]]
    _, again = make_wave(later, {"TEMOIN": 5, "SMS": 5}, campaign=campaign, people=back)
    source = feed([kind], later + timedelta(days=60))
    regularise(source, again["SMS"], kind, later + timedelta(days=1))
    regularise(source, arms["SMS"][:2], kind, LAUNCH + timedelta(days=1))
    attribute(campaign, later)
    bilan = compute_campaign_bilan(campaign=campaign)

    assert counts(bilan)["TARGETED"] == 10
    assert (bilan.principal_stage, counts(bilan)["FILED"]) == ("DEMARCHE", 5)
    assert bilan.effects[0].treated.count == 2  # the clock of the effect is the first draw's
    assert bilan.period.closes_on == later + timedelta(days=60)


def test_superseded_audiences_are_left_out():
    campaign, _ = make_wave(LAUNCH, {"SMS": 5})
    campaign.audiences.update(superseded_at=noon(LAUNCH))
    people = make_allocataires(3)
    audience = make_audience(campaign, night_on=LAUNCH + timedelta(days=1))
    Member.objects.bulk_create(
        Member(audience=audience, campaign=campaign, allocataire=person, arm="SMS") for person in people
    )
    assert counts(compute_campaign_bilan(campaign=campaign))["TARGETED"] == 3


def test_curves_and_territories_add_up():
    kind = make_kind("PPA_OUVERTE")
    prades = make_commune("66149", "Prades", epci=make_epci("200049211", "Conflent-Canigó"))
    people = make_allocataires(30) + make_allocataires(10, commune=prades) + make_allocataires(2, commune=None)
    campaign, arms = make_wave(LAUNCH, {"SMS": 32, "TEMOIN": 10}, kinds=[kind], people=people)
    source = feed([kind], LAUNCH + timedelta(days=70))
    for at, member in enumerate(arms["SMS"][:9]):
        regularise(source, [member], kind, LAUNCH + timedelta(days=at))
    attribute(campaign)
    bilan = compute_campaign_bilan(campaign=campaign)

    control, sms, call = bilan.curves
    assert [point.count for point in sms.points] == list(range(1, 10))
    assert (sms.points[-1].day, sms.median_days, sms.size) == (8, 4, 32)
    assert (control.points, control.median_days, call.size) == ((), None, 0)
    assert {t.name for t in bilan.territories} == {
        "Commune inconnue",
        "Conflent-Canigó",
        "Perpignan Méditerranée Métropole",
    }
    assert sum(t.treated.count for t in bilan.territories) == counts(bilan)["SETTLED"] == 9
    assert sum(t.treated.denominator + t.control.denominator for t in bilan.territories) == 42


def test_natures_are_never_added():
    monthly, arrears = make_kind("PPA", nature="MENSUEL"), make_kind("ASF", nature="RAPPEL")
    campaign, arms = make_wave(LAUNCH, {"SMS": 10}, kinds=[monthly, arrears])
    source = feed([monthly, arrears], LAUNCH + timedelta(days=70))
    regularise(source, arms["SMS"][:4], monthly, LAUNCH, [100, 200, 300, 1000])
    regularise(source, arms["SMS"][2:5], arrears, LAUNCH, [1000, 2000, 3000])
    attribute(campaign)
    found = {
        e.nature: (e.receiver_count, e.mean, e.median, e.total) for e in compute_campaign_bilan(campaign=campaign).euros
    }
    assert found == {"MENSUEL": (4, 400, 250, 1_600), "RAPPEL": (3, 2_000, 2_000, 6_000)}


def test_few_queries_whatever_the_size(django_assert_max_num_queries):
    first, second = vie_maritale(LAUNCH, 50, 3), vie_maritale(LAUNCH + timedelta(days=7), 60, 3)
    programme = programme_of(first, second)
    with django_assert_max_num_queries(13):
        compute_programme_bilan(programme=programme)


# --- The command ------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("bilan", *arguments, stdout=out)
    return out.getvalue()


def test_json_is_stable_exact_and_readable():
    first, second = vie_maritale(LAUNCH, 80, 3), vie_maritale(LAUNCH + timedelta(days=7), 60, 2)
    programme_of(first, second)
    written = run("--json")
    assert written == run("--json")
    found: dict[str, Any] = json.loads(written)
    assert [bilan["name"] for bilan in found["campaigns"]] == [first.name, second.name]
    (together,) = found["programmes"]
    settled = next(line for line in together["funnel"] if line["code"] == "SETTLED")["rate"]
    assert (settled["count"], settled["value"]) == (5, 5 / 140)
    assert settled["text"] == "5 sur 140 (3,57\u00a0%)"
    filed = next(line for line in together["funnel"] if line["code"] == "FILED")["rate"]
    assert (filed["count"], filed["value"], filed["text"]) == (None, None, "non renseigné")


def test_one_campaign_or_one_programme():
    first, second = vie_maritale(LAUNCH, 8, 3), vie_maritale(LAUNCH + timedelta(days=7), 6, 2)
    programme_of(first, second)
    for wanted in (str(first.pk), first.name):
        found = json.loads(run("--json", "--campaign", wanted))
        assert ([b["code"] for b in found["campaigns"]], found["programmes"]) == ([str(first.pk)], [])
    found = json.loads(run("--json", "--programme", "essai"))
    assert ([b["code"] for b in found["programmes"]], found["campaigns"]) == (["essai"], [])
    for arguments in (["--campaign", "absente"], ["--campaign", "9" * 30], ["--programme", "absent"]):
        with pytest.raises(CommandError, match="Aucun"):
            run(*arguments)


def test_text_says_what_json_says():
    campaign = vie_maritale(LAUNCH, 80, 3)
    text = run()
    assert campaign.name in text
    assert "3 sur 80 (3,75\u00a0%)" in text
    assert NO_CONTROL in text


def test_nothing_to_say():
    assert "Aucune campagne" in run()
    assert json.loads(run("--json")) == {"campaigns": [], "programmes": []}
