"""Four schedulers that do not know of each other, through months in which the clocks change: each slot once.

``FULL=1`` runs every change of clock of eleven years; the suite runs one spring and one autumn.
"""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from campaigns.enums import Channel, PlanMode
from campaigns.models import Allocataire, Audience, Commune, set_clock
from campaigns.rules.calendar import is_open, parse_hours, territory_of
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.models import Attempt, Night, NightStep, Touch
from outreach.night import STEPS, run_due_night
from outreach.reconciliation import reschedule_missed
from tests.factories import make_allocataires, make_plan, make_running_campaign, step_values
from tests.faults.harness import say
from tests.faults.sizes import FIRST_YEAR, size_of, size_of_suite
from tests.faults.table import Row, note

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

PARIS = ZoneInfo("Europe/Paris")
SCHEDULERS = 4
DAYS = 30
HOURS = parse_hours("10:00-13:00,14:00-20:00")
COMMUNES = ("66136", "67482", "97411", "97209")  # clocks that change and clocks that do not, two calendars
# Hours of Paris at which the bell rings: the night, what a change of clock skips or repeats, both ends of windows.
TICKS = [time(1), time(2, 30), time(7), time(10), time(12, 59), time(19, 59)]


def changes_of_clock() -> list[date]:
    last = size_of("last_scheduler_year")
    first = FIRST_YEAR if last > size_of_suite("last_scheduler_year") else last
    return [_last_sunday(year, month) for year in range(first, last + 1) for month in (3, 10)]


def _last_sunday(year: int, month: int) -> date:
    end = date(year, month, 31)
    return end - timedelta(days=end.isoweekday() % 7)


def instants_around(change: date) -> Iterator[datetime]:
    """The ticks of 30 days, in order of time, the doubled hour of autumn twice."""
    days = [change + timedelta(days=offset) for offset in range(-DAYS // 2, DAYS // 2)]
    locals_ = (
        datetime.combine(day, at, tzinfo=PARIS).replace(fold=fold) for day in days for at in TICKS for fold in (0, 1)
    )
    yield from sorted({local.astimezone(UTC) for local in locals_})


def make_people(change: date) -> list[Allocataire]:
    """Every day, in each territory, somebody whose DTR is due: who newly matches changes each night."""
    for code in COMMUNES:
        Commune.objects.get_or_create(code=code, defaults={"name": code})
    people = make_allocataires(4 * DAYS)
    for at, person in enumerate(people):
        person.commune_id = COMMUNES[at % len(COMMUNES)]
        person.dtr_due_on = change + timedelta(days=at // len(COMMUNES) - DAYS // 2)
    Allocataire.objects.bulk_update(people, ["commune_id", "dtr_due_on"])
    return people


@contextmanager
def own_connection() -> Iterator[None]:
    try:
        yield
    finally:
        connection.close()


def ring(worker: int, now: datetime) -> None:
    """What one scheduler's bell sets off."""
    with own_connection():
        run_due_night(now=now)
        reschedule_missed(now=now)
        dispatch_due(channel=Channel.SMS, worker=f"scheduler-{worker}", deadline_seconds=5)


@pytest.mark.parametrize("change", changes_of_clock(), ids=str)
def test_each_slot_is_played_once_whatever_the_clocks_do(change: date, capsys: pytest.CaptureFixture[str]) -> None:
    make_people(change)
    begins = change - timedelta(days=DAYS // 2)
    plan = make_plan(
        mode=PlanMode.NIGHTLY,
        criteria={"field": "dtr_due_on", "op": "between", "value": [{"days": 1}, {"days": 4}]},
        steps=[step_values(valid_days=4)],
    )
    make_running_campaign(
        plan=plan, expected_size=40, starts_on=begins, ends_on=change + timedelta(days=DAYS), night_size_max=100
    )
    instants = list(instants_around(change))
    draw = random.Random(change.toordinal())
    with use_gateway(Channel.SMS, FakeGateway()), ThreadPoolExecutor(SCHEDULERS) as pool:
        for now in instants:
            set_clock(now)
            order = draw.sample(range(SCHEDULERS), SCHEDULERS)
            list(pool.map(ring, order, [now] * SCHEDULERS))

    sent = list(Attempt.objects.select_related("touch__allocataire"))
    say(
        capsys,
        f"{SCHEDULERS} schedulers, {len(instants)} ticks around {change}: {Night.objects.count()} nights, "
        f"{len(sent)} SMS",
    )
    closed = [attempt for attempt in sent if not was_open(attempt)]
    doubled = len(sent) - len({attempt.touch.allocataire_id for attempt in sent})
    fault = f"{SCHEDULERS} ordonnanceurs, changement d’heure du {change:%d/%m/%Y}"
    injected = f"{len(instants)} sonneries, {len(sent)} SMS"
    note(Row(fault, injected, doubled=doubled, outside_hours=len(closed)))
    assert_nights_are_whole(begins)
    assert len(sent) >= 3 * DAYS, "hardly anything was sent: nothing was proved"
    assert max(Counter(attempt.touch.allocataire_id for attempt in sent).values()) == 1
    assert closed == []
    assert Touch.objects.count() == len({touch.allocataire_id for touch in Touch.objects.all()})


def assert_nights_are_whole(begins: date) -> None:
    nights = sorted(Night.objects.values_list("on", flat=True))
    assert nights == [begins + timedelta(days=offset) for offset in range(DAYS)]
    steps = Counter(NightStep.objects.values_list("night__on", flat=True))
    assert set(steps.values()) == {len(STEPS)}
    waves = Counter(Audience.objects.values_list("night_on", flat=True))
    assert set(waves.values()) == {1}


def was_open(attempt: Attempt) -> bool:
    territory = territory_of(attempt.touch.allocataire.commune_id or "")
    return is_open(attempt.intent_at, channel=Channel.SMS, territory=territory, hours=HOURS)
