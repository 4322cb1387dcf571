"""``./dev faults``: every fault of the table at its full size, one after the other, and what each of them broke."""

import json
import os
import time
from pathlib import Path
from typing import Any

from config.local import LOCAL, ROOT
from config.local.postgres import throwaway_server
from config.local.processes import Processes, call
from config.local.servers import python, start_broker

TABLE = LOCAL / "faults.jsonl"
DATABASE = "aller_vers_faults"
TESTS = (
    "tests/faults",
    "tests/outreach/test_touch_machine.py",
    "tests/campaigns/test_calendar_oracle.py",
    "tests/campaigns/test_population_hostile.py",
)
COLUMNS = (
    ("fault", "panne"),
    ("injected", "injecté"),
    ("lost", "perdus"),
    ("doubled", "en double"),
    ("after_stop", "après un STOP"),
    ("outside_hours", "hors horaires"),
    ("worst", "au pire"),
)


def faults(*, share: float, chosen: list[str]) -> int:
    """Play them on servers of their own, print the table; 0 when every promise was held.

    ``share``: 1 for the full sizes, less for a part of the way from those of the suite. ``chosen``: pytest's options.
    """
    started = time.monotonic()
    LOCAL.mkdir(exist_ok=True)
    TABLE.unlink(missing_ok=True)
    processes = Processes()
    try:
        with throwaway_server() as server:
            server.ensure_database(DATABASE)
            environment = {
                **os.environ,
                "DATABASE_URL": server.url(DATABASE),
                "DJANGO_SETTINGS_MODULE": "config.settings.test",
                "FULL": str(share),
                "FAULT_TABLE": str(TABLE),
                **start_broker(processes),
            }
            command = python("-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *TESTS, *chosen)
            code = call(command, environment=environment, cwd=ROOT)
    finally:
        processes.stop()
    print(
        f"\n{write_table(read_rows(TABLE))}\n\nDurée : {(time.monotonic() - started) / 60:.1f} min, taille {share:g}."
    )
    return code


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write_table(rows: list[dict[str, Any]]) -> str:
    """Markdown, ready for docs/faults.md. A dash: that fault could not break it."""
    lines = [" | ".join(title for _, title in COLUMNS), " | ".join("---" for _ in COLUMNS)]
    lines += [" | ".join(_cell(row[name]) for name, _ in COLUMNS) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: object) -> str:
    return "–" if value is None or value == "" else str(value)
