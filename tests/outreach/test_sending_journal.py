"""The journal of departures: a file a month, whoever writes and whatever is killed; old ones are erased."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest
from pytest_django import Settings

from outreach import sending_journal
from outreach.sending_journal import Departure, append_line, read_last_lines, read_lines

JANUARY = datetime(2026, 1, 15, 10, tzinfo=UTC)


@pytest.fixture
def journal(settings: Settings) -> Path:
    return Path(settings.SENDING_JOURNAL)


def departure() -> Departure:
    return Departure(uuid4(), 1, 2, "hash")


def write(month: int, *, day: int = 15) -> UUID:
    """A line of the month ``month``, counted from January 2026."""
    one = departure()
    append_line([one], provider="fake", at=datetime(2026 + month // 12, month % 12 + 1, day, 10, tzinfo=UTC))
    return one.attempt_uuid


def written(after: int = 0) -> list[UUID]:
    return [line.departures[0].attempt_uuid for line in read_lines(after=after)]


def files(journal: Path) -> list[str]:
    return sorted(one.name for one in journal.parent.iterdir() if one.name.startswith(journal.name))


def test_a_month_begins_a_file_and_everything_is_still_read(journal: Path) -> None:
    uuids = [write(month) for month in (0, 0, 0, 1, 1, 2)]
    assert files(journal) == ["sending.jsonl", "sending.jsonl.000000000003", "sending.jsonl.000000000005"]
    assert [line.seq for line in read_lines(after=0)] == [1, 2, 3, 4, 5, 6]
    assert written() == uuids
    assert written(after=4) == uuids[4:]
    assert [line.seq for line in read_last_lines(4)] == [3, 4, 5, 6]
    assert all(one.stat().st_mode & 0o077 == 0 for one in journal.parent.glob("sending.jsonl*"))


def test_what_is_older_than_any_backup_is_erased(journal: Path) -> None:
    uuids = [write(month, day=1) for month in (0, 1, 2, 3, 4)]
    assert files(journal) == [f"sending.jsonl{end}" for end in ("", *(f".{n:012}" for n in (2, 3, 4)))]
    assert written() == uuids[1:], "120 days went, 89 stay"


def test_a_clock_that_goes_back_begins_nothing(journal: Path) -> None:
    uuids = [write(3), write(1)]
    assert files(journal) == ["sending.jsonl"]
    assert written() == uuids


@pytest.mark.parametrize("step", ["hardlink_to", "rename"])
def test_killed_while_a_file_begins(journal: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The journal is there at any instant, and a line that was not forced to disk never left."""

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    first = write(0)
    with monkeypatch.context() as death:
        death.setattr(Path, step, kill)
        with pytest.raises(Killed):
            write(1)
    assert written() == [first]
    assert [line.seq for line in read_last_lines(64)] == [1]
    second = write(1)
    assert written() == [first, second]
    assert files(journal) == ["sending.jsonl", "sending.jsonl.000000000001"]


def test_where_a_file_cannot_begin_the_same_goes_on(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without links must not stop sending every first of the month."""

    def refuse(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    uuids = [write(0), write(1), write(2)]
    assert written() == uuids


def test_a_number_already_taken_replaces_nothing(journal: Path) -> None:
    """The journal was deleted once: its numbers began again."""
    journal.with_name("sending.jsonl.000000000001").write_bytes(b"former life\n")
    uuids = [write(0), write(1)]
    assert written() == uuids
    assert journal.with_name("sending.jsonl.000000000001").read_bytes() == b"former life\n"


def test_the_last_lines_are_read_without_the_first(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for month in (0, 0, 1):
        write(month)
    journal.with_name("sending.jsonl.000000000002").unlink()
    journal.with_name("sending.jsonl.000000000002").mkdir()  # nobody can open it
    assert [line.seq for line in read_lines(after=2)] == [3]


def _write_until_killed(journal: Path, said: int, started: float) -> None:
    """A month every 10 ms; each line that was written is said, once it was."""
    while True:
        one = departure()
        at = JANUARY + timedelta(days=31) * int((monotonic() - started) * 100)
        seq = append_line([one], provider="fake", at=at)
        os.write(said, f"{seq} {one.attempt_uuid.hex}\n".encode())


def _killed_writers(journal: Path, said: int) -> Iterator[int]:
    """Four write at once; each is killed after a while and followed by another, ten times."""
    context, started = multiprocessing.get_context("fork"), monotonic()
    alive: list[Any] = []
    for number in range(14):
        if number < 10:
            alive.append(context.Process(target=_write_until_killed, args=(journal, said, started)))
            alive[-1].start()
        if len(alive) == 4 or number >= 10:
            alive[0].join(timeout=0.15)
            os.kill(alive[0].pid, signal.SIGKILL)
            alive.pop(0).join()
            yield number
        if not alive:
            return


def test_writers_killed_while_months_go_by(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending_journal, "KEPT", timedelta(days=100_000))
    journal.parent.mkdir(exist_ok=True)
    heard, said = os.pipe()
    os.set_blocking(said, True)
    kills = len(list(_killed_writers(journal, said)))
    os.close(said)
    with os.fdopen(heard) as reports:
        told = dict(line.split() for line in reports.read().splitlines())
    kept = {str(line.seq): line.departures[0].attempt_uuid.hex for line in read_lines(after=0)}
    assert {seq: kept.get(seq) for seq in told} == told, "a line that was written is not there, or is another"
    assert list(kept) == [str(seq) for seq in range(1, len(kept) + 1)]
    assert len(kept) <= len(told) + kills, "more than one line a kill was written and not said"
    assert kills == 10
    assert len(files(journal)) > 20
