"""The load run: as many messages as asked, planned by a real night and sent by real workers while people refuse.

Nothing here sends, applies or repairs: it plays the team (import, launch, decide of doubts) and the people (STOP),
moves the clock when nothing is in flight, and waits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from django.conf import settings

from campaigns.enums import Channel, OppositionSource
from campaigns.models import Campaign, Opposition, read_now
from campaigns.oppositions import record_opposition
from campaigns.plan_catalogue import import_plans, read_shipped_plans
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch
from outreach.reconciliation import resolve_touch
from outreach.rules.retry import LOOKUPS_BEFORE_RESEND, SILENCE_BEFORE_RESEND, Resolution
from outreach.simulator.operator_desk import OperatorDesk
from outreach.simulator.pace import go_to, local, wait_until_none
from outreach.simulator.population import declare_attributes
from outreach.simulator.stage import (
    Stage,
    bring_in,
    bring_to_launch,
    count_unsent,
    draft_campaign,
    import_events,
    run_night,
    wait_for_sending,
)
from outreach.simulator.structure import ALONE, COUPLE, COUPLE_WITH_CHILDREN, SINGLE_PARENT, Target

DAY = date(2026, 3, 3)  # a Tuesday
DEPARTMENT = "66"
PLAN, MODEL, ATTRIBUTE = "essai-charge", "ppa-datamining", "ciblage_charge"
HOUSEHOLDS = (ALONE, SINGLE_PARENT, COUPLE_WITH_CHILDREN, COUPLE)
OPPOSED_SHARE = STOP_SHARE = 0.01
SEED = 20260303
MOODS = ("throttled", "error_before", "error_after", "reset_after")
PATIENCE_SECONDS = 300  # a dead worker's leases last two minutes
ROUNDS = 20


@dataclass
class Observed:
    """What was seen from outside while it ran. ``refused_by``: when each person's refusal was first seen in force."""

    opposed: set[int] = field(default_factory=set)  # refused before anything was sent
    stops: list[str] = field(default_factory=list)  # numbers that wrote STOP while others were being sent to
    refused_by: dict[int, datetime] = field(default_factory=dict)
    doubts: set[int] = field(default_factory=set)
    resent: int = 0


def play_load(stage: Stage, *, messages: int) -> tuple[Campaign, Observed]:
    """From an empty database to a campaign entirely sent and answered. The workers must be running."""
    campaign = _prepare(stage, messages)
    run_night(stage, DAY)
    stage.say(f"    {Touch.objects.filter(campaign=campaign).count()} contacts prévus par la nuit")
    observed = Observed()
    _oppose_some(campaign, observed)
    _send_while_people_refuse(stage, campaign, observed)
    _settle(stage, campaign, observed)
    wait_for_sending(stage, campaign)
    return campaign, observed


def _prepare(stage: Stage, messages: int) -> Campaign:
    target = Target(messages, ATTRIBUTE, households=HOUSEHOLDS)
    bring_in(
        stage, DEPARTMENT, on=DAY - timedelta(days=2), size=messages + messages // 10 + 200, targets={"charge": target}
    )
    declare_attributes({"charge": target})
    _derive_plan()
    import_events(stage, PLAN, [], until=DAY - timedelta(days=2))
    campaign = draft_campaign(
        stage, plan_code=PLAN, department=DEPARTMENT, name="Essai de charge", starts_on=DAY, control_share=0
    )
    bring_to_launch(stage, campaign)
    return campaign


def _derive_plan() -> None:
    """A shipped plan, reduced to its SMS and to the people made for this run."""
    shipped = read_shipped_plans()
    plan = next(plan for plan in shipped["plans"] if plan["code"] == MODEL)
    steps = [step for step in plan["steps"] if step["channel"] == Channel.SMS]
    criteria = {"all": [{"field": f"extra.{ATTRIBUTE}", "op": "eq", "value": True}]}
    mine = {**plan, "code": PLAN, "name": "Essai de charge", "criteria": criteria, "steps": steps}
    import_plans({**shipped, "plans": [mine]})


