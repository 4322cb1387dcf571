# ruff: noqa: E402 — Django is set up before its models are imported
"""Segments, contact history, preview, freeze and planning, each against its own anchor, interleaved in one run.

    python -m benchmarks.segments --size 113000 --pairs 5
    python -m benchmarks.segments --size 1000000 --pairs 5
    python -m benchmarks.segments --growth 10000,113000,1000000 --pairs 3

Works in a database made for the run (``test_…`` beside the one of DATABASE_URL), filled by the database itself, with
2.5 past contacts a person over a year. Times are medians; ratios are medians of the ratios of each pair. Memory is the
peak of the Python process above what it held before. The freeze is held against the count of whom it keeps (same
criteria and exclusions), against itself in a table without index, and against Django's bulk_create, like with like:
the whole freeze made with it (same query, drawn in Python, same members: checked), and its writing alone against
bulk_create of members already chosen and drawn.
"""

import argparse
import gc
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

import django

django.setup()

from django.db import connection, transaction

from benchmarks.people import make_contacts, make_people, make_refusals
from benchmarks.publics import EVERYBODY, FIVE, IN_EPCI, LARGE, unseen
from campaigns.audiences import INSERT_MEMBERS, freeze_audience
from campaigns.candidates_sql import CREATE
from campaigns.enums import Exclusion
from campaigns.models import Allocataire, Audience, Campaign, ContactFact, Member, SelectionRow
from campaigns.models.planner import give_room
from campaigns.pressure_report import read_pressure
from campaigns.rules.draw import Person, draw, merge_small_strata, split_shares, wave_seed
from campaigns.segment_preview import preview_segment
from campaigns.segments import count_matching
from outreach.models import Touch
from outreach.planning import plan_wave
from tests.factories import make_audience, make_campaign, make_running_campaign, make_segment

NOW = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
TODAY = date(2026, 3, 3)
TIMES = 5  # that a question of some milliseconds is asked in each run
Figures = dict[str, list[tuple[float, float]]]  # measure → (seconds, MiB) of each pair
Drawn = dict[int, tuple[str, str, str]]  # person → exclusion, arm, stratum


class Candidate(NamedTuple):
    pk: int
    matricule: str
    mobile: str
    stratum: str
    exclusion: str


def main() -> None:
    options = _options()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        if options.growth:
            report_growth([int(size) for size in options.growth.split(",")], options.pairs)
        else:
            fill(options.size)
            report(measure(options.pairs), options.size)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=113_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--growth", default="")
    return parser.parse_args()


