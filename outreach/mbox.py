"""An mbox file that grows: its next messages, from where reading stopped, whatever became of the file since.

A message that mail servers are still writing looks like one that is whole: the last message is read again when it has
grown. Messages are cut as the standard library's ``mailbox`` cuts them, without reading the whole file to do so.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

LINE = 1 << 16  # bytes of a line read at once
WITNESS = 512  # bytes before the place by which a file is known again


@dataclass(frozen=True)
class Place:
    """At the first byte of the last message read. The default is the beginning of a file never read."""

    inode: str = ""
    position: int = 0
    before: str = ""  # digest of what precedes it: another file may have taken the name, and even the inode
    last: str = ""  # digest of that message as it was read


def read_on(path: Path, place: Place, *, limit: int, longest: int) -> tuple[list[bytes], Place]:
    """The next messages, ``limit`` at most, each cut after ``longest`` bytes, and the place to read on from.

    A file that was turned over is read to its end first, as long as it stays in the same folder; one that was cut or
    replaced is read from its beginning. Raises ``OSError``.
    """
    former = _find(path, place)
    if former is not None:
        messages, reached = _read(former, place, limit, longest)
        if messages or former.samefile(path):
            return messages, reached
    return _read(path, Place(inode=str(path.stat().st_ino)), limit, longest)


def digest_of(message: bytes) -> str:
    return hashlib.sha256(message).hexdigest()[:32]


def _read(path: Path, place: Place, limit: int, longest: int) -> tuple[list[bytes], Place]:
    with path.open("rb") as file:
        found = list(islice(_cut(file, place.position, longest), limit + 1))  # one of them may be known
        if found and (found[0][0], digest_of(found[0][1])) == (place.position, place.last):
            found = found[1:]
        found = found[:limit]
        if not found:
            return [], place
        start, last = found[-1]
        return [message for _, message in found], Place(place.inode, start, _witness(file, start), digest_of(last))


def _find(path: Path, place: Place) -> Path | None:
    """The file that was read, under whatever name; None when it is there no more."""
    named = (path, *(one for one in sorted(path.parent.iterdir()) if one != path))
    return next((one for one in named if _is_at(one, place)), None)


def _is_at(path: Path, place: Place) -> bool:
    try:
        status = path.stat()
        if str(status.st_ino) != place.inode or status.st_size < place.position:
            return False
        with path.open("rb") as file:
            return _witness(file, place.position) == place.before
    except OSError:  # gone, or not ours to read
        return False


def _witness(file: IO[bytes], position: int) -> str:
    start = max(0, position - WITNESS)
    file.seek(start)
    return digest_of(file.read(position - start)) if position else ""


def _cut(file: IO[bytes], position: int, longest: int) -> Iterator[tuple[int, bytes]]:
    """Each message with the position of its first line ("From …"), which is left out."""
    file.seek(position)
    start, parts, size = -1, b"", 0
    is_new_line, is_first_line = True, False
    while piece := file.readline(LINE):
        if is_new_line and piece.startswith(b"From "):
            if start >= 0:
                yield start, _trim(parts, size, longest)
            start, parts, size, is_first_line = position, b"", 0, True
        elif is_new_line or not is_first_line:
            is_first_line = False
            size += len(piece)
            parts += piece[: max(0, longest + 1 - len(parts))]
        is_new_line = piece.endswith(b"\n")
        position += len(piece)
    if start >= 0:
        yield start, _trim(parts, size, longest)


def _trim(parts: bytes, size: int, longest: int) -> bytes:
    """Without the empty line that separates it from the next."""
    if size == len(parts) and (parts == b"\n" or parts.endswith(b"\n\n")):
        parts = parts[:-1]
    return parts[:longest]
