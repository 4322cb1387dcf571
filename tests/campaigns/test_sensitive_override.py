"""A superviseur may let a campaign come back to people on a sensitive theme: with a reason, approved, counted."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from campaigns.audiences import freeze_audience
from campaigns.enums import CampaignStatus, Exclusion
from campaigns.lifecycle import (
    MoveRefused,
    approve_campaign,
    current_fingerprint,
    override_sensitive_theme,
    submit_campaign,
)
from campaigns.models import Audience, Campaign, CampaignMove
from campaigns.simulation import simulate_campaign
from tests.factories import (
    NIGHT,
    NOW,
    make_allocataires,
    make_campaign,
    make_contact_fact,
    make_plan,
    make_running_campaign,
    make_user,
    try_texts,
)

pytestmark = pytest.mark.django_db
REASON = "Le barème a changé le 1er mars."


@pytest.fixture
def contacted() -> Campaign:
    """A draft of a sensitive plan, on five people of whom two were contacted on this theme a year ago."""
    plan = make_plan(is_sensitive=True, theme="vie-maritale")
    people = make_allocataires(5)
    former = make_campaign(plan=plan)
    for person in people[:2]:
        make_contact_fact(person, former, at=NOW - timedelta(days=365))
    return make_campaign(plan=plan)


def test_the_reason_is_kept_logged_and_approved_with_the_rest(contacted: Campaign) -> None:
    before, superviseur = current_fingerprint(contacted), make_user()
    kept = override_sensitive_theme(campaign=contacted, by=superviseur, now=NOW, reason=f" {REASON} ")
    kept.refresh_from_db()
    assert (kept.sensitive_override_reason, kept.sensitive_override_by) == (REASON, superviseur)
    assert kept.sensitive_override_at == NOW
    assert kept.status == CampaignStatus.DRAFT
    assert current_fingerprint(kept) != before
    move = CampaignMove.objects.get()
    assert (move.move, move.by, move.reason.strip()) == ("OVERRIDE", superviseur, REASON)


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({}, " ", "dites pourquoi"),
        ({"status": CampaignStatus.SUBMITTED}, REASON, "son état est « Soumise »"),
        ({"status": CampaignStatus.RUNNING}, REASON, "son état est « En cours »"),
    ],
)
def test_what_is_refused(contacted: Campaign, changes: dict, reason: str, said: str) -> None:
    Campaign.objects.filter(pk=contacted.pk).update(**changes)
    with pytest.raises(MoveRefused, match=said):
        override_sensitive_theme(campaign=contacted, by=make_user(), now=NOW, reason=reason)
    contacted.refresh_from_db()
    assert contacted.sensitive_override_reason == ""


def test_whoever_lifts_the_delay_does_not_approve_it(contacted: Campaign) -> None:
    superviseur = make_user()
    kept = override_sensitive_theme(campaign=contacted, by=superviseur, now=NOW, reason=REASON)
    try_texts(kept)
    submit_campaign(campaign=kept, by=make_user(), now=NOW)
    with pytest.raises(MoveRefused, match="Une autre personne doit le faire"):
        approve_campaign(campaign=kept, by=superviseur, now=NOW)
    approve_campaign(campaign=kept, by=make_user(), now=NOW)


def test_a_plan_that_is_not_sensitive_has_nothing_to_override() -> None:
    with pytest.raises(MoveRefused, match="n’est pas sensible"):
        override_sensitive_theme(campaign=make_campaign(), by=make_user(), now=NOW, reason=REASON)


def test_the_simulation_says_how_many_it_would_bring_back(contacted: Campaign) -> None:
    before = simulate_campaign(campaign=contacted, now=NOW)
    assert [(row.code, row.people) for row in before.exclusions] == [(Exclusion.SENSITIVE_THEME, 2)]
    kept = override_sensitive_theme(campaign=contacted, by=make_user(), now=NOW, reason=REASON)
    after = simulate_campaign(campaign=kept, now=NOW)
    assert (before.overridden, after.overridden, after.retained, after.exclusions) == (0, 2, 5, [])


@pytest.mark.parametrize(("reason", "retained", "overridden"), [("", 3, 0), (REASON, 5, 2)])
def test_the_freeze_honours_and_counts_it(contacted: Campaign, reason: str, retained: int, overridden: int) -> None:
    campaign = make_running_campaign(plan=contacted.plan, expected_size=5, sensitive_override_reason=reason)
    audience = freeze_audience(campaign=campaign, night_on=NIGHT, now=NOW)
    assert audience
    assert (audience.targeted_count, audience.retained_count, audience.override_count) == (5, retained, overridden)


def test_the_draw_is_proved_from_its_seed(capsys: pytest.CaptureFixture[str]) -> None:
    make_allocataires(40)
    campaign = make_running_campaign(expected_size=40, control_share="0.25")
    audience = freeze_audience(campaign=campaign, night_on=NIGHT, now=NOW)
    assert audience
    call_command("replay_draw", campaign=campaign.pk)
    said = capsys.readouterr().out
    assert "40 personnes, SMS 30, témoins 10" in said
    assert f"Graine {audience.seed} : tirage refait, identique." in said
    assert "le tirage de 1 vague(s) est prouvé" in said
    Audience.objects.update(seed="une-autre-graine")
    with pytest.raises(CommandError, match="non prouvé pour la ou les vagues 1"):
        call_command("replay_draw", campaign=campaign.pk)
    assert "DIFFÉRENT" in capsys.readouterr().out
    with pytest.raises(CommandError, match="n° 0 n’existe pas"):
        call_command("replay_draw", campaign=0)
