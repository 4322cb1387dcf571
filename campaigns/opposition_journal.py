"""Oppositions outside the database, as keyed hashes: a restored backup must not contact again who said no since."""

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from campaigns.rules.contact_points import normalise_destination

RECORD, LIFT = "record", "lift"


class HashKeyMissing(Exception):
    """DESTINATION_HASH_KEY is empty: no destination can be recognised later."""

    def __init__(self) -> None:
        super().__init__("La clé DESTINATION_HASH_KEY manque : la définir dans l’environnement avant de continuer.")


@dataclass(frozen=True)
class Entry:
    """One line: who (keyed hashes only), what was refused, and whether it began or ended. ``at`` is ISO 8601, UTC."""

    action: str
    at: str
    person: str
    destination: str
    channel: str
    theme: str
    source: str = ""

    @property
    def scope(self) -> tuple[str, str, str, str]:
        return (self.person, self.destination, self.channel, self.theme)


def hash_destination(value: str) -> str:
    """HMAC-SHA256 (hex) of a phone or e-mail in its one normal spelling, under DESTINATION_HASH_KEY."""
    return _keyed_hash(normalise_destination(value))


def hash_person(matricule: str) -> str:
    """The same for a matricule, in a domain of its own."""
    return _keyed_hash(f"matricule:{matricule}")


def append_entries(entries: Sequence[Entry]) -> None:
    """Append and force to disk; raises ``OSError``. A line torn by a crash is closed before the next one."""
    if not entries:
        return
    path = Path(settings.OPPOSITION_JOURNAL)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(asdict(entry)) + "\n" for entry in entries).encode()
    with open(path, "ab+", opener=_open_private) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write((b"\n" if _is_torn(file.fileno()) else b"") + lines)
        file.flush()
        os.fsync(file.fileno())


def read_entries() -> Iterator[Entry | None]:
    """Entries in the order of the file; None for a line that cannot be read. Nothing when there is no journal."""
    path = Path(settings.OPPOSITION_JOURNAL)
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            yield _read_entry(line)


def _read_entry(line: str) -> Entry | None:
    try:
        entry = Entry(**json.loads(line))
    except (TypeError, ValueError):
        return None
    is_known = entry.action in {RECORD, LIFT} and all(isinstance(value, str) for value in asdict(entry).values())
    return entry if is_known else None


def _keyed_hash(text: str) -> str:
    if not settings.DESTINATION_HASH_KEY:
        raise HashKeyMissing
    return hmac.new(settings.DESTINATION_HASH_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
