"""Many people press the same buttons at once: each campaign is launched once, and its log tells what was done."""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from campaigns import lifecycle
from campaigns.enums import CampaignStatus
from campaigns.lifecycle import MoveRefused, launch_campaign
from campaigns.models import Campaign, User
from campaigns.rules.lifecycle import CREATE, MOVES
from tests.factories import NOW, make_allocataires, make_plan, make_segment, make_user, try_texts
from tests.faults.harness import say
from tests.faults.sizes import SEED, size_of
from tests.faults.table import Row, note

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

CAMPAIGNS, PEOPLE = size_of("race_campaigns"), size_of("race_people")
ROUNDS = 5
VERBS = ["submit", "approve", "launch", "pause", "resume", "send_back"]
LAST = [*VERBS, "cancel", "close"]

Act = Callable[[], Any]


@pytest.fixture
def crowd() -> Iterator[Callable[[Sequence[Act]], int]]:
    """Do everything at the same instant, each by a thread of its own; how many were not refused."""
    barrier = Barrier(PEOPLE)

    def do(act: Act) -> bool:
        barrier.wait(60)
        try:
            act()
        except MoveRefused:
            return False
        return True

    with ThreadPoolExecutor(PEOPLE) as pool:

        def together(acts: Sequence[Act]) -> int:
            return sum(pool.map(do, acts))

        yield together
        list(pool.map(leave, [barrier] * PEOPLE))


def leave(barrier: Barrier) -> None:
    """Each thread closes its own connection: the barrier makes them all take one turn."""
    barrier.wait(60)
    connection.close()


def make_draft(agent: User, number: int) -> Campaign:
    draft = lifecycle.start_campaign(
        plan=make_plan(), segment=make_segment(), name=f"Course n° {number}", by=agent, now=NOW
    )
    try_texts(draft)
    return draft


def test_whoever_presses_launch_each_campaign_is_launched_once(
    crowd: Callable[[Sequence[Act]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    make_allocataires(3)
    agent, others = make_user(), [make_user() for _ in range(PEOPLE)]
    launched = 0
    for number in range(CAMPAIGNS):
        campaign = make_draft(agent, number)
        lifecycle.submit_campaign(campaign=campaign, by=agent, now=NOW)
        lifecycle.approve_campaign(campaign=campaign, by=others[0], now=NOW)
        done = crowd([partial(launch_campaign, campaign=campaign, by=one, now=NOW, typed_size=3) for one in others])
        launched += done
        assert done == 1
        assert campaign.moves.filter(move="LAUNCH").count() == 1
        campaign.refresh_from_db()
        assert (campaign.status, bool(campaign.seed)) == (CampaignStatus.RUNNING, True)
    say(capsys, f"{PEOPLE} people pressed « Lancer » at once on {CAMPAIGNS} campaigns: {launched} launches")
    note(
        Row(
            "« Lancer » pressé par plusieurs au même instant",
            f"{PEOPLE} personnes, {CAMPAIGNS} campagnes",
            lost=CAMPAIGNS - launched,
            doubled=max(launched - CAMPAIGNS, 0),
        )
    )


def test_the_log_tells_what_was_done_whatever_is_pressed(
    crowd: Callable[[Sequence[Act]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    make_allocataires(3)
    chance, agent, others = random.Random(SEED), make_user(), [make_user() for _ in range(PEOPLE)]
    done = pressed = 0
    for number in range(CAMPAIGNS):
        campaign = make_draft(agent, number)
        for verbs in [VERBS] * ROUNDS + [LAST]:
            done += crowd([partial(press, chance.choice(verbs), campaign, by) for by in others])
            pressed += PEOPLE
        assert state_by_the_log(campaign) == Campaign.objects.get(pk=campaign.pk).status
    written = sum(campaign.moves.exclude(move=CREATE).count() for campaign in Campaign.objects.all())
    say(capsys, f"{pressed} presses of any button at once: {done} done, {written} in the log, seed {SEED}")
    note(
        Row(
            "boutons d’une campagne pressés ensemble",
            f"{pressed} appuis, {done} faits",
            lost=done - written,
            doubled=max(written - done, 0),
        )
    )
    assert done > CAMPAIGNS, "nearly everything was refused: nothing was proved"
    assert written == done


def press(verb: str, campaign: Campaign, by: User) -> None:
    by_verb: dict[str, dict[str, Any]] = {
        "launch": {"typed_size": 3}, "pause": {"reason": "essai"}, "send_back": {"reason": "essai"},
    }  # fmt: skip
    getattr(lifecycle, f"{verb}_campaign")(campaign=campaign, by=by, now=NOW, **by_verb.get(verb, {}))


def state_by_the_log(campaign: Campaign) -> str:
    """Each move from a state that allows it to the state it leads to, one after the other."""
    state: str = CampaignStatus.DRAFT
    for code in campaign.moves.exclude(move=CREATE).order_by("pk").values_list("move", flat=True):
        assert state in MOVES[code].sources, f"{code} was done from {state}"
        state = MOVES[code].target
    return state
