"""Files that wait to be imported: kept under a name that says nothing, readable by this program only."""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from django.conf import settings


def store_file(chunks: Iterable[bytes]) -> str:
    """Write the file; returns the name to ask it by."""
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = uuid4().hex
    with open(folder / name, "wb", opener=_private) as target:
        target.writelines(chunks)
    return name


def path_of(name: str) -> Path:
    return _folder() / name


def converted_path_of(name: str) -> Path:
    """Where the CSV form of a workbook stands, once it is made."""
    return path_of(name).with_suffix(".csv")


def unfinished_path_of(name: str) -> Path:
    """Where it stands while it is being made."""
    return path_of(name).with_suffix(".part")


def discard_file(name: str) -> None:
    """It holds personal data: gone as soon as it has served. Harmless when it is already."""
    for path in (path_of(name), converted_path_of(name), unfinished_path_of(name)):
        path.unlink(missing_ok=True)


def discard_strays(names: Iterable[str], *, older_than: datetime) -> int:
    """Erase old files that no import knows (a page died before it could say whose they were); returns how many."""
    known, erased = set(names), 0
    for path in _folder().glob("*"):
        if path.stem not in known and path.stat().st_mtime < older_than.timestamp():
            path.unlink(missing_ok=True)
            erased += 1
    return erased


def _folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "imports"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
