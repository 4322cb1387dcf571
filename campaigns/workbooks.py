"""A workbook (XLSX) rewritten as CSV, so that it goes through the same reading as any extract.

A small archive can hold gigabytes, and one far cell a sheet of billions of cells. What the archive says of itself is
looked at first; then the reading happens in a process of its own, whose memory and time are bounded: whatever the file
does to it, this one goes on.
"""

import csv
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from campaigns.rules.excel_cells import text_of_cell

MARK = b"PK\x03\x04"
_UNFOLDED_MAX = 1 << 29  # bytes of the archive once decompressed
_ENTRIES_MAX = 1_000
_ROWS_MAX, _COLUMNS_MAX, _CELLS_MAX = 1_048_576, 256, 10_000_000
_MEMORY_MAX = 2 << 30
_SECONDS_MAX = 120
_TOO_LARGE = "Ce classeur est trop grand ({}). Enregistrer l’extraction au format CSV, qui n’a pas de limite."
_UNREADABLE = "Ce fichier n’est pas un classeur Excel lisible. L’enregistrer de nouveau, ou au format CSV."
# What the child says by its exit status, since nothing that it prints may be trusted to hold no data.
_REASONS = {
    3: _TOO_LARGE.format(f"plus de {_COLUMNS_MAX} colonnes"),
    4: _TOO_LARGE.format("trop de cellules"),
    5: "Le classeur est vide. La première ligne doit nommer les colonnes.",
    6: "Le classeur est protégé par un mot de passe. L’enregistrer sans.",
}


class UnreadableWorkbook(Exception):
    """The workbook cannot be read; the message is a French sentence that says what to do."""


@contextmanager
def readable_as_csv(path: Path) -> Iterator[Path]:
    """The file itself, or the CSV form of a workbook for the time of the block. Raises ``UnreadableWorkbook``."""
    if not is_workbook(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="aller-vers-") as folder:
        target = Path(folder) / "classeur.csv"
        convert_workbook(path, target)
        yield target


def is_workbook(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MARK)) == MARK
    except OSError:
        return False


def convert_workbook(source: Path, target: Path) -> None:
    """Write the first sheet of a workbook as CSV, one line a row. Raises ``UnreadableWorkbook``."""
    _check_archive(source)
    target.touch(mode=0o600)
    root = Path(__file__).resolve().parent.parent
    try:
        child = subprocess.run(  # noqa: S603 — our own module, our own paths
            [sys.executable, "-m", "campaigns.workbooks", str(source.resolve()), str(target.resolve())],
            cwd=root,
            env={"PATH": os.defpath},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnreadableWorkbook(_TOO_LARGE.format("plus de deux minutes de lecture")) from None
    if child.returncode < 0 or child.returncode == os.EX_SOFTWARE:
        raise UnreadableWorkbook(_TOO_LARGE.format("il remplit la mémoire"))
    if child.returncode:
        raise UnreadableWorkbook(_REASONS.get(child.returncode, _UNREADABLE))


def _check_archive(path: Path) -> None:
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, OSError, NotImplementedError):
        raise UnreadableWorkbook(_UNREADABLE) from None
    if not any(entry.filename == "xl/workbook.xml" for entry in entries):
        raise UnreadableWorkbook("Ce fichier est une archive, pas un classeur Excel. En sortir l’extraction.")
    if len(entries) > _ENTRIES_MAX or sum(entry.file_size for entry in entries) > _UNFOLDED_MAX:
        raise UnreadableWorkbook(_TOO_LARGE.format("plus de 512 Mio une fois décompressé"))


def _convert(source: str, target: str) -> int:
    """In the child. Returns its exit status, see ``_REASONS``."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    try:
        sheet = CalamineWorkbook.from_path(source).get_sheet_by_index(0)
    except PasswordError:
        return 6
    except (CalamineError, OSError, ValueError, IndexError):
        return 1
    if sheet.end is None:
        return 5
    rows, columns = sheet.end[0] + 1, sheet.end[1] + 1
    if columns > _COLUMNS_MAX:
        return 3
    if rows > _ROWS_MAX or rows * columns > _CELLS_MAX:
        return 4
    with open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        for _ in range((sheet.start or (0, 0))[0]):
            file.write("\n")
        for row in sheet.iter_rows():
            cells = [text_of_cell(value) for value in row]
            writer.writerow(cells) if any(cells) else file.write("\n")
    return 0


def _main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX, _MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS_MAX, _SECONDS_MAX))
    try:
        return _convert(sys.argv[1], sys.argv[2])
    except MemoryError:
        return os.EX_SOFTWARE


if __name__ == "__main__":
    sys.exit(_main())
