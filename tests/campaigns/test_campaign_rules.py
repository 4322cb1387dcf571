"""The rules of its plan are a campaign’s own once submitted: part of what is approved, changed by no later plan."""

from typing import Any

import pytest

from campaigns.candidates import build_candidates
from campaigns.enums import PlanMode
from campaigns.lifecycle import (
    MoveRefused,
    approve_campaign,
    current_fingerprint,
    launch_campaign,
    send_back_campaign,
    start_campaign,
    submit_campaign,
)
from campaigns.models import Campaign, Plan, RegularisationKind, User
from campaigns.rules.lifecycle import find_return_problems
from outreach.roles import SUPERVISEUR
from tests.factories import NIGHT, NOW, make_allocataires, make_plan, make_segment, make_user, try_texts
from tests.pages import make_colleague, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> User:
    return make_user("agent")


@pytest.fixture
def superviseur() -> User:
    return make_user("superviseur")


@pytest.fixture
def draft(agent: User) -> Campaign:
    make_allocataires(3)
    campaign = start_campaign(plan=make_plan(), segment=make_segment(), name="Essai", by=agent, now=NOW)
    try_texts(campaign)
    return campaign


def submit(campaign: Campaign, agent: User) -> Campaign:
    return submit_campaign(campaign=campaign, by=agent, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"reentry_days": 1},
        {"is_sensitive": True, "sensitive_days": 3650},
        {"is_exempt_from_cap": True},
        {"allows_resend": True},
        {"theme": "autre"},
    ],
)
def test_a_plan_changed_after_submission_changes_no_campaign(
    draft: Campaign, agent: User, superviseur: User, change: dict[str, Any]
) -> None:
    kind = RegularisationKind.objects.create(code="FAIT", label="Fait", stage="ABOUTI")
    draft.plan.expected_kinds.add(kind)
    submit(draft, agent)
    draft.plan.expected_kinds.clear()
    Plan.objects.filter(pk=draft.plan_id).update(**change)
    approve_campaign(campaign=draft, by=superviseur, now=NOW)
    campaign = Campaign.objects.get(pk=launch_campaign(campaign=draft, by=superviseur, now=NOW, typed_size=3).pk)
    assert campaign.expected_kinds == ["FAIT"]
    assert not any(getattr(campaign, name) == value for name, value in change.items())
    assert current_fingerprint(campaign) == campaign.approved_fingerprint


def test_a_draft_follows_its_plan_until_it_is_submitted(draft: Campaign, agent: User, superviseur: User) -> None:
    Plan.objects.filter(pk=draft.plan_id).update(reentry_days=12)
    assert submit(draft, agent).reentry_days == 12
    Plan.objects.filter(pk=draft.plan_id).update(reentry_days=34)
    send_back_campaign(campaign=draft, by=superviseur, now=NOW, reason="Le plan a changé.")
    assert submit(draft, agent).reentry_days == 34


@pytest.mark.parametrize(
    "rule",
    [
        {"theme": "autre"},
        {"reentry_days": 1},
        {"is_sensitive": True},
        {"sensitive_days": 1},
        {"is_exempt_from_cap": True},
        {"allows_resend": True},
        {"expected_kinds": ["AUTRE"]},
    ],
)
def test_rules_written_over_an_approval_void_it(
    draft: Campaign, agent: User, superviseur: User, rule: dict[str, Any]
) -> None:
    submit(draft, agent)
    approve_campaign(campaign=draft, by=superviseur, now=NOW)
    Campaign.objects.filter(pk=draft.pk).update(**rule)
    with pytest.raises(MoveRefused, match="plus celle qui a été approuvée"):
        launch_campaign(campaign=draft, by=superviseur, now=NOW, typed_size=3)


def test_a_campaign_approved_before_its_rules_were_pinned_keeps_its_approval(draft: Campaign) -> None:
    draft.pins_rules = False
    before = current_fingerprint(draft)
    draft.reentry_days = 1
    assert current_fingerprint(draft) == before


def test_what_is_simulated_of_a_draft_follows_its_plan(draft: Campaign) -> None:
    """The page of a draft says what would be submitted now."""
    Plan.objects.filter(pk=draft.plan_id).update(is_exempt_from_cap=True)
    fresh = Campaign.objects.select_related("plan").get(pk=draft.pk)
    build_candidates(campaign=fresh, criteria=fresh.segment.criteria, night_on=NIGHT, now=NOW)
    assert fresh.is_exempt_from_cap


def test_a_temoin_does_not_come_back_while_she_is_measured(agent: User) -> None:
    """Drawn again by a later wave of her own campaign, she would be contacted as a témoin of the first."""
    make_allocataires(3)
    plan = make_plan(mode=PlanMode.NIGHTLY, control_share="0.1", reentry_days=30, window_days=30)
    campaign = start_campaign(
        plan=plan, segment=make_segment(), name="Chaque nuit", by=agent, now=NOW, night_size_max=10
    )  # fmt: skip
    try_texts(campaign)
    with pytest.raises(MoveRefused, match="30 jours, alors que les témoins sont suivis 30 jours"):
        submit(campaign, agent)
    Campaign.objects.filter(pk=campaign.pk).update(window_days=29)
    assert submit(campaign, agent).expected_size == 3


@pytest.mark.parametrize(
    ("is_nightly", "has_control", "reentry_days", "window_days", "is_wrong"),
    [(True, True, 30, 30, True), (True, True, 31, 30, False), (True, False, 0, 60, False), (False, True, 0, 60, False)],
)
def test_only_waves_with_temoins_can_overlap(
    is_nightly: bool, has_control: bool, reentry_days: int, window_days: int, is_wrong: bool
) -> None:
    found = find_return_problems(
        is_nightly=is_nightly, has_control=has_control, reentry_days=reentry_days, window_days=window_days
    )
    assert bool(found) == is_wrong


def test_the_page_says_the_rules_that_are_approved(draft: Campaign, agent: User) -> None:
    kind = RegularisationKind.objects.create(code="FAIT", label="Situation déclarée", stage="ABOUTI")
    draft.plan.expected_kinds.add(kind)
    submit(draft, agent)
    Plan.objects.filter(pk=draft.plan_id).update(reentry_days=7, is_sensitive=True)
    page = sign_in(make_colleague(SUPERVISEUR)).get(f"/campaigns/campaign/{draft.pk}/change/").content.decode()
    assert "Retour possible après 90 jours" in page
    assert "Régularisations attendues : Situation déclarée." in page
    assert "sensible : " not in page
