"""A reading shared among processes gives what one alone would, and whatever happens to them leaves nothing behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from campaigns import population_import
from campaigns.models import Allocataire, ImportStatus, PopulationImport
from campaigns.population_import import ImportRefused, _Reading
from campaigns.reading_processes import ReadingStopped, shared_reading
from campaigns.rules.population_lines import ParsedBlock
from tests.campaigns.population_files import HEADER, fetch, line, load
from tests.factories import make_commune
from tests.memory import children


def every(turn: int, turns: int) -> Iterator[tuple[int, int]]:
    return ((number, os.getpid()) for number in range(turn, 1_001, turns))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_result_comes_once_in_order(processes: int) -> None:
    before = children()
    with shared_reading(every, processes) as results:
        numbers, pids = zip(*results, strict=True)
    assert numbers == tuple(range(1_001))
    assert len(set(pids)) == processes
    assert (os.getpid() in pids) == (processes == 1)
    assert children() == before


def test_what_reading_raises_is_raised_here() -> None:
    def fail(turn: int, _turns: int) -> Iterator[int]:
        yield turn
        raise LookupError("this one")

    before = children()
    with pytest.raises(LookupError, match="this one"), shared_reading(fail, 2) as results:
        list(results)
    assert children() == before


def test_a_reader_that_is_killed_is_noticed() -> None:
    def die(turn: int, _turns: int) -> Iterator[int]:
        yield turn
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ReadingStopped), shared_reading(die, 2) as results:
        list(results)


def test_results_that_nobody_takes_keep_no_process() -> None:
    before = children()
    with shared_reading(every, 2) as results:
        assert next(results)[0] == 0
    assert children() == before


@pytest.mark.django_db
def test_a_file_is_read_alike_by_one_process_and_by_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong lines, repairs, emptied cells, blank lines before the header and between two blocks."""
    make_commune()
    lines = [line(matricule=f"{n:07d}") for n in range(9_000)]
    lines[5], lines[4_000], lines[8_998] = line(nom=""), line(matricule="0000005", mobile="06"), "a;b"
    lines[7_000] = line(matricule="0007000", date_naissance="33010")
    lines[3_000:3_000] = [""] * 700_000
    content = "\n".join(["", " ", HEADER, *lines])
    seen = []
    for processes in (1, 3):
        monkeypatch.setattr(population_import, "_processes", lambda *_, count=processes: count)
        Allocataire.objects.all().delete()
        done = load(tmp_path, content, accept_rejections=True)
        rejected = sorted(done.rejected_lines.values_list("line", "column", "value_class", "reason"))
        people = fetch("SELECT to_jsonb(a) - 'id' FROM campaigns_allocataire a ORDER BY matricule")
        seen.append((done.read_count, done.rejected_count, done.repairs, done.emptied, rejected, people))
    assert seen[0] == seen[1]
    assert seen[0][:2] == (9_000, 2)
    assert seen[0][2]
    assert seen[0][3]


@pytest.mark.django_db(transaction=True)
def test_an_import_whose_reader_is_killed_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_commune()
    parse, mine = population_import._parse, os.getpid()

    def die(reading: _Reading, wanted: bytearray | None, turn: int, turns: int) -> Iterator[ParsedBlock]:
        for block in parse(reading, wanted, turn, turns):
            yield block
            if turn == 1 and os.getpid() != mine:
                os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(population_import, "_parse", die)
    monkeypatch.setattr(population_import, "_processes", lambda *_: 2)
    content = "\n".join([HEADER, *(line(matricule=f"{n:07d}") for n in range(30_000))])
    with pytest.raises(ImportRefused, match="a été interrompue, rien n’a été changé"):
        load(tmp_path, content)
    assert not Allocataire.objects.exists()
    assert PopulationImport.objects.get().status == ImportStatus.REFUSED
    assert connection.is_usable()
    monkeypatch.setattr(population_import, "_parse", parse)
    assert load(tmp_path, content).created_count == 30_000


def test_a_reader_keeps_nothing_of_its_parent(tmp_path: Path) -> None:
    def list_open(_turn: int, _turns: int) -> Iterator[list[str]]:
        yield [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]

    with (tmp_path / "open").open("w") as held, shared_reading(list_open, 2) as results:
        seen = list(results)
        assert len(seen) == 2
        assert held.name in [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert all(held.name not in paths for paths in seen)
    assert all(sum(path.startswith(("pipe:", "socket:")) for path in paths) <= 4 for paths in seen), (
        "three, and its own"
    )
