"""Lines met again word for word are not read again, and nothing else changes: not a count, not a person."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from campaigns import known_lines
from campaigns.enums import AttributeType
from campaigns.models import Allocataire, ExtraAttribute, PopulationImport
from campaigns.rules.population_lines import BlockParser
from tests.campaigns.population_files import HEADER, NOW, fetch, line, load
from tests.factories import make_commune

pytestmark = pytest.mark.django_db

PEOPLE = [line(matricule=f"{n:07d}", nom="MARTIN") for n in range(40)]


@pytest.fixture(autouse=True)
def perpignan() -> None:
    make_commune()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the lines that are read, import after import."""
    numbers: list[int] = []
    parse = BlockParser.parse

    def listen(self: BlockParser, block: Any, marks: Any) -> Any:
        numbers.extend(block.numbers)
        return parse(self, block, marks)

    monkeypatch.setattr(BlockParser, "parse", listen)
    return numbers


def extract(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines])


def counts(done: PopulationImport) -> tuple[int, int, int, int]:
    return done.created_count, done.updated_count, done.unchanged_count, done.rejected_count


def test_only_lines_that_changed_are_read(tmp_path: Path, read: list[int]) -> None:
    load(tmp_path, extract(*PEOPLE))
    read.clear()
    changed = [*PEOPLE[:7], line(matricule="0000007", nom="DURAND"), *PEOPLE[8:], line(matricule="0000040")]
    done = load(tmp_path, extract(*changed))
    assert counts(done) == (1, 1, 39, 0)
    assert done.read_count == 41
    assert read == [9, 42]
    read.clear()
    assert counts(load(tmp_path, extract(*reversed(changed)))) == (0, 0, 41, 0)
    assert read == [], "whatever their order"


def test_what_is_to_be_told_is_told_every_time(tmp_path: Path, read: list[int]) -> None:
    lines = [*PEOPLE, line(matricule="A1", mobile="123"), line(matricule="A2", date_naissance="33010"), "a;b"]
    for _time in range(2):
        read.clear()
        done = load(tmp_path, extract(*lines), accept_rejections=True)
        assert done.rejected_count == 1
        assert sum(done.emptied.values()) == 1
        assert sum(done.repairs.values()) == 1
    assert read == [42, 43]


def test_a_short_matricule_is_read_again_once_the_width_is_known(tmp_path: Path) -> None:
    load(tmp_path, extract(line(matricule="123")))
    Allocataire.objects.update(matricule="0000123")
    done = load(tmp_path, extract(line(matricule="123")))
    assert (done.unchanged_count, sum(done.repairs.values())) == (1, 1)


def test_a_person_changed_by_anybody_is_read_again(tmp_path: Path, read: list[int]) -> None:
    load(tmp_path, extract(*PEOPLE))
    with connection.cursor() as cursor:  # as far from the stories as can be
        cursor.execute("UPDATE campaigns_allocataire SET last_name = 'AUTRE' WHERE matricule = '0000003'")
    Allocataire.objects.filter(matricule="0000005").delete()
    read.clear()
    assert counts(load(tmp_path, extract(*PEOPLE))) == (1, 1, 38, 0)
    assert read == [5, 7]


def test_duplicates_of_a_known_line(tmp_path: Path) -> None:
    load(tmp_path, extract(*PEOPLE))
    other = line(matricule="0000003", nom="DURAND")
    again = load(tmp_path, extract(*PEOPLE, PEOPLE[3], other), accept_rejections=True)
    assert counts(again) == (0, 0, 40, 2)
    assert list(again.rejected_lines.values_list("line", "reason")) == [
        (42, "Ce matricule est déjà porté par la ligne 5."),
        (43, "Ce matricule est déjà porté par la ligne 5."),
    ]
    first = load(tmp_path, extract(other, *PEOPLE), accept_rejections=True)
    assert counts(first) == (0, 1, 39, 1)
    assert [*first.rejected_lines.values_list("line", flat=True)] == [6]
    assert Allocataire.objects.get(matricule="0000003").last_name == "DURAND"