def fill(size: int, *, first: int = 1) -> None:
    start = time.perf_counter()
    make_people(size, first=first)
    make_refusals(NOW)
    campaigns = [make_campaign().pk for _ in range(20)]
    make_contacts(size * 5 // 2, campaigns=campaigns, now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) campaigns_selectionrow, campaigns_contactfact")  # as the server does in time
    print(f"  {size:,} people made in {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)


def measure(pairs: int) -> Figures:
    figures: Figures = {}
    count_matching(FIVE, today=TODAY)  # what the first query of a process pays is nobody's
    for _ in range(pairs):
        measures = {
            "count(*) of the narrow row": SelectionRow.objects.count,
            "five criteria": lambda: count_matching(FIVE, today=TODAY),
            "four criteria and an EPCI": lambda: count_matching(IN_EPCI, today=TODAY),
            "five criteria, not contacted for 7 days": lambda: count_matching(unseen(7), today=TODAY),
            "five criteria, not contacted for 30 days": lambda: count_matching(unseen(30), today=TODAY),
            "five criteria, not contacted for 180 days": lambda: count_matching(unseen(180), today=TODAY),
            "preview of the five criteria": lambda: preview(FIVE),
            "preview of everybody": lambda: preview(EVERYBODY),
            "pressure report": lambda: read_pressure(now=NOW),
        }
        for name, story in measures.items():
            figures.setdefault(name, []).append(timed(story, times=TIMES))
        measure_freeze(figures)
    return figures


def preview(criteria: dict[str, Any]) -> None:
    preview_segment(criteria=criteria, plan=None, now=NOW)


def measure_freeze(figures: Figures) -> None:
    """A new campaign each time: whoever is in its audiences is not drawn again. What planning reserves is undone."""
    campaign = make_running_campaign(
        expected_size=count_matching(LARGE, today=TODAY), segment=make_segment(LARGE), control_share="0.100"
    )
    selected = read_selection(campaign)
    frozen: list[Audience | None] = []
    in_python: list[Drawn] = []

    def freeze() -> None:
        frozen.append(freeze_audience(campaign=campaign, night_on=TODAY, now=NOW))

    with undone():
        give_room()
        figures.setdefault("count of whom it keeps", []).append(timed(lambda: count_kept(selected)))
    with undone():
        give_room()
        figures.setdefault("freeze with bulk_create", []).append(
            timed(lambda: in_python.append(freeze_in_python(campaign, selected)))
        )
    with undone(), connection.cursor() as cursor:
        cursor.execute(BARE_MEMBERS)
        figures.setdefault("freeze in a table without index", []).append(timed(freeze))
    whole, writing = figures.setdefault("freeze", []), figures.setdefault("of which writing its members", [])
    with connection.execute_wrapper(clock_writing(writing)):
        whole.append(timed(freeze))
    audience = frozen[-1]
    assert audience
    assert in_python[-1] == read_drawn(audience), "both freezes took the same people, in the same arms"
    with undone():
        figures.setdefault("bulk_create of the same members", []).append(timed(lambda: create_again(audience)))
    with undone():
        figures.setdefault("planning of it", []).append(timed(lambda: plan_wave(audience=audience, now=NOW)))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM campaigns_member, campaigns_contactfact, outreach_touch")


# Neither index nor trigger; what refers to the keys stays for the end of the transaction, which never comes.
BARE_MEMBERS = """
ALTER TABLE campaigns_member DISABLE TRIGGER USER, DROP CONSTRAINT member_once,
      DROP CONSTRAINT campaigns_member_pkey CASCADE;
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'campaigns_member'::regclass LOOP
        EXECUTE 'DROP INDEX ' || name;
    END LOOP;
END $$
"""


def read_selection(campaign: Campaign) -> tuple[str, Any]:
    """The query by which a freeze chooses, reasons of exclusion included, and its values."""
    seen: list[tuple[str, Any]] = []

    def see(execute: Callable[..., Any], statement: str, values: Any, *more: Any) -> Any:
        if statement.startswith(CREATE):
            seen.append((statement.removeprefix(CREATE), values))
        return execute(statement, values, *more)

    with undone(), connection.execute_wrapper(see):
        freeze_audience(campaign=campaign, night_on=TODAY, now=NOW)
    return seen[0]


def clock_writing(seconds: list[tuple[float, float]]) -> Callable[..., Any]:
    """Adds to ``seconds`` how long the statement that writes members takes: what bulk_create does, and no more."""

    def clock(execute: Callable[..., Any], statement: str, *more: Any) -> Any:
        start = time.perf_counter()
        result = execute(statement, *more)
        if statement == INSERT_MEMBERS:
            seconds.append((time.perf_counter() - start, 0))
        return result

    return clock


def count_kept(selected: tuple[str, Any]) -> None:
    query, values = selected
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({query}) AS candidate WHERE exclusion = ''", values)


def create_again(audience: Audience) -> None:
    create_members(make_audience(make_campaign()), read_drawn(audience))


def create_members(audience: Audience, drawn: Drawn) -> None:
    Member.objects.bulk_create(
        (
            Member(
                audience=audience, campaign_id=audience.campaign_id, allocataire_id=pk, exclusion=e, arm=a, stratum=s
            )
            for pk, (e, a, s) in drawn.items()
        ),
        batch_size=10_000,
    )


def read_drawn(audience: Audience) -> Drawn:
    rows = audience.members.values_list("allocataire_id", "exclusion", "arm", "stratum").iterator(chunk_size=10_000)
    return {pk: (exclusion, arm, stratum) for pk, exclusion, arm, stratum in rows}


def freeze_in_python(campaign: Campaign, selected: tuple[str, Any]) -> Drawn:
    """The freeze as one writes it with Django alone: the query that chooses, a loop, bulk_create."""
    with connection.cursor() as cursor:
        cursor.execute(*selected)
        people = [Candidate(*row) for row in cursor.fetchall()]
    second = find_second_holders(people)
    kept = [one for one in people if not one.exclusion and one.pk not in second]
    strata = merge_small_strata(Counter(one.stratum for one in kept))
    arms = draw(
        (Person(one.matricule, strata[one.stratum]) for one in kept),
        shares=split_shares(campaign.control_share, campaign.arms),
        seed=wave_seed(campaign.seed, 1),
    )
    drawn = {one.pk: ("", arms[one.matricule], strata[one.stratum]) for one in kept}
    for one in people:
        if one.pk not in drawn:
            drawn[one.pk] = (one.exclusion or Exclusion.SHARED_MOBILE.value, "", "")
    create_members(make_audience(campaign), drawn)
    return drawn


def find_second_holders(people: list[Candidate]) -> set[int]:
    """Everybody but the first of those who hold one mobile."""
    first: dict[str, Candidate] = {}
    second = set()
    for one in people:
        if one.exclusion or not one.mobile:
            continue
        known = first.setdefault(one.mobile, one)
        if known is not one:
            first[one.mobile], later = sorted((known, one), key=lambda each: each.matricule)
            second.add(later.pk)
    return second


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def timed(story: Callable[[], Any], *, times: int = 1) -> tuple[float, float]:
    """Seconds, the median of so many times; MiB."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    base, seconds = _memory("VmRSS"), []
    for _ in range(times):
        start = time.perf_counter()
        story()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), _memory("VmHWM") - base


ANCHORS = {
    "five criteria": "count(*) of the narrow row",
    "four criteria and an EPCI": "count(*) of the narrow row",
    "five criteria, not contacted for 7 days": "five criteria",
    "five criteria, not contacted for 30 days": "five criteria",
    "five criteria, not contacted for 180 days": "five criteria",
    "preview of the five criteria": "five criteria",
    "preview of everybody": "count(*) of the narrow row",
    "freeze": "count of whom it keeps",
    "freeze in a table without index": "freeze",
    "freeze with bulk_create": "freeze",
    "bulk_create of the same members": "of which writing its members",
}


def report(figures: Figures, size: int) -> None:
    print(
        f"\n{size:,} people, {size * 5 // 2:,} contacts, medians of {len(figures['five criteria'])} interleaved runs\n"
    )
    print("| measure | ms | ratio | of | memory MiB |\n|---|---:|---:|---|---:|")
    for name, runs in figures.items():
        anchor = ANCHORS.get(name, "")
        pairs = zip(runs, figures[anchor], strict=True) if anchor else ()
        ratios = [one[0] / other[0] for one, other in pairs]
        ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
        print(f"| {name} | {_median(runs, 0) * 1000:,.0f} | {ratio} | {anchor} | {_median(runs, 1):.0f} |")


def report_growth(sizes: list[int], pairs: int) -> None:
    columns: dict[int, Figures] = {}
    for size in sizes:
        _empty()
        fill(size)
        columns[size] = measure(pairs)
    print(f"\nms and (peak MiB), medians of {pairs}\n")
    print(f"| measure | {' | '.join(f'{size:,}' for size in sizes)} |\n|---|{'---:|' * len(sizes)}")
    for name in columns[sizes[0]]:
        cells = [f"{_median(c[name], 0) * 1000:,.0f} ({_median(c[name], 1):.0f})" for c in columns.values()]
        print(f"| {name} | {' | '.join(cells)} |")


def _median(runs: list[tuple[float, float]], place: int) -> float:
    return statistics.median(run[place] for run in runs)


def _empty() -> None:
    tables = ", ".join(table._meta.db_table for table in (Allocataire, Member, ContactFact, Touch))
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        cursor.execute("CHECKPOINT")


def _memory(figure: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process, in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(figure))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
