"""What left, outside the database: one line a batch, forced to disk before the operator is called.

A database restored from an old backup does not know the last lines: ``outreach.fence`` finds it out by them, and
``outreach.reopening`` gives them back to it. Keyed hashes only, no name nor address.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings

BLOCK = 1 << 16
LONGEST_LINE = 1 << 22  # bytes without one readable line: the file is not ours, or is spoilt


class JournalUnreadable(Exception):
    """The file is there, and its end says nothing that can be understood."""


@dataclass(frozen=True)
class Departure:
    """An attempt about to be given to the operator, and the contact it is for."""

    attempt_uuid: UUID
    touch_id: int
    step_id: int
    destination_hash: str


@dataclass(frozen=True)
class Line:
    """``seq`` goes up by one from each line to the next, whoever writes it."""

    seq: int
    at: datetime
    provider: str
    departures: tuple[Departure, ...]


def append_line(departures: Sequence[Departure], *, provider: str, at: datetime, after: int = 0) -> int:
    """Write a line and force it to disk; returns its number, greater than ``after``.

    Raises ``OSError`` or ``JournalUnreadable``. A line torn by a crash is closed before the next one: it never left.
    """
    path = Path(settings.SENDING_JOURNAL)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+", opener=_open_private) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lines, is_torn = _read_end(file, 1)
        seq = max(lines[-1].seq if lines else 0, after) + 1
        file.write((b"\n" if is_torn else b"") + _write_line(seq, departures, provider, at))
        file.flush()
        os.fsync(file.fileno())
    return seq


def read_last_lines(number: int) -> list[Line]:
    """The last lines, oldest first; empty when there is no file, or an empty one. Raises as ``append_line`` does."""
    try:
        with open(settings.SENDING_JOURNAL, "rb") as file:
            return _read_end(file, number)[0]
    except FileNotFoundError:
        return []


def read_lines(*, after: int) -> Iterator[Line]:
    """Every readable line whose number is greater than ``after``, in the order of the file."""
    with open(settings.SENDING_JOURNAL, "rb") as file:
        for text in file:
            line = _read_line(text)
            if line and line.seq > after:
                yield line


def set_aside(at: datetime) -> None:
    """Keep an unreadable journal under another name, so that a new one begins."""
    path = Path(settings.SENDING_JOURNAL)
    if path.exists():
        path.rename(path.with_name(f"{path.name}.illisible-{at:%Y%m%d%H%M%S}"))


def _read_end(file: IO[bytes], number: int) -> tuple[list[Line], bool]:
    """The last readable lines, and whether the file ends in the middle of one."""
    size = position = file.seek(0, os.SEEK_END)
    text = b""
    lines: list[Line] = []
    while position and len(lines) < number:
        if len(text) > LONGEST_LINE and not lines:
            break
        position = max(0, position - BLOCK * (1 + len(text) // BLOCK))
        file.seek(position)
        text = file.read(size - position)
        whole = text.split(b"\n")[0 if position == 0 else 1 :]
        lines = [line for line in map(_read_line, whole[-number - 2 :]) if line]
    if b"\n" in text and not lines:
        raise JournalUnreadable
    return lines[-number:], text[-1:] not in {b"", b"\n"}


def _write_line(seq: int, departures: Sequence[Departure], provider: str, at: datetime) -> bytes:
    left = [[d.attempt_uuid.hex, d.touch_id, d.step_id, d.destination_hash] for d in departures]
    line = {"seq": seq, "at": at.isoformat(), "provider": provider, "left": left}
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _read_line(text: bytes) -> Line | None:
    try:
        said: dict[str, Any] = json.loads(text)
        left = tuple(
            Departure(UUID(uuid), int(touch), int(step), str(hashed)) for uuid, touch, step, hashed in said["left"]
        )
        return Line(int(said["seq"]), datetime.fromisoformat(said["at"]), str(said["provider"]), left)
    except (ValueError, TypeError, KeyError, IndexError):
        return None


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