def test_a_known_person_is_not_absent(tmp_path: Path) -> None:
    load(tmp_path, extract(*PEOPLE), is_full_extract=True)
    done = load(tmp_path, extract(*PEOPLE[1:]), is_full_extract=True, accept_closures=True)
    assert (done.unchanged_count, done.closed_count) == (39, 1)
    load(tmp_path, extract(*PEOPLE))
    back = load(tmp_path, extract(*PEOPLE), is_full_extract=True)
    assert (back.updated_count, back.closed_count) == (1, 0)
    assert not Allocataire.objects.exclude(closed_on=None).exists()


@pytest.mark.parametrize("change", ["mapping", "attribute", "rules", "clock"])
def test_another_reading_reads_everything(
    tmp_path: Path, read: list[int], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    header = HEADER + ";divers"
    ExtraAttribute.objects.create(code="divers", label="Divers", type=AttributeType.TEXT)
    lines = [text + ";12" for text in PEOPLE]
    options: dict[str, Any] = {"mapping": {"divers": "extra.divers"}}
    load(tmp_path, extract(*lines, header=header), **options)
    read.clear()
    if change == "mapping":
        options["mapping"] = {"divers": ""}
    if change == "attribute":
        ExtraAttribute.objects.update(type=AttributeType.NUMBER)
    if change == "rules":
        monkeypatch.setattr(known_lines, "_digest_of_rules", lambda: b"others")
    if change == "clock":
        options["now"] = NOW - timedelta(days=1)
    load(tmp_path, extract(*lines, header=header), **options)
    assert len(read) == 40
    if change == "attribute":
        assert Allocataire.objects.filter(extra={"divers": 12}).count() == 40


def test_old_marks_are_forgotten(tmp_path: Path, read: list[int]) -> None:
    for name in "ABCDEFG":
        load(tmp_path, extract(*[line(matricule=f"{n:07d}", nom=name) for n in range(40)]))
    [(marks,)] = fetch("SELECT count(*) FROM campaigns_known_line")
    assert marks <= 5 * 40
    read.clear()
    load(tmp_path, extract(*[line(matricule=f"{n:07d}", nom="G") for n in range(40)]))
    assert read == []


def test_a_history_of_files_gives_the_same_people_without_marks(tmp_path: Path) -> None:
    """Random extracts in a row, with and without what earlier ones left: same persons, same reports."""
    chance = random.Random(66)
    files = [_random_extract(chance) for _ in range(25)]
    assert _play(tmp_path, files, forgets=False) == _play(tmp_path, files, forgets=True)


def _random_extract(chance: random.Random) -> tuple[str, bool]:
    lines = [
        line(
            matricule=f"{n:07d}",
            nom=chance.choice(["A", "B"]),
            mobile=chance.choice(["0612345678", "0612345679", "6", ""]),
            prenom=chance.choice(["Léa", "Léa", "Léa", "=1"]),
        )
        for n in chance.choices(range(12), k=12)
    ]
    return extract(*lines), chance.random() < 0.5


def _play(folder: Path, files: list[tuple[str, bool]], *, forgets: bool) -> list[Any]:
    Allocataire.objects.all().delete()
    seen: list[Any] = []
    for content, is_full in files:
        if forgets:
            fetch("DELETE FROM campaigns_known_line RETURNING 1")
        done = load(folder, content, is_full_extract=is_full, accept_rejections=True, accept_closures=True)
        rejected = list(done.rejected_lines.values_list("line", "column", "reason"))
        seen.append((counts(done), done.read_count, done.closed_count, done.emptied, done.repairs, rejected))
        seen.append(
            list(Allocataire.objects.order_by("matricule").values_list("matricule", "last_name", "mobile", "closed_on"))
        )
    return seen


def test_marks_of_another_server_count_for_nothing(
    tmp_path: Path, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restored elsewhere, everybody has the number of the transaction that restored: an old mark might bear it."""
    load(tmp_path, extract(*PEOPLE))
    Allocataire.objects.filter(matricule="0000003").update(last_name="AUTRE")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE campaigns_known_line k SET version = a.xmin::text::bigint"
            " FROM campaigns_allocataire a WHERE a.id = k.allocataire_id"
        )
    monkeypatch.setattr(known_lines, "server", lambda: "un autre")
    read.clear()
    assert counts(load(tmp_path, extract(*PEOPLE))) == (0, 1, 39, 0)
    assert len(read) == 40
    assert Allocataire.objects.get(matricule="0000003").last_name == "MARTIN"
