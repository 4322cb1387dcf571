"""The freeze, on real PostgreSQL: who is left out and why, who is drawn, and that the draw can be done again."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from campaigns.audiences import (
    AudienceDrifted,
    DrawNotReplayable,
    freeze_audience,
    replay_draw,
)
from campaigns.enums import CONTROL_ARM, CampaignStatus, Channel, PlanMode
from campaigns.models import Audience, Campaign, Member
from tests.campaigns.frozen import TWO_ARM_STEPS, TWO_ARMS, freeze
from tests.factories import (
    NIGHT,
    NOW,
    make_allocataire,
    make_allocataires,
    make_commune,
    make_epci,
    make_plan,
    make_running_campaign,
    step_values,
)

pytestmark = pytest.mark.django_db


def arms_of(audience: Audience) -> Counter[str]:
    return Counter(audience.members.retained().values_list("arm", flat=True))


def test_everybody_reachable_is_retained_and_drawn_exactly():
    make_allocataires(787)
    audience = freeze(make_running_campaign(expected_size=787, control_share=Decimal("0.1")))
    assert (audience.targeted_count, audience.retained_count, audience.control_count) == (787, 787, 79)
    assert arms_of(audience) == {CONTROL_ARM: 79, "SMS": 708}
    assert audience.members.control().count() == 79
    assert audience.members.to_contact().count() == 708
    assert audience.fingerprint == audience.campaign.approved_fingerprint
    assert replay_draw(audience)


def make_nightly(**values) -> Campaign:
    plan = values.pop("plan", None) or make_plan(reentry_days=90)
    defaults = {"mode": PlanMode.NIGHTLY, "night_size_max": 100, "control_share": Decimal("0.1")}
    return make_running_campaign(expected_size=1, plan=plan, **{**defaults, **values})


def test_a_second_call_the_same_night_changes_nothing():
    make_allocataires(5)
    campaign = make_running_campaign(expected_size=5)
    first = freeze(campaign)
    make_allocataires(5)
    assert freeze(campaign) == first
    assert Member.objects.count() == 5


def test_a_single_audience_is_frozen_once():
    make_allocataires(5)
    campaign = make_running_campaign(expected_size=5)
    freeze(campaign)
    assert freeze_audience(campaign=campaign, night_on=NIGHT + timedelta(days=1), now=NOW) is None


def test_every_night_takes_whoever_newly_matches():
    campaign = make_nightly()
    make_allocataires(4)
    assert freeze(campaign).retained_count == 4
    tomorrow = NIGHT + timedelta(days=1)
    assert freeze_audience(campaign=campaign, night_on=tomorrow, now=NOW + timedelta(days=1)) is None
    make_allocataires(3)
    second = freeze(campaign, night=tomorrow, now=NOW + timedelta(days=1))
    assert (second.number, second.targeted_count) == (2, 3)


def test_one_comes_back_after_the_reentry_delay():
    campaign = make_nightly()
    make_allocataires(4)
    freeze(campaign)
    for days, expected in ((89, None), (90, 4)):
        night = NIGHT + timedelta(days=days)
        audience = freeze_audience(campaign=campaign, night_on=night, now=NOW + timedelta(days=days))
        assert (audience and audience.targeted_count) == expected


def test_remainders_are_carried_from_night_to_night_and_every_wave_can_be_drawn_again():
    campaign = make_nightly(arms=TWO_ARMS, steps=TWO_ARM_STEPS, control_share=Decimal("0.2"))
    waves = []
    for day in range(6):
        make_allocataires(7)
        waves.append(freeze(campaign, night=NIGHT + timedelta(days=day), now=NOW + timedelta(days=day)))
    total = sum((arms_of(wave) for wave in waves), Counter())
    assert total == {CONTROL_ARM: 8, "SMS": 17, "APPEL": 17}
    assert len({wave.seed for wave in waves}) == 6
    assert all(replay_draw(wave) for wave in waves)


def test_a_draw_that_was_tampered_with_does_not_replay():
    make_allocataires(30)
    audience = freeze(make_running_campaign(expected_size=30, control_share=Decimal("0.5")))
    Audience.objects.filter(pk=audience.pk).update(seed="une-autre-graine")
    audience.refresh_from_db()
    assert not replay_draw(audience)


def test_a_draw_stays_replayable_after_another_approval():
    make_allocataires(30)
    audience = freeze(make_running_campaign(expected_size=30, control_share=Decimal("0.3")))
    Campaign.objects.update(approved_fingerprint="autre", control_share=Decimal("0.1"), arms=TWO_ARMS)
    audience = Audience.objects.get()
    assert audience.shares == [[CONTROL_ARM, "3/10"], ["SMS", "7/10"]]
    assert replay_draw(audience)


def test_a_draw_older_than_its_kept_shares_says_that_it_cannot_be_done_again():
    make_allocataires(3)
    audience = freeze(make_running_campaign(expected_size=3))
    Audience.objects.update(shares=[])
    audience.refresh_from_db()
    assert replay_draw(audience)
    Campaign.objects.update(approved_fingerprint="autre")
    audience = Audience.objects.get()
    with pytest.raises(DrawNotReplayable, match="approuvée à nouveau"):
        replay_draw(audience)


@pytest.mark.parametrize(
    "values",
    [
        {"status": CampaignStatus.PAUSED},
        {"status": CampaignStatus.APPROVED},
        {"starts_on": NIGHT + timedelta(days=1)},
        {"ends_on": NIGHT - timedelta(days=1)},
    ],
)
def test_a_campaign_that_is_not_due_is_not_frozen(values):
    make_allocataires(2)
    campaign = make_running_campaign(expected_size=2)
    Campaign.objects.update(**values)
    assert freeze_audience(campaign=campaign, night_on=NIGHT, now=NOW) is None
    assert not Audience.objects.exists()


@pytest.mark.parametrize(("expected", "drifts"), [(20, False), (18, True), (19, False), (22, False), (23, True)])
def test_an_audience_that_drifted_goes_back_to_approval(expected, drifts):
    make_allocataires(20)
    campaign = make_running_campaign(expected_size=expected)
    if not drifts:
        assert freeze(campaign).targeted_count == 20
        return
    with pytest.raises(AudienceDrifted, match=f"viserait 20 personnes, pour {expected} approuvées"):
        freeze_audience(campaign=campaign, night_on=NIGHT, now=NOW)
    assert not Audience.objects.exists()


def test_an_audience_that_vanished_drifted():
    with pytest.raises(AudienceDrifted, match="viserait 0 personnes"):
        freeze_audience(campaign=make_running_campaign(expected_size=20), night_on=NIGHT, now=NOW)


def test_a_night_larger_than_its_maximum_is_refused():
    make_allocataires(4)
    with pytest.raises(AudienceDrifted, match="viserait 4 personnes cette nuit, pour 3 au plus"):
        freeze_audience(campaign=make_nightly(night_size_max=3), night_on=NIGHT, now=NOW)


def test_a_campaign_changed_since_its_approval_is_refused():
    make_allocataires(2)
    campaign = make_running_campaign(expected_size=2)
    campaign.steps.update(body="Un autre texte")
    with pytest.raises(AudienceDrifted, match="n’est plus celle qui a été approuvée"):
        freeze_audience(campaign=campaign, night_on=NIGHT, now=NOW)


def test_members_are_frozen_by_the_database():
    make_allocataires(2)
    freeze(make_running_campaign(expected_size=2))
    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        Member.objects.update(arm=CONTROL_ARM)


def test_strata_cross_territory_age_and_reach():
    perpignan = make_commune()
    ceret = make_commune("66049", "Céret", epci=make_epci("246600415", "Vallespir"))
    make_allocataires(12, commune=perpignan, born_on=date(1999, 3, 4))  # 26 years old
    make_allocataires(12, commune=ceret, born_on=date(1966, 3, 3), email="")  # 60 that very day
    make_allocataires(2, commune=None, born_on=None)
    steps = [step_values(), step_values(Channel.EMAIL, position=2)]
    audience = freeze(make_running_campaign(expected_size=26, steps=steps, control_share=Decimal("0.5")))
    by_stratum = Counter(audience.members.values_list("stratum", "arm"))
    assert by_stratum == {
        ("200027183 · 25-29 ans · EMAIL+SMS", CONTROL_ARM): 6,
        ("200027183 · 25-29 ans · EMAIL+SMS", "SMS"): 6,
        ("246600415 · 60 ans et plus · SMS", CONTROL_ARM): 6,
        ("246600415 · 60 ans et plus · SMS", "SMS"): 6,
        ("autres", CONTROL_ARM): 1,
        ("autres", "SMS"): 1,
    }


def test_the_night_is_the_caf_s_own_day():
    """Age and closed files are read on the night's date, whatever the instant of the machine."""
    person = make_allocataire(closed_on=date(2026, 3, 4))
    campaign = make_running_campaign(expected_size=1)
    late = datetime(2026, 3, 4, 1, 0, tzinfo=UTC)
    assert freeze(campaign, night=NIGHT, now=late).members.get(allocataire=person).exclusion == ""