def _oppose_some(campaign: Campaign, observed: Observed) -> None:
    """Recorded by the team once the night has planned: only sending itself can stop these."""
    people = sorted(Touch.objects.filter(campaign=campaign).values_list("allocataire_id", flat=True))
    observed.opposed = set(Random(SEED).sample(people, round(OPPOSED_SHARE * len(people))))  # noqa: S311 — replayable
    record_opposition(allocataire_ids=observed.opposed, source=OppositionSource.CALL, now=read_now())
    _watch(campaign, observed)


def _watch(campaign: Campaign, observed: Observed) -> None:
    """Note who is in doubt, and whose refusal is in force: an intent after the instant noted is a fault."""
    doubts = Touch.objects.filter(campaign=campaign, status=TouchStatus.UNCONFIRMED)
    observed.doubts.update(doubts.values_list("pk", flat=True))
    refused = set(Opposition.objects.active().values_list("allocataire_id", flat=True))
    now = read_now()
    for person in refused - {None}:
        observed.refused_by.setdefault(person, now)


def _send_while_people_refuse(stage: Stage, campaign: Campaign, observed: Observed) -> None:
    """In the window at last. As messages leave, people write STOP, be it before or after theirs."""
    desk = OperatorDesk(settings.TWILIO_API_URL)
    waiting = Touch.objects.filter(campaign=campaign, status=TouchStatus.PLANNED).order_by("pk")
    numbers = list(waiting.values_list("destination", flat=True))
    # Another draw than that of the opposed: in the order of people, the same seed would name the same ones.
    total, writers = len(numbers), Random(SEED + 1).sample(numbers, round(STOP_SHARE * len(numbers)))  # noqa: S311
    go_to(local(DAY, "10:05"))

    def remaining() -> int:
        left = count_unsent(campaign)
        _watch(campaign, observed)
        while len(observed.stops) < min(len(writers), len(writers) * 1.2 * (1 - left / total)):
            observed.stops.append(writers[len(observed.stops)])
            desk.write_as(observed.stops[-1], "STOP")
        return left

    wait_until_none(remaining, label="à envoyer", say=stage.say, timeout_seconds=PATIENCE_SECONDS)


def _settle(stage: Stage, campaign: Campaign, observed: Observed) -> None:
    """What was refused for a moment leaves later; what is in doubt is searched for, then decided by the superviseur."""
    touches = Touch.objects.filter(campaign=campaign)
    for _ in range(ROUNDS):
        _wait(stage, campaign, observed, lambda: count_unsent(campaign), "à envoyer")
        later = touches.filter(status=TouchStatus.PLANNED).order_by("due_at").first()
        if later:
            go_to(later.due_at)
        elif touches.filter(status=TouchStatus.UNCONFIRMED).exists():
            _decide_doubts(stage, campaign, observed)
        else:
            return


def _decide_doubts(stage: Stage, campaign: Campaign, observed: Observed) -> None:
    doubts = Attempt.objects.filter(touch__campaign=campaign, touch__status=TouchStatus.UNCONFIRMED)
    doubts = doubts.filter(status=AttemptStatus.UNCONFIRMED)
    for _ in range(LOOKUPS_BEFORE_RESEND):
        now = go_to(read_now() + SILENCE_BEFORE_RESEND + timedelta(minutes=1))
        unread = doubts.exclude(looked_up_at__gte=now)
        _wait(stage, campaign, observed, unread.count, "recherches chez l’opérateur")
    OperatorDesk(settings.TWILIO_API_URL).behave(**dict.fromkeys(MOODS, 0.0))
    superviseur = stage.team["superviseur"]
    for touch in Touch.objects.filter(campaign=campaign, status=TouchStatus.UNCONFIRMED):
        if touch.attempts.filter(lookup_count__gte=LOOKUPS_BEFORE_RESEND).exists():
            resolve_touch(touch=touch, decision=Resolution.RESEND, by=superviseur, now=read_now())
            observed.resent += 1


def _wait(stage: Stage, campaign: Campaign, observed: Observed, left: Callable[[], int], label: str) -> None:
    def remaining() -> int:
        _watch(campaign, observed)
        return left()

    wait_until_none(remaining, label=label, say=stage.say, timeout_seconds=PATIENCE_SECONDS)
