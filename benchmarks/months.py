# ruff: noqa: E402 — Django is set up before its models are imported
"""A whole month of a Caf, operator excluded: an extract in, five segments counted, one frozen, its wave planned.

    python -m benchmarks.months --size 113000 --pairs 5
    python -m benchmarks.months --size 13500000 --pairs 1  # France, once: an hour, 30 GB

Everybody is new in the first month; in the month after, 6 % of the people have changed. Works in a database made for
the run (``test_…`` beside the one of DATABASE_URL). Seconds, medians; memory is the peak of this process and of those
that it starts, above what it held, over the extract.
"""

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

import django

django.setup()

from django.db import connection

from benchmarks.people import change_some
from benchmarks.publics import LARGE, SEGMENTS
from campaigns.audiences import freeze_audience
from campaigns.models import Allocataire, ContactFact, Member
from campaigns.population_import import import_population
from campaigns.segments import count_matching
from campaigns.territories import load_territories
from outreach.models import Touch
from outreach.planning import plan_wave
from outreach.simulator.population import write_population
from tests.factories import make_running_campaign, make_segment
from tests.memory import watched_memory

NOW = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
STEPS = ("extract in", "five segments counted", "one frozen", "its wave planned")


def main() -> None:
    options = _options()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        report(measure(options.size, options.pairs), options.size)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=113_000)
    parser.add_argument("--pairs", type=int, default=5)
    return parser.parse_args()


def measure(size: int, pairs: int) -> list[list[dict[str, float]]]:
    load_territories()
    with tempfile.TemporaryDirectory(prefix="aller-vers-bench-") as folder:
        extract, later = Path(folder) / "extract.csv", Path(folder) / "later.csv"
        write_population(path=extract, department="66", size=size, seed=1, on=date(2026, 3, 1))
        change_some(extract, later)
        return [live_two_months(extract, later) for _ in range(pairs)]


def live_two_months(extract: Path, later: Path) -> list[dict[str, float]]:
    _empty()
    return [live_a_month(extract, NOW), live_a_month(later, NOW + timedelta(days=30))]


def live_a_month(extract: Path, now: datetime) -> dict[str, float]:
    today, marks = now.date(), [time.perf_counter()]
    with watched_memory() as memory:
        import_population(path=extract, file_name=extract.name, by=None, now=now)
    marks.append(time.perf_counter())
    for criteria in SEGMENTS:
        count_matching(criteria, today=today)
    marks.append(time.perf_counter())
    campaign = make_running_campaign(
        expected_size=count_matching(LARGE, today=today), segment=make_segment(LARGE), control_share="0.100", now=now
    )
    audience = freeze_audience(campaign=campaign, night_on=today, now=now)
    marks.append(time.perf_counter())
    assert audience
    plan_wave(audience=audience, now=now)
    marks.append(time.perf_counter())
    taken = {step: after - before for step, before, after in zip(STEPS, marks, marks[1:], strict=False)}
    return {**taken, "the whole month": marks[-1] - marks[0], "memory of the import, MiB": memory.growth}


def report(months: list[list[dict[str, float]]], size: int) -> None:
    print(f"\nMonths of {size:,} people, seconds, medians of {len(months)}\n")
    print("| step | first month | month after |\n|---|---:|---:|")
    for step in months[0][0]:
        cells = [f"{statistics.median(pair[place][step] for pair in months):.2f}" for place in (0, 1)]
        print(f"| {step} | {' | '.join(cells)} |")


def _empty() -> None:
    tables = ", ".join(table._meta.db_table for table in (Allocataire, Member, ContactFact, Touch))
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}, campaigns_known_line RESTART IDENTITY CASCADE")
        cursor.execute("CHECKPOINT")


if __name__ == "__main__":
    main()
