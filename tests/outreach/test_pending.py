"""Where things wait: each step has its question, its limit, its advice, and something that takes it up again."""

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from campaigns.models import set_clock
from config.celery import app
from outreach.enums import EventKind, NightStatus, TouchStatus
from outreach.models import Canary, Fence, Night, Pause, ProviderEvent, Touch
from outreach.pending import QUERIES, read_pending
from outreach.rules.pending import STEPS, Pending, Step, late_steps, say_duration
from tests.outreach.waves import MORNING, make_wave

ONLY_A_PERSON = {"replies", "quarantine"}


def test_each_step_has_one_question() -> None:
    assert [step.code for step in STEPS] == list(QUERIES)


def test_each_step_has_something_that_takes_it_up_again() -> None:
    rung = {str(entry["task"]).rpartition(".")[2] for entry in app.conf.beat_schedule.values()}
    assert {step.sweeper for step in STEPS if step.code not in ONLY_A_PERSON} <= rung
    assert {step.code for step in STEPS if not step.sweeper} == ONLY_A_PERSON
    assert all(step.advice for step in STEPS)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "1 h"), (86_400, "1 jour"), (2e5, "2 jours")],
)
def test_ages_are_said_in_words(seconds: float, words: str) -> None:
    assert say_duration(timedelta(seconds=seconds)).replace("\u00a0", " ") == words


@pytest.mark.parametrize(
    ("count", "minutes", "is_late"), [(0, 60, False), (1, 10, False), (1, 10.1, True), (1, -5, False)]
)
def test_late_is_older_than_the_limit(count: int, minutes: float, is_late: bool) -> None:
    step = Step("x", "X", timedelta(minutes=10), "", "Regarder.")
    row = Pending(step, count, MORNING - timedelta(minutes=minutes), None, MORNING)
    assert (row in late_steps([row])) is is_late


def counts() -> dict[str, int]:
    return {row.step.code: row.count for row in read_pending(now=MORNING) if row.count}


@pytest.mark.django_db
def test_nothing_waits_in_an_empty_database() -> None:
    assert counts() == {}


@pytest.mark.django_db
def test_what_waits_is_counted_where_it_waits() -> None:
    make_wave(size=6)
    first, second, third, fourth, fifth, _ = Touch.objects.order_by("pk")
    for touch, status in (
        (first, TouchStatus.CLAIMED),
        (second, TouchStatus.SENDING),
        (third, TouchStatus.UNCONFIRMED),
        (fourth, TouchStatus.QUARANTINED),
    ):
        Touch.objects.filter(pk=touch.pk).update(status=status)
    Touch.objects.filter(pk=fifth.pk).update(closes_at=MORNING - timedelta(minutes=1))
    ProviderEvent.objects.create(
        provider="fake", kind=EventKind.STATUS, provider_ref="x", payload={}, received_at=MORNING
    )
    expected = {"claimed": 1, "sending": 1, "unconfirmed": 1, "quarantine": 1, "missed": 1, "due": 1, "events": 1}
    assert counts() == expected
    Pause.objects.filter(scope="SMS").update(is_paused=True)
    assert "due" not in counts(), "what a person decided is not a delay"


@pytest.mark.django_db
def test_a_night_that_nobody_tries_again_is_counted() -> None:
    night = Night.objects.create(
        on=MORNING.date(), started_at=MORNING, status=NightStatus.PROBLEM, next_try_at=MORNING + timedelta(minutes=1)
    )
    assert counts() == {}
    night.begin_try(next_try_at=MORNING)
    assert counts() == {"night": 1}
    Night.objects.create(on=MORNING.date() + timedelta(days=1), started_at=MORNING, status=NightStatus.DONE)
    assert counts() == {}, "the next night has taken up what this one left"


def held_wave(**first: Any) -> None:
    """Six contacts, of which the first, as said, holds the others."""
    make_wave(size=6)
    Canary.objects.update(released_at=None)
    Touch.objects.filter(pk=Touch.objects.order_by("pk")[0].pk).update(is_canary=True, **first)


def first_row(*, after: timedelta = timedelta()) -> tuple[int, timedelta, datetime | None, bool]:
    row = next(row for row in read_pending(now=MORNING + after) if row.step.code == "first")
    return row.count, row.age, row.until, row.is_late


@pytest.mark.django_db
def test_a_wave_whose_first_contacts_are_due_later_waits_until_then() -> None:
    tomorrow = MORNING + timedelta(days=1)
    held_wave(due_at=tomorrow)
    assert first_row(after=timedelta(hours=5)) == (1, timedelta(), tomorrow, False)


@pytest.mark.django_db
def test_a_wave_whose_first_contacts_do_not_leave_is_late() -> None:
    held_wave(due_at=MORNING)
    late = timedelta(hours=5)
    assert first_row(after=late) == (1, late, None, True)
    Pause.objects.filter(scope="SMS").update(is_paused=True)
    assert first_row(after=late) == (1, timedelta(), None, False)
    Pause.objects.update(is_paused=False)
    Fence.objects.update(closed_at=MORNING, reason="Base restaurée.")
    assert first_row(after=late) == (1, timedelta(), None, False)


@pytest.mark.django_db
def test_a_wave_whose_first_contacts_have_left_goes_on_after_the_hold(settings: Any) -> None:
    settings.CANARY_HOLD_SECONDS = 900
    held_wave(status=TouchStatus.SUBMITTED, status_at=MORNING)
    hold = timedelta(minutes=15)
    assert first_row() == (1, timedelta(), MORNING + hold, False)
    assert first_row(after=timedelta(hours=5)) == (1, timedelta(hours=5) - hold, None, True)


@pytest.mark.django_db
def test_the_command_speaks_to_supervision() -> None:
    make_wave(size=3, at=MORNING - timedelta(minutes=20))  # ten minutes after the window opened
    assert run() == (0, [], "")
    set_clock(MORNING + timedelta(hours=1))
    assert run() == (1, ["due"], "")
    Touch.objects.update(status=TouchStatus.DELIVERED)
    Fence.objects.update(closed_at=MORNING, reason="Base restaurée.")
    assert run() == (1, [], "Base restaurée.")


def run() -> tuple[int, list[str], str]:
    out = StringIO()
    code = 0
    try:
        call_command("pending", stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    said = json.loads(out.getvalue())
    return code, said["late"], said["sending_closed"]
