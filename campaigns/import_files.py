"""Files that wait to be imported: kept under a name that says nothing, readable by this program only."""

import os
from collections.abc import Iterable
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


def discard_file(name: str) -> None:
    """It holds personal data: gone as soon as it has served. Harmless when it is already."""
    path_of(name).unlink(missing_ok=True)
    converted_path_of(name).unlink(missing_ok=True)


def _folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "imports"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
