# ruff: noqa: E402 — Django is set up before its models are imported
"""Population import against bare COPY, a blind upsert and django-import-export, interleaved in one run.

    python -m benchmarks.import_population                          # everything below, three tables
    python -m benchmarks.import_population --size 113000 --pairs 5  # one table
    python -m benchmarks.import_population --size 13500000 --pairs 1 --only copy,import,refresh  # France, once

Each measure runs in a process of its own, on an emptied table of a database made for the run (``test_…`` beside the one
of DATABASE_URL). Time is that of the work alone; memory is the peak of the process above what it held once Django was
loaded and one query made; log is what PostgreSQL wrote ahead (WAL), from a checkpoint on. ``copy``: the same rows, as
PostgreSQL's own text, into the same table with its indexes and foreign key. ``refresh``: the same extract with 6 % of
the people changed, over a population that is already there. ``reread``: the same, but no line is known word for word
(rules or columns changed): all are read again. ``upsert``: the same new values, already clean, INSERT … ON CONFLICT DO
UPDATE over everybody. ``import-export``: its fastest settings (bulk of 1,000, no diff, no look-up), on values already
clean, at a size where it ends.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

import django

django.setup()

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models, transaction

from benchmarks.people import change_some
from campaigns.models import Allocataire
from campaigns.population_import import import_population
from campaigns.territories import load_territories
from outreach.simulator.population import write_population
from tests.memory import watched_memory

NOW = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
TABLE = Allocataire._meta.db_table
COLUMNS = ", ".join(f.column for f in Allocataire._meta.concrete_fields if not f.primary_key)
DATABASE = connection.settings_dict["NAME"]
BLOCK = 1 << 20
ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    options = _options()
    if options.child:
        print(json.dumps(measure(options.child, Path(options.folder))))
        return
    names = dict.fromkeys(["copy", *options.only.split(",")])  # what all are held against is always taken
    tables = [(options.size, options.pairs, list(names))] if options.size else TABLES
    for size, pairs, names in tables:
        report(run(size, pairs, names), size)


def run(size: int, pairs: int, names: list[str]) -> list[dict[str, dict[str, float]]]:
    with tempfile.TemporaryDirectory(prefix="aller-vers-bench-") as folder:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            prepare(Path(folder), size, names)
            return [{name: spawn(name, folder) for name in names} for _ in range(pairs)]
        finally:
            connection.creation.destroy_test_db(DATABASE, verbosity=0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", default="copy,import,refresh,reread,upsert")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def prepare(folder: Path, size: int, names: list[str]) -> None:
    """The extract, the same with 6 % of the people changed, and what the others read."""
    load_territories()
    extract, changed = folder / "extract.csv", folder / "changed.csv"
    write_population(path=extract, department="66", size=size, seed=1, on=date(2023, 3, 1))
    change_some(extract, changed)
    _empty()
    _import(extract)
    _copy_out(folder / "rows.txt", "TEXT")
    if "import-export" in names:
        _copy_out(folder / "rows.csv", "CSV, HEADER")
    if "upsert" in names:
        _import(changed)
        _copy_out(folder / "changed.txt", "TEXT")


def spawn(name: str, folder: str) -> dict[str, float]:
    environment = os.environ | {"DATABASE_URL": _url_of_test_database()}
    command = [sys.executable, "-m", "benchmarks.import_population", "--child", name, "--folder", folder]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {name}: {figures['seconds']:.2f} s", file=sys.stderr, flush=True)
    return figures


def measure(name: str, folder: Path) -> dict[str, float]:
    _empty()
    if name in OVER_PEOPLE:
        _import(folder / "extract.csv")
        if name == "reread":
            _execute("TRUNCATE campaigns_known_line")
        _settle()
    log, cpu = _log_position(), _processor()
    with watched_memory() as memory:
        start = time.perf_counter()
        STORIES[name](folder)
        seconds = time.perf_counter() - start
    figures = {"seconds": seconds, "cpu": _processor() - cpu, "memory": memory.growth}
    log = (_log_position() - log) / 2**20
    return {**figures, "log": log, "rows": Allocataire.objects.count()}


def _copy(folder: Path) -> None:
    _copy_in(TABLE, folder / "rows.txt")


def _upsert(folder: Path) -> None:
    names = [name for name in COLUMNS.split(", ") if name != "matricule"]
    with transaction.atomic():
        _execute(f"CREATE TEMP TABLE incoming ON COMMIT DROP AS SELECT {COLUMNS} FROM {TABLE} WITH NO DATA")
        _copy_in("incoming", folder / "changed.txt")
        _execute(
            f"INSERT INTO {TABLE} ({COLUMNS}) SELECT {COLUMNS} FROM incoming "
            f"ON CONFLICT (matricule) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in names)}"
        )


def _copy_in(table: str, path: Path) -> None:
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(f"COPY {table} ({COLUMNS}) FROM STDIN") as copy,
        path.open("rb") as file,
    ):
        while block := file.read(BLOCK):
            copy.write(block)


def _import_export(folder: Path) -> None:
    import tablib
    from import_export import fields, resources, widgets

    class People(resources.ModelResource):
        commune = fields.Field(column_name="commune_id", attribute="commune_id", widget=widgets.CharWidget())

        class Meta:
            model = Allocataire
            exclude = ("id", "updated_at")
            import_id_fields = ("matricule",)
            use_bulk, batch_size = True, 1_000
            skip_diff, force_init_instance, report_skipped = True, True, False

    data = tablib.Dataset().load((folder / "rows.csv").read_text("utf-8"), format="csv")
    result = People().import_data(data, raise_errors=True, use_transactions=True)
    assert not result.has_errors()


def _import(path: Path) -> None:
    done = import_population(path=path, file_name=path.name, by=None, now=NOW)
    assert done.rejected_count == 0


STORIES: dict[str, Callable[[Path], None]] = {
    "copy": _copy,
    "import": lambda folder: _import(folder / "extract.csv"),
    "refresh": lambda folder: _import(folder / "changed.csv"),
    "reread": lambda folder: _import(folder / "changed.csv"),
    "upsert": _upsert,
    "import-export": _import_export,
}
OVER_PEOPLE = {"refresh", "reread", "upsert"}
TABLES = [
    (113_000, 5, ["copy", "import", "refresh", "reread", "upsert"]),
    (20_000, 5, ["copy", "import", "import-export"]),
    (10_000, 1, ["copy", "import", "refresh"]),
    (1_000_000, 1, ["copy", "import", "refresh"]),
]


def report(runs: list[dict[str, dict[str, float]]], size: int) -> None:
    anchor = [run["copy"]["seconds"] for run in runs]
    print(f"\n{size:,} lines, medians of {len(runs)} interleaved runs\n")
    print("| measure | seconds | lines/s | of bare COPY | CPU s (Python) | memory MiB | log MiB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in runs[0]:
        figures = {key: statistics.median(run[name][key] for run in runs) for key in runs[0][name]}
        ratio = statistics.median(base / run[name]["seconds"] for base, run in zip(anchor, runs, strict=True))
        print(
            f"| {name} | {figures['seconds']:.2f} | {size / figures['seconds']:,.0f} | {ratio:.2f} "
            f"| {figures['cpu']:.2f} | {figures['memory']:.0f} | {figures['log']:.0f} |"
        )
    if "import-export" in runs[0]:
        print(f"\nimport against import-export: ×{_ratio(runs, 'import-export', 'import', 'seconds'):.0f}")
    if "upsert" in runs[0]:
        print(f"\nlog of a refresh, of the blind upsert: {_ratio(runs, 'refresh', 'upsert', 'log'):.2f}")
    sys.stdout.flush()


def _ratio(runs: list[dict[str, dict[str, float]]], one: str, other: str, figure: str) -> float:
    return statistics.median(run[one][figure] / run[other][figure] for run in runs)


def _empty() -> None:
    _execute(f"TRUNCATE {TABLE}, campaigns_known_line RESTART IDENTITY CASCADE")
    _settle()


def _settle() -> None:
    """What one measure leaves to tidy and to write is not paid by the next."""
    _execute(f"VACUUM ANALYZE {TABLE}, campaigns_selectionrow, campaigns_known_line")
    _execute("CHECKPOINT")


def _log_position() -> float:
    """Bytes that this connection wrote ahead; before PostgreSQL 18, those of the whole server."""
    query = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
    if connection.cursor().connection.info.server_version >= 180_000:
        _execute("SELECT pg_stat_force_next_flush()")
        query = "SELECT wal_bytes FROM pg_stat_get_backend_wal(pg_backend_pid())"
    with connection.cursor() as cursor:
        cursor.execute(query)
        return float(cursor.fetchone()[0])


def _execute(query: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query)


def _copy_out(path: Path, form: str) -> None:
    columns = COLUMNS if form == "TEXT" else ", ".join(map(_as_import_export_reads, Allocataire._meta.concrete_fields))
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(f"COPY (SELECT {columns} FROM {TABLE} ORDER BY id) TO STDOUT WITH (FORMAT {form})") as copy,
        path.open("wb") as file,
    ):
        for block in copy:
            file.write(block)


def _as_import_export_reads(field: Any) -> str:
    """Its widgets want ``true`` and ``2015-01-02,2018-03-04``, where PostgreSQL writes ``t`` and braces."""
    if isinstance(field, models.BooleanField):
        return f"{field.column}::text"
    if isinstance(field, ArrayField):
        return f"array_to_string({field.column}, ',') AS {field.column}"
    return str(field.column)


def _url_of_test_database() -> str:
    former, name = os.environ["DATABASE_URL"], connection.settings_dict["NAME"]
    path, mark, query = former.partition("?")
    return f"{path.rsplit('/', 1)[0]}/{name}{mark}{query}"


def _processor() -> float:
    """Seconds of processor of this process, and of those that it started and that ended."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
