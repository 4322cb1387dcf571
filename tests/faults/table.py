"""The lines of the table that ``./dev faults`` prints: what was injected, and what it broke."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """What one fault did. None: that fault could not do it, it was not looked for."""

    fault: str
    injected: str
    lost: int | None = None
    doubled: int | None = None
    after_stop: int | None = None
    outside_hours: int | None = None
    worst: str = ""  # delay, with its unit and what it is the delay of


def note(row: Row) -> None:
    """Keep a line of the table, where one is asked for."""
    if path := os.environ.get("FAULT_TABLE"):
        with Path(path).open("a") as table:
            table.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
