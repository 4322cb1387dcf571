# ruff: noqa: E402 — Django is set up before its models are imported
"""Population import against bare COPY and against django-import-export, interleaved in one run.

    python benchmarks/import_population.py --size 113000 --pairs 3
    python benchmarks/import_population.py --size 1000000 --pairs 1 --only copy,import,refresh

Each measure runs in a process of its own, on an emptied table of a database made for the run (``test_…`` beside the one
of DATABASE_URL). Time is that of the work alone; memory is the peak of the process above what it held once Django was
loaded and one query made. ``copy``: the same rows, as PostgreSQL's own text, into the same table with its indexes and
foreign key. ``import-export``: its fastest settings (bulk of 1,000, no diff, no look-up), on values already clean.
``refresh``: the same extract with 6 % of the people changed, over a population that is already there.
"""

import argparse
import gc
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

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

import django

django.setup()

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

from campaigns.models import Allocataire
from campaigns.population_import import import_population
from campaigns.territories import load_territories
from outreach.simulator.population import write_population

NOW = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
TABLE = Allocataire._meta.db_table
COLUMNS = ", ".join(f.column for f in Allocataire._meta.concrete_fields if not f.primary_key)
CHANGED_SHARE = 0.06
BLOCK = 1 << 20


def main() -> None:
    options = _options()
    if options.child:
        print(json.dumps(measure(options.child, Path(options.folder))))
        return
    with tempfile.TemporaryDirectory(prefix="aller-vers-bench-") as folder:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            prepare(Path(folder), options.size)
            runs = [{n: spawn(n, folder) for n in options.only.split(",")} for _ in range(options.pairs)]
        finally:
            connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    report(runs, options.size)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=113_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--only", default="copy,import,refresh,import-export")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def prepare(folder: Path, size: int) -> None:
    """The extract, the same with 6 % of the people changed, and what the two others read."""
    load_territories()
    extract = folder / "extract.csv"
    write_population(path=extract, department="66", size=size, seed=1, on=date(2023, 3, 1))
    step = round(1 / CHANGED_SHARE)
    with extract.open(encoding="utf-8") as source, (folder / "changed.csv").open("w", encoding="utf-8") as target:
        for number, line in enumerate(source):
            target.write(line.replace(";oui;", ";non;", 1) if number % step == 1 else line)
    _empty()
    _import(extract)
    _copy_out(folder / "rows.txt", "TEXT")
    _copy_out(folder / "rows.csv", "CSV, HEADER")


def spawn(name: str, folder: str) -> dict[str, float]:
    environment = os.environ | {"DATABASE_URL": _url_of_test_database()}
    command = [sys.executable, __file__, "--child", name, "--folder", folder]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {name}: {figures['seconds']:.2f} s", file=sys.stderr, flush=True)
    return figures


def measure(name: str, folder: Path) -> dict[str, float]:
    _empty()
    if name == "refresh":
        _import(folder / "extract.csv")
        _settle()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    base, cpu, start = _memory("VmRSS"), time.process_time(), time.perf_counter()
    STORIES[name](folder)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "memory": _memory("VmHWM") - base, "rows": Allocataire.objects.count()}


def _copy(folder: Path) -> None:
    with (
        connection.cursor() as cursor,
        cursor.cursor.copy(f"COPY {TABLE} ({COLUMNS}) FROM STDIN") as copy,
        (folder / "rows.txt").open("rb") as file,
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
    "import-export": _import_export,
}


def report(runs: list[dict[str, dict[str, float]]], size: int) -> None:
    anchor = [run["copy"]["seconds"] for run in runs]
    print(f"\n{size:,} lines, medians of {len(runs)} interleaved runs\n")
    print("| measure | seconds | lines/s | of bare COPY | CPU s (Python) | memory MiB |")
    print("|---|---|---|---|---|---|")
    for name in runs[0]:
        figures = {key: statistics.median(run[name][key] for run in runs) for key in runs[0][name]}
        ratio = statistics.median(base / run[name]["seconds"] for base, run in zip(anchor, runs, strict=True))
        print(
            f"| {name} | {figures['seconds']:.2f} | {size / figures['seconds']:,.0f} | {ratio:.2f} "
            f"| {figures['cpu']:.2f} | {figures['memory']:.0f} |"
        )
    if "import-export" in runs[0]:
        ratios = [run["import-export"]["seconds"] / run["import"]["seconds"] for run in runs]
        print(f"\nimport against import-export: ×{statistics.median(ratios):.0f}")


def _empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLE} RESTART IDENTITY CASCADE")
    _settle()


def _settle() -> None:
    """What one measure leaves to write is not paid by the next."""
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")


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


def _memory(figure: str) -> float:
    """VmRSS (now) or VmHWM (peak) of this process, in MiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(figure))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
