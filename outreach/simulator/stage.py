"""What the demo's cast does, each act once: import a population, launch a campaign, live a night, send, call, import.

Each looks in the database whether it is done, so the demo can be stopped at any point and run again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from campaigns.enums import CampaignStatus, OutcomeStage, TrialStatus
from campaigns.lifecycle import approve_campaign, launch_campaign, resume_campaign, start_campaign, submit_campaign
from campaigns.models import Campaign, ImportStatus, Plan, PopulationImport, RegularisationKind, Segment, User, read_now
from campaigns.population_import import import_population
from campaigns.rules.trials import digest_text, list_messages
from campaigns.segments import count_matching
from outreach.enums import NightStatus, TouchStatus
from outreach.models import Call, Night, ProviderEvent, RegularisationImport, Reply, Touch
from outreach.regularisations import import_regularisations
from outreach.replies import handle_reply
from outreach.simulator.acts import Event, write_regularisations
from outreach.simulator.pace import Say, go_to, local, wait_until_none
from outreach.simulator.population import declare_attributes, write_population
from outreach.simulator.scenarios import TARGETS
from outreach.simulator.structure import Target
from outreach.simulator.team import make_calls
from outreach.trials import try_on_oneself

IN_FLIGHT = (TouchStatus.CLAIMED, TouchStatus.SENDING)
AWAITING_RECEIPT = (TouchStatus.SUBMITTED, TouchStatus.SENT)
# One extract a department: the day it was made, its people beside those of the scenarios.
EXTRACTS = {
    "01": (date(2020, 3, 2), 20_000),
    "66": (date(2023, 3, 1), 113_000),
    "48": (date(2023, 9, 11), 14_340),
}


@dataclass
class Stage:
    """What every part of the demo needs at hand."""

    folder: Path
    size: int
    say: Say
    team: dict[str, User] = field(default_factory=dict)


def import_extract(stage: Stage, department: str) -> None:
    """Invent a department's people and bring them in as a Caf would: a file, imported by the administrateur."""
    on, size = EXTRACTS[department]
    bring_in(stage, department, on=on, size=min(size, stage.size), targets=TARGETS.get(department, {}))


def bring_in(stage: Stage, department: str, *, on: date, size: int, targets: Mapping[str, Target]) -> None:
    """Invent ``size`` people, ``targets`` among them, and import them."""
    name = f"extrait-{department}-{on:%Y-%m-%d}.csv"
    if PopulationImport.objects.filter(file_name=name, status=ImportStatus.DONE).exists():
        return
    stage.say(f"Population {department} au {on:%d/%m/%Y} : {size} allocataires de synthèse")
    go_to(local(on, "18:00"))
    path = stage.folder / name
    declare_attributes(targets)
    write_population(path=path, department=department, size=size, on=on, seed=int(department), targets=targets)
    done = import_population(path=path, file_name=name, by=stage.team["administrateur"], now=read_now())
    stage.say(f"    {done.created_count} créés, {done.updated_count} modifiés, {done.rejected_count} rejetés")


def draft_campaign(
    stage: Stage,
    *,
    plan_code: str,
    department: str,
    name: str,
    starts_on: date,
    criteria: Mapping[str, Any] | None = None,
    **overrides: Any,
) -> Campaign:
    """The agent's draft of a plan, on ``criteria`` or on the plan's own public within a department.

    (The demo holds people of several Caf.)
    """
    campaign = Campaign.objects.filter(name=name).first()
    if campaign is not None:
        return campaign
    plan = Plan.objects.get(code=plan_code)
    segment, _ = Segment.objects.get_or_create(
        name=f"{plan.name} — {department}",
        defaults={
            "criteria": criteria or public_of(plan, department),
            "description": "Public du plan, dans le département.",
            "created_by": stage.team["agent"],
        },
    )
    return start_campaign(
        plan=plan,
        segment=segment,
        name=name,
        by=stage.team["agent"],
        now=read_now(),
        starts_on=starts_on,
        **overrides,
    )


def public_of(plan: Plan, department: str) -> dict[str, Any]:
    return {"all": [plan.criteria, {"field": "department", "op": "eq", "value": department}]}


