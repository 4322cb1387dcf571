"""A programme’s bilan: nothing is compared across its campaigns, whatever their sizes and shares of témoins."""

from datetime import date, timedelta

import pytest

from campaigns.models import Campaign, Programme, RegularisationKind
from outreach.attribution import attribute_outcomes
from outreach.bilan import compute_campaign_bilan, compute_programme_bilan
from tests.outreach.bilan_worlds import feed, make_kind, make_wave, noon, regularise

pytestmark = pytest.mark.django_db

LAUNCH = date(2026, 3, 3)


def attribute(campaign: Campaign) -> None:
    attribute_outcomes(campaign=campaign, now=noon(LAUNCH + timedelta(days=80)))


def programme_of(*campaigns: Campaign) -> Programme:
    programme = Programme.objects.create(name="Programme d’essai", code="essai")
    programme.campaigns.set(campaigns)
    return programme


def test_amounts_of_a_campaign_without_temoins_are_no_effect_of_a_programme():
    """Contacted only: what its people received says nothing of what contacting changed."""
    kind = make_kind("PPA_OUVERTE", nature="MENSUEL")
    observed, alone = make_wave(LAUNCH, {"SMS": 100}, kinds=[kind])
    measured, drawn = make_wave(LAUNCH, {"SMS": 100, "TEMOIN": 100}, kinds=[kind])
    source = feed([kind], LAUNCH + timedelta(days=80))
    regularise(source, alone["SMS"][:50], kind, LAUNCH + timedelta(days=5), [300] * 50)
    for arm in ("SMS", "TEMOIN"):
        regularise(source, drawn[arm][:10], kind, LAUNCH + timedelta(days=5), [200] * 10)
    for campaign in (observed, measured):
        attribute(campaign)
    (euros,) = compute_programme_bilan(programme=programme_of(observed, measured)).euros
    assert (euros.receiver_count, euros.total) == (60, 17_000)
    assert (euros.difference_per_person, euros.estimate) == (0, 0)
    assert euros.estimate_interval.low < 0 < euros.estimate_interval.high
    assert "pour les 100 personnes à contacter des vagues qui ont des témoins" in euros.text


def test_each_campaign_of_a_programme_is_compared_with_its_own_temoins():
    """Few témoins where many open a right, many where few do: pooled, two campaigns without effect would show one."""
    kind = make_kind("PPA_OUVERTE", nature="MENSUEL")
    rich, many = make_wave(LAUNCH, {"SMS": 300, "APPEL": 100, "TEMOIN": 100}, kinds=[kind])
    poor, few = make_wave(LAUNCH, {"SMS": 100, "TEMOIN": 100}, kinds=[kind])
    source = feed([kind], LAUNCH + timedelta(days=80))
    for members, share in ((many, 0.3), (few, 0.1)):
        for people in members.values():
            size = round(share * len(people))
            regularise(source, people[:size], kind, LAUNCH + timedelta(days=5), [200] * size)
    for campaign in (rich, poor):
        attribute(campaign)
    bilan = compute_programme_bilan(programme=programme_of(rich, poor))
    (euros,) = bilan.euros
    assert euros.estimate == pytest.approx(0)
    found = {(pair.first, pair.second): pair for pair in bilan.comparisons}
    assert set(found) == {("SMS", "Témoins"), ("Appel", "Témoins"), ("SMS", "Appel")}
    for pair in found.values():
        assert pair.difference == pytest.approx(0)
        assert pair.p_value == pytest.approx(1)


def waves_of_two_draws(kind: RegularisationKind) -> Campaign:
    """Nothing changes for anybody: 30 % open a right in the first wave, 10 % in the second, témoins or not."""
    campaign, first = make_wave(LAUNCH, {"SMS": 300, "APPEL": 60, "TEMOIN": 40}, kinds=[kind])
    campaign.audiences.update(shares=[["TEMOIN", "1/10"]])
    _, second = make_wave(LAUNCH + timedelta(days=1), {"SMS": 100, "APPEL": 20, "TEMOIN": 120}, campaign=campaign)
    campaign.audiences.filter(number=2).update(shares=[["TEMOIN", "1/2"]])
    source = feed([kind], LAUNCH + timedelta(days=80))
    for members, share in ((first, 0.3), (second, 0.1)):
        for people in members.values():
            size = round(share * len(people))
            regularise(source, people[:size], kind, LAUNCH + timedelta(days=5), [200] * size)
    attribute(campaign)
    return campaign


def test_waves_drawn_with_other_shares_are_compared_each_with_itself() -> None:
    """Approved again with more témoins: pooled, the calmer weeks would weigh more on their side."""
    campaign = waves_of_two_draws(make_kind("PPA_OUVERTE", nature="MENSUEL"))
    bilan = compute_campaign_bilan(campaign=campaign)
    (effect,) = bilan.effects
    assert effect.method == "Mantel-Haenszel"
    assert effect.difference == pytest.approx(0)
    assert effect.strata == (), "one campaign is one line"
    assert (effect.treated.denominator, effect.control.denominator) == (480, 160)
    assert bilan.euros[0].estimate == pytest.approx(0)
    assert all(pair.difference == pytest.approx(0) for pair in bilan.comparisons)
    assert len(bilan.campaigns) == 1


def test_waves_without_temoins_measure_no_effect() -> None:
    kind = make_kind("PPA_OUVERTE", nature="MENSUEL")
    campaign, first = make_wave(LAUNCH, {"SMS": 100}, kinds=[kind])
    make_wave(LAUNCH + timedelta(days=1), {"SMS": 50, "TEMOIN": 50}, campaign=campaign)
    campaign.audiences.filter(number=2).update(shares=[["TEMOIN", "1/2"]])
    regularise(feed([kind], LAUNCH + timedelta(days=80)), first["SMS"], kind, LAUNCH + timedelta(days=5), [200] * 100)
    attribute(campaign)
    bilan = compute_campaign_bilan(campaign=campaign)
    assert bilan.effects[0].difference == 0
    assert bilan.effects[0].treated.denominator == 50
    assert bilan.line("SETTLED").rate.count == 100
    assert bilan.euros[0].estimate == 0
    assert "pour les 50 personnes à contacter des vagues qui ont des témoins" in bilan.euros[0].text
