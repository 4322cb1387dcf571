"""The demo: the published campaigns played by the real product — real workers, operator, mail — in compressed time."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from campaigns.models import Audience, Campaign, ClockShift, Programme, read_now, set_clock
from campaigns.plan_catalogue import load_shipped_plans
from campaigns.territories import load_territories
from outreach.attribution import attribute_outcomes
from outreach.bilan import compute_campaign_bilan, compute_programme_bilan
from outreach.enums import TouchStatus
from outreach.models import Touch
from outreach.roles import load_roles
from outreach.simulator.acts import Event, play_acts
from outreach.simulator.outside import bring_in_list
from outreach.simulator.pace import Say, go_to, local
from outreach.simulator.present_day import play_present_day
from outreach.simulator.scenarios import Scenario, load_scenarios
from outreach.simulator.stage import (
    Stage,
    bring_to_launch,
    call_people,
    draft_campaign,
    import_events,
    import_extract,
    read_replies,
    run_night,
    wait_for_sending,
)
from outreach.simulator.team import create_accounts

BEGINS_AT = local(date(2020, 2, 28), "09:00")


def prepare_demo(*, say: Say) -> None:
    """What must stand before the workers start: reference data, plans, roles, accounts, and the clock of 2020."""
    say("Territoires, plans, rôles, comptes")
    load_territories()
    load_shipped_plans()
    load_roles()
    create_accounts()
    if not ClockShift.objects.exists():
        set_clock(BEGINS_AT)


def play_demo(*, folder: Path, size: int, say: Say) -> None:
    """Play each published campaign, then a present day. ``size``: people in the largest department."""
    stage = Stage(folder, size, say, team=create_accounts())
    folder.mkdir(parents=True, exist_ok=True)
    for scenario in load_scenarios():
        _play_scenario(stage, scenario)
    play_present_day(stage)
    _say_bilans(stage)


def _play_scenario(stage: Stage, scenario: Scenario) -> None:
    import_extract(stage, scenario.department)
    if scenario.imported:
        bring_in_list(stage, scenario.imported)
    stage.say(scenario.name)
    import_events(stage, scenario.key, [], until=scenario.launch_on - timedelta(days=1))
    campaign = _launch(stage, scenario)
    run_night(stage, scenario.launch_on)
    audience = Audience.objects.select_related("campaign").get(campaign=campaign, number=1)
    stage.say(f"    {audience.targeted_count} ciblés, {audience.retained_count} retenus")
    events = play_acts(audience, scenario.acts, campaign.window_days)
    _contact_everybody(stage, campaign, scenario.key, events)
    import_events(stage, scenario.key, events, until=audience.night_on + timedelta(days=campaign.window_days))
    attribute_outcomes(campaign=campaign, now=read_now())
    read_replies(stage)


def _launch(stage: Stage, scenario: Scenario) -> Campaign:
    """The agent builds and submits, the superviseur approves and launches, the day before."""
    if not Campaign.objects.filter(name=scenario.name).exists():
        go_to(local(scenario.launch_on - timedelta(days=1), "16:00"))
    campaign = draft_campaign(
        stage,
        plan_code=scenario.plan,
        department=scenario.department,
        name=scenario.name,
        starts_on=scenario.launch_on,
        criteria=_public_of(scenario),
        justification=scenario.hypotheses,
    )
    _join_programme(campaign, scenario)
    bring_to_launch(stage, campaign)
    return campaign


def _public_of(scenario: Scenario) -> dict[str, Any] | None:
    """The list that a scenario is about, less those who have had the prestation since."""
    if scenario.imported is None:
        return None
    return scenario.imported.criteria({"field": "prestation", "op": "has_not", "value": "PPA"})


def _join_programme(campaign: Campaign, scenario: Scenario) -> None:
    if scenario.programme:
        code, name = scenario.programme
        programme, _ = Programme.objects.get_or_create(code=code, defaults={"name": name})
        programme.campaigns.add(campaign)


def _contact_everybody(stage: Stage, campaign: Campaign, key: str, events: list[Event]) -> None:
    """Day after day while a contact waits: what people did comes in, the night runs, workers send, agents call."""
    while (due_on := _next_due_day(campaign)) is not None:
        day = max(due_on, timezone.localdate(read_now()))
        import_events(stage, key, events, until=day - timedelta(days=1))
        run_night(stage, day)
        call_people(stage, campaign, go_to(local(day, "10:05")))
        wait_for_sending(stage, campaign)
        go_to(local(day + timedelta(days=1), "00:05"))


def _next_due_day(campaign: Campaign) -> date | None:
    waiting = Touch.objects.filter(campaign=campaign, status=TouchStatus.PLANNED).order_by("due_at")
    due_at = waiting.values_list("due_at", flat=True).first()
    return due_at and timezone.localdate(due_at)


def _say_bilans(stage: Stage) -> None:
    """The sentence of each bilan, as the rapport d’activité would carry it. All figures: ``./dev manage bilan``."""
    stage.say("Bilans")
    for programme in Programme.objects.order_by("pk"):
        stage.say(f"  {programme.name} : {compute_programme_bilan(programme=programme).sentence}")
    for campaign in Campaign.objects.filter(name__in=[s.name for s in load_scenarios()]).order_by("pk"):
        stage.say(f"  {campaign.name} : {compute_campaign_bilan(campaign=campaign).sentence}")
