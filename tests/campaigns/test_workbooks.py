"""Workbooks: the same pipeline as CSV, their damage undone, and bombs that hurt nobody."""

import re
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
import xlsxwriter

from campaigns import workbooks
from campaigns.models import Allocataire, ImportStatus, PopulationImport
from campaigns.population_import import ImportRefused, import_population
from campaigns.rules.excel_cells import text_of_cell
from tests.campaigns.population_files import HEADER, LINE, NIR, NOW, assert_nowhere, load
from tests.factories import make_commune

SHEET = (
    '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{}</worksheet>'
)


@pytest.fixture(autouse=True)
def communes(db: None) -> None:
    make_commune()
    make_commune("01004", "Ambérieu-en-Bugey")


def workbook(path: Path, *rows: list[object]) -> Path:
    path = path / "extrait.xlsx"
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False}) as book:
        sheet, day = book.add_worksheet(), book.add_format({"num_format": "dd/mm/yyyy"})
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                sheet.write(number, column, value, day if isinstance(value, date) else None)
    return path


def import_file(path: Path, **options: object) -> PopulationImport:
    return import_population(path=path, file_name=path.name, by=None, now=NOW, **options)  # type: ignore[arg-type]


def replace_sheet(path: Path, xml: str) -> Path:
    bad = path.with_name("autre.xlsx")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            content = xml.encode() if entry.filename.endswith("sheet1.xml") else source.read(entry)
            target.writestr(entry.filename, content)
    return bad


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", "a b"), (True, "oui"), (False, "non"), (3.0, "3"), (3, "3"), (2.5, "2.5"), (1e15, "1.0000E+15"),
        (date(2026, 3, 1), "2026-03-01"), (datetime(2026, 3, 1), "2026-03-01"),  # noqa: DTZ001 — Excel has no zones
        (datetime(2026, 3, 1, 12, 30), "2026-03-01 12:30:00"), (time(1), "01:00:00"),  # noqa: DTZ001
        (timedelta(1), ""), (None, ""), (123456789012345.0, "123456789012345"),
    ],
)  # fmt: skip
def test_cell(value: object, text: str) -> None:
    assert text_of_cell(value) == text


def test_workbook_is_read_and_its_damage_undone(tmp_path: Path) -> None:
    row = [6600001.0, "MARTIN", "Léa", date(1990, 5, 17), 1004, "lea@example.fr", 612345678, "RSA:2021-03-01"]
    short = [123, "DURAND", "", 33010, 66136, "", "", ""]
    done = import_file(workbook(tmp_path, list(HEADER.split(";")), row, [], short))
    assert (done.status, done.read_count, done.created_count) == (ImportStatus.DONE, 2, 2)
    person = Allocataire.objects.get(matricule="6600001")
    assert (person.born_on, person.commune_id, person.mobile) == (date(1990, 5, 17), "01004", "+33612345678")
    assert Allocataire.objects.get(matricule="0000123").born_on == date(1990, 5, 17)
    assert done.repairs["matricule : zéros de tête rendus"] == 1


def test_csv_and_workbook_say_the_same(tmp_path: Path) -> None:
    load(tmp_path, f"{HEADER}\n{LINE}")
    done = import_file(workbook(tmp_path, list(HEADER.split(";")), list(LINE.split(";"))))
    assert (done.created_count, done.unchanged_count) == (0, 1)


def test_rejected_line_has_the_number_of_its_row(tmp_path: Path) -> None:
    rows: list[list[object]] = [["matricule", "nom"], ["A1", "MARTIN"], [], ["A2", "=x"], ["A3", float(NIR)]]
    done = import_file(workbook(tmp_path, *rows), accept_rejections=True)
    assert list(done.rejected_lines.values_list("line", "value_class")) == [(4, "texte de 2 caractères"), (5, "NIR")]
    assert_nowhere(NIR)


def refused(path: Path) -> str:
    with pytest.raises(ImportRefused) as refusal:
        import_file(path)
    assert not Allocataire.objects.exists()
    return str(refusal.value)


def test_archive_that_unfolds_to_gigabytes(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["matricule", "nom"], ["1", "A"])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/bombe.xml", "w") as entry:
        for _ in range(513):
            entry.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    assert "512 Mio une fois décompressé" in refused(path)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "mémoire"),
        ('<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>1</v></c></row>', "plus de 256 colonnes"),
        (
            '<row r="1"><c r="A1"><v>1</v></c></row><row r="500000"><c r="Z500000"><v>1</v></c></row>',
            "trop de cellules",
        ),
        ("", "est vide"),
    ],
    ids=["far-cell", "columns", "cells", "empty"],
)
def test_sheet_that_unfolds_in_memory(tmp_path: Path, cells: str, reason: str) -> None:
    path = workbook(tmp_path, ["matricule", "nom"], ["1", "A"])
    assert reason in refused(replace_sheet(path, SHEET.format(f"<sheetData>{cells}</sheetData>")))


def test_text_repeated_by_many_cells_fills_only_the_child(tmp_path: Path) -> None:
    """Each cell is a copy for the reader: 4 GiB out of a file of half a megabyte."""
    path = workbook(tmp_path, ["matricule", "x" * 32_000])
    cells = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>1</v></c></row>' for n in range(1, 150_001))
    assert "mémoire" in refused(replace_sheet(path, SHEET.format(f"<sheetData>{cells}</sheetData>")))


@pytest.mark.parametrize("content", ["<worksheet", "<worksheet><sheetData><row r='x'/></sheetData></worksheet>"])
def test_broken_sheet(tmp_path: Path, content: str) -> None:
    path = workbook(tmp_path, ["matricule", "nom"], ["1", "A"])
    assert re.search("pas un classeur Excel lisible|est vide", refused(replace_sheet(path, content)))


def test_truncated_workbook(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["matricule", "nom"], ["1", "A"])
    path.write_bytes(path.read_bytes()[:-100])
    assert "pas un classeur Excel lisible" in refused(path)


def test_archive_that_is_no_workbook(tmp_path: Path) -> None:
    path = tmp_path / "extrait.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("extrait.csv", f"{HEADER}\n{LINE}")
    assert "une archive, pas un classeur" in refused(path)


def test_reading_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "_SECONDS_MAX", 0.001)
    assert "deux minutes" in refused(workbook(tmp_path, ["matricule", "nom"], ["1", "A"]))
