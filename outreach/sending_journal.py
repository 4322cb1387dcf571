"""What left, outside the database: one line a batch, forced to disk before the operator is called.

A database restored from an old backup does not know the last lines: ``outreach.fence`` finds it out by them, and
``outreach.reopening`` gives them back to it. Keyed hashes only, no name nor address.

The first line of a month begins a new file: the former one goes beside it, under the number of its last line, and is
erased once all of it is older than ``KEPT``.
"""

import fcntl
import glob
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings

BLOCK = 1 << 14
LONGEST_LINE = 1 << 22  # bytes without one readable line: the file is not ours, or is spoilt
KEPT = timedelta(days=90)  # a backup older than that is not restored without doubt about what was due
FORMER = "." + "[0-9]" * 12  # after the name of the journal: the number of its last line

logger = logging.getLogger(__name__)


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
    with _open_alone(path) as file:
        lines, is_torn = _read_end(file, 1)
        seq = max(lines[-1].seq if lines else 0, after) + 1
        text = _write_line(seq, departures, provider, at)
        if not (lines and _is_later_month(at, lines[-1].at) and _begin_file(path, text, at, former=lines[-1])):
            _force(file, (b"\n" if is_torn else b"") + text)
            if not lines:
                _force_names(path.parent)
    return seq


def read_last_lines(number: int) -> list[Line]:
    """The last lines, oldest first; empty when there is no file, or an empty one. Raises as ``append_line`` does."""
    path = Path(settings.SENDING_JOURNAL)
    try:
        with path.open("rb") as file:
            lines = _read_end(file, number)[0]
    except FileNotFoundError:
        return []
    for former in reversed(_former_files(path)):
        if len(lines) >= number:
            break
        with suppress(FileNotFoundError), former.open("rb") as file:  # erased meanwhile: it was too old
            older = _read_end(file, number)[0]
            lines = [line for line in older if not lines or line.seq < lines[0].seq] + lines
    return lines[-number:]


def read_lines(*, after: int) -> Iterator[Line]:
    """Every readable line whose number is greater than ``after``, in order, one in memory at a time."""
    path = Path(settings.SENDING_JOURNAL)
    last = after
    for part in (*_former_files(path), path):
        if part != path and _last_number(part) <= after:
            continue
        with suppress(FileNotFoundError), part.open("rb") as file:
            for text in file:
                line = _read_line(text)
                if line and line.seq > last:
                    last = line.seq
                    yield line


def set_aside(at: datetime) -> None:
    """Keep an unreadable journal under another name, so that a new one begins."""
    path = Path(settings.SENDING_JOURNAL)
    if path.exists():
        path.rename(path.with_name(f"{path.name}.illisible-{at:%Y%m%d%H%M%S}"))


@contextmanager
def _open_alone(path: Path) -> Iterator[IO[bytes]]:
    """The journal, that nobody else writes; not the file that was it while this caller waited for its turn."""
    while True:
        with open(path, "ab+", opener=_open_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still(path, file):
                yield file
                return


def _is_still(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _begin_file(path: Path, text: bytes, at: datetime, *, former: Line) -> bool:
    """Replace the journal by a file that holds this line alone; the former keeps another name. False: it cannot be
    done here, and the journal goes on growing.

    There is a journal at any instant, whatever is killed: the former file has both names, then the new one takes its
    place at once.
    """
    fresh, kept = path.with_name(f"{path.name}.new"), path.with_name(f"{path.name}.{former.seq:012}")
    try:
        fresh.unlink(missing_ok=True)
        with open(fresh, "ab", opener=_open_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until its name is on disk, nobody adds to it
            _force(file, text)
            if not (kept.exists() and kept.samefile(path)):  # else killed here the last time
                kept.hardlink_to(path)
            fresh.rename(path)
            _force_names(path.parent)
    except OSError as trouble:
        logger.warning("sending journal goes on in the same file: %s", type(trouble).__name__)
        return False
    _erase_old(path, before=at - KEPT)
    return True


def _erase_old(path: Path, *, before: datetime) -> None:
    for former in _former_files(path):
        with suppress(OSError, JournalUnreadable):  # kept, and tried again next month
            with former.open("rb") as file:
                lines, _ = _read_end(file, 1)
            if lines and lines[-1].at < before:
                former.unlink()


def _former_files(path: Path) -> list[Path]:
    return sorted(path.parent.glob(glob.escape(path.name) + FORMER))


def _last_number(former: Path) -> int:
    return int(former.suffix[1:])


def _is_later_month(at: datetime, last: datetime) -> bool:
    return (at.year, at.month) > (last.year, last.month)


def _force(file: IO[bytes], text: bytes) -> None:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def _force_names(folder: Path) -> None:
    """A new file survives a crash once its name does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        lines = list(islice(filter(None, map(_read_line, reversed(whole))), number))
    if b"\n" in text and not lines:
        raise JournalUnreadable
    return lines[::-1], text[-1:] not in {b"", b"\n"}


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
