"""A programme’s bilan: nothing is compared across its campaigns, whatever their sizes and shares of témoins."""

from datetime import date, timedelta

import pytest

from campaigns.models import Campaign, Programme
from outreach.attribution import attribute_outcomes
from outreach.bilan import compute_programme_bilan
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
    assert "pour les 100 personnes à contacter des campagnes qui ont des témoins" in euros.text


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