def bring_to_launch(stage: Stage, campaign: Campaign) -> None:
    """From whatever state it was left in to launched."""
    agent, superviseur = stage.team["agent"], stage.team["superviseur"]
    if campaign.status == CampaignStatus.DRAFT:
        try_texts(stage, campaign)
        now = read_now()
        size = count_matching(campaign.segment.criteria, today=timezone.localdate(now))
        submit_campaign(campaign=campaign, by=agent, now=now, typed_size=size)
        campaign.refresh_from_db()
    if campaign.status == CampaignStatus.SUBMITTED:
        approve_campaign(campaign=campaign, by=superviseur, now=read_now())
        campaign.refresh_from_db()
    if campaign.status == CampaignStatus.APPROVED:
        size = campaign.expected_size or 0
        launch_campaign(campaign=campaign, by=superviseur, now=read_now(), typed_size=size)
        campaign.refresh_from_db()


def try_texts(stage: Stage, campaign: Campaign) -> None:
    """The agent sends herself each message; until an operator has taken it, nothing can be submitted."""
    for step in list_messages(campaign.steps.order_by("position")):
        received = campaign.trials.filter(status__in=TrialStatus.received(), text_digest=digest_text(step))
        if not received.exists():
            try_on_oneself(step=step, by=stage.team["agent"], now=read_now())


def run_night(stage: Stage, on: date) -> None:
    """Set the clock to the small hours and let beat and a worker find that the night is due."""
    if Night.objects.filter(on=on).exclude(status=NightStatus.RUNNING).exists():
        return
    go_to(local(on, "01:05"))

    def unfinished() -> int:
        return 0 if Night.objects.filter(on=on).exclude(status=NightStatus.RUNNING).exists() else 1

    wait_until_none(unfinished, label=f"nuit du {on:%d/%m/%Y}", say=stage.say)


def count_unsent(campaign: Campaign) -> int:
    """Messages that are due or on their way."""
    touches = Touch.objects.filter(campaign=campaign).exclude(channel="CALL")
    due = touches.filter(status=TouchStatus.PLANNED, due_at__lte=read_now()).count()
    return due + touches.filter(status__in=IN_FLIGHT).count()


def wait_for_sending(stage: Stage, campaign: Campaign) -> None:
    def unsent() -> int:
        _look_into_pause(stage, campaign)
        return count_unsent(campaign)

    def unanswered() -> int:
        return Touch.objects.filter(campaign=campaign, status__in=AWAITING_RECEIPT, channel="SMS").count()

    wait_until_none(unsent, label="à envoyer", say=stage.say)
    wait_until_none(unanswered, label="accusés attendus", say=stage.say)
    wait_until_none(ProviderEvent.objects.unapplied().count, label="messages de l’opérateur", say=stage.say)


def _look_into_pause(stage: Stage, campaign: Campaign) -> None:
    """A campaign whose figures are unlucky stops by itself: the superviseur reads why, then goes on."""
    if paused := Campaign.objects.filter(pk=campaign.pk, status=CampaignStatus.PAUSED).first():
        resume_campaign(campaign=paused, by=stage.team["superviseur"], now=read_now())
        stage.say("    La campagne s’était mise en pause d’elle-même : le superviseur a lu pourquoi, et l’a reprise")


def call_people(stage: Stage, campaign: Campaign, now: datetime) -> None:
    if Call.objects.filter(touch__campaign=campaign, done_at=None).exists():
        rung = make_calls(stage.team["agent"], now, at_most=10_000)
        stage.say(f"    {rung} appels passés le {now.astimezone():%d/%m/%Y}")


def read_replies(stage: Stage) -> None:
    """The agent reads what people answered; the last replies of the demo are left to whoever looks at it."""
    for reply in Reply.objects.filter(handled_at=None):
        handle_reply(reply=reply, by=stage.team["agent"], now=read_now())


def import_events(stage: Stage, key: str, events: Sequence[Event], *, until: date) -> None:
    """A day's file of régularisations, complete up to ``until`` (without any line, it says that nothing happened)."""
    name = f"regularisations-{key}-{until:%Y-%m-%d}.csv"
    if RegularisationImport.objects.filter(file_name=name).exists():
        return
    now = go_to(local(until + timedelta(days=1), "00:30"))
    path = stage.folder / name
    write_regularisations(path, events, until=until)
    done = import_regularisations(
        path=path, file_name=name, as_of=until, by=stage.team["administrateur"], now=now, kinds=_covered(events)
    )
    stage.say(f"    {done.created_count} régularisations nouvelles au {until:%d/%m/%Y}")


def _covered(events: Sequence[Event]) -> set[str]:
    """What the Caf's file is complete for. Visits are followed only where a report gives them: elsewhere, not known."""
    followed = RegularisationKind.objects.exclude(stage=OutcomeStage.CONSULTED).values_list("code", flat=True)
    return {*followed, *(event.kind for event in events)}
