"""A day to look at when the demo is served: nightly campaigns at work, calls to make, one to approve."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from campaigns.enums import CampaignStatus, PlanMode
from campaigns.lifecycle import submit_campaign
from campaigns.models import Campaign, Plan, read_now
from outreach.models import CallAttempt
from outreach.simulator.lists import ASF_LOZERE
from outreach.simulator.outside import bring_in_list, entrust_calls, send_back_letters
from outreach.simulator.pace import go_to, local
from outreach.simulator.stage import (
    Stage,
    bring_to_launch,
    draft_campaign,
    import_events,
    import_extract,
    public_of,
    run_night,
    try_texts,
    wait_for_sending,
)
from outreach.simulator.team import make_calls

TODAY = date(2023, 9, 12)
DEPARTMENT = "48"
NIGHT_SIZE_MAX = 2_000
MORNING_CALLS = 12
LAUNCHED = {  # plan: (name, part of témoins)
    "dtr-rappel": ("Rappel de la déclaration trimestrielle (Lozère)", "0.200"),
    "bienvenue-ppa": ("Bienvenue aux nouveaux bénéficiaires de la prime d’activité (Lozère)", "0"),
    "asf-parents-separes": ("ASF, parents séparés : appel ou SMS (Lozère)", "0.200"),
    "separation": ("Séparation : faire le point ensemble (Lozère)", "0.100"),
}
LISTED, ANNOUNCED, WITH_LETTERS = "asf-parents-separes", "separation", "bienvenue-ppa"
TO_APPROVE = ("quittance-loyer", "Quittances de loyer attendues (Lozère)")
TO_FINISH = ("boursiers", "Étudiants boursiers (Lozère)")


def play_present_day(stage: Stage) -> None:
    """Tuesday 12 September 2023 in Lozère: last night has run, the morning's messages are leaving."""
    import_extract(stage, DEPARTMENT)
    stage.say(f"Le jour présent : {TODAY:%d/%m/%Y}, en Lozère")
    import_events(stage, "lozere", [], until=TODAY - timedelta(days=2))
    go_to(local(TODAY - timedelta(days=1), "15:00"))
    bring_in_list(stage, ASF_LOZERE)
    launched = [_launch(stage, plan, name, share) for plan, (name, share) in LAUNCHED.items()]
    _leave_to_others(stage)
    run_night(stage, TODAY)
    go_to(local(TODAY, "10:05"))
    for campaign in launched:
        wait_for_sending(stage, campaign)
    if not CallAttempt.objects.filter(call__listed_on=TODAY).exists():
        make_calls(stage.team["agent"], read_now(), at_most=MORNING_CALLS)
    entrust_calls(stage, local(TODAY, "19:00"))
    send_back_letters(stage, next(campaign for campaign in launched if campaign.plan.code == WITH_LETTERS))


def _launch(stage: Stage, plan: str, name: str, control_share: str) -> Campaign:
    options = {**_public_of(plan), "announces_calls": plan == ANNOUNCED}
    campaign = _draft(stage, plan, name, control_share=Decimal(control_share), **options)
    bring_to_launch(stage, campaign)
    return campaign


def _public_of(plan_code: str) -> dict[str, Any]:
    """A public of one's own: a list rather than flags; a segment that leaves out the people of another."""
    if plan_code == LISTED:
        return {"criteria": ASF_LOZERE.criteria({"field": "prestation", "op": "has_not", "value": "ASF"})}
    if plan_code != ANNOUNCED:
        return {}
    listed = Campaign.objects.get(name=LAUNCHED[LISTED][0]).segment_id
    beside = {"field": "segment", "op": "not_in", "value": [str(listed)]}
    return {"criteria": {"all": [*public_of(Plan.objects.get(code=plan_code), DEPARTMENT)["all"], beside]}}


def _leave_to_others(stage: Stage) -> None:
    """One campaign waits for the superviseur, one draft for the agent."""
    waiting = _draft(stage, *TO_APPROVE)
    if waiting.status == CampaignStatus.DRAFT:
        try_texts(stage, waiting)
        submit_campaign(campaign=waiting, by=stage.team["agent"], now=read_now())
    _draft(stage, *TO_FINISH)


def _draft(stage: Stage, plan_code: str, name: str, **overrides: Any) -> Campaign:
    """A draft of today; a plan of every night is held to ``NIGHT_SIZE_MAX`` people."""
    if Plan.objects.get(code=plan_code).mode == PlanMode.NIGHTLY:
        overrides["night_size_max"] = NIGHT_SIZE_MAX
    return draft_campaign(stage, plan_code=plan_code, department=DEPARTMENT, name=name, starts_on=TODAY, **overrides)
