"""A large file where three lines in ten are wrong: each is counted, each is located, and memory stays flat.

``FULL=1`` plays the full size; by default a tenth of it.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaigns.models import Allocataire, PopulationImport, RejectedLine
from campaigns.population_import import import_population
from tests.campaigns.population_files import HEADER, LINE, NIR, NOW, assert_nowhere, line
from tests.factories import make_commune
from tests.faults.sizes import size_of
from tests.faults.table import Row, note
from tests.memory import watched_memory

LINES = size_of("import_lines")
MEMORY_MAX = 200  # MiB above what the process held (Django alone: 80), so 300 in all, whatever the size of the file
ENORMOUS = "y" * 10_000_000
# What is wrong, and the class that the report gives it. The matricule « DEJA » stands on the first line.
WRONG: list[tuple[str | bytes, str]] = [
    (line(matricule="DEJA"), "doublon"),
    ("a;b", "nombre de colonnes"),
    (LINE + ";trop", "nombre de colonnes"),
    (line(nom=""), "vide"),
    (line(nom=NIR), "NIR"),
    (line(prenom="1 84 12 76 451 089 46"), "NIR"),
    (line(prenom="\x00"), "signe interdit"),
    (line(prenom="\x1b[31m"), "signe interdit"),
    (LINE.replace("Léa", '"'), ""),
    (line(date_naissance="32/13/2020"), "date"),
    (line(commune="75056"), "nombre de 5 chiffres"),
    (line(nom="=1+1"), "texte de 4 caractères"),
    (line(nom="{{x}}"), "texte de 5 caractères"),
    (line(matricule="12 34"), "texte de 5 caractères"),
    (line(prestations="RSA:2021-01-01|RSA:2021-01-02"), "texte de 29 caractères"),
    ("y" * 40_000, "ligne démesurée"),
    (line(matricule="M1").encode("cp1252"), "signe interdit"),
]


def _lines(told: dict[int, str]) -> Iterator[bytes]:
    """The file, line by line; ``told`` receives the number of each wrong line and its class."""
    yield HEADER.encode()
    yield line(matricule="DEJA").encode()
    text: str | bytes
    for number in range(3, LINES + 2):
        if number == 1_000:
            text, told[number] = ENORMOUS, "ligne démesurée"
        elif number % 10 in {2, 5, 8}:
            text, told[number] = WRONG[number // 10 % len(WRONG)]
        else:
            text = line(matricule=f"M{number}", email=f"p{number}@example.invalid")
        yield text if isinstance(text, bytes) else text.encode()


@pytest.mark.django_db
def test_hostile_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_commune()
    told: dict[int, str] = {}
    path = tmp_path / "hostile.csv"
    with path.open("wb") as file:
        file.writelines(text + b"\n" for text in _lines(told))
    with watched_memory() as memory:  # the neighbours of this test in one process have filled it already
        done = _import(path)
    before, growth = memory.before, memory.growth
    with capsys.disabled():
        sys.stdout.write(f"\n{LINES} lines, {len(told)} wrong: {growth:.0f} MiB above {before:.0f} MiB\n")
    lost = LINES - done.created_count - done.rejected_count
    note(
        Row("fichier hostile", f"{LINES} lignes dont {len(told)} fausses", lost=lost, worst=f"{growth:.0f} Mio de plus")
    )
    assert growth < MEMORY_MAX
    assert done.read_count == LINES == done.created_count + done.rejected_count
    found = dict(RejectedLine.objects.values_list("line", "value_class"))
    assert found == told
    assert Counter(found.values())["NIR"] > LINES / 100, "each fault was met many times"
    assert not RejectedLine.objects.filter(reason="").exists()
    assert_nowhere(NIR)
    again = _import(path)
    assert (again.created_count, again.updated_count, again.unchanged_count) == (0, 0, done.created_count)
    assert Allocataire.objects.count() == done.created_count


def _import(path: Path) -> PopulationImport:
    return import_population(path=path, file_name=path.name, by=None, now=NOW, accept_rejections=True)
