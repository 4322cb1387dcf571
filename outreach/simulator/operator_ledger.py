"""The operator’s own book: every message it took, written before it answers. It judges us and reads nothing of ours."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

FINAL = ("delivered", "undelivered", "failed")


@dataclass(frozen=True)
class Entry:
    """One message. ``accepted_at``: real clock, seconds. ``application_at``: the application's clock, when told."""

    sid: str
    direction: str  # outbound-api, inbound
    recipient: str
    sender: str
    body: str
    attempt_uuid: str
    callback: str
    service_sid: str
    segments: int
    validity_seconds: int
    status: str
    error_code: str
    accepted_at: float
    application_at: float
    updated_at: float


COLUMNS = tuple(field.name for field in fields(Entry))
_VALUES = attrgetter(*COLUMNS)  # asdict() copies deeply, ten times slower


class Ledger:
    """SQLite in WAL mode: a commit reaches the system before the answer leaves, so it survives ``kill -9``."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One thread at a time uses it, but tests make it in one and read it in another.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(
            f"""
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            PRAGMA busy_timeout = 5000;
            CREATE TABLE IF NOT EXISTS message ({", ".join(COLUMNS)}, PRIMARY KEY (sid)) WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS message_recipient ON message (recipient, accepted_at);
            CREATE TABLE IF NOT EXISTS refusal (code, recipient, at);
            """
        )

    def close(self) -> None:
        self._db.close()

    def write(
        self, new: Iterable[Entry], changed: Iterable[Entry] = (), refusals: Iterable[tuple[str, str, float]] = ()
    ) -> None:
        """Add new messages, change the state of known ones, note refusals: one commit."""
        places = ", ".join("?" * len(COLUMNS))
        self._db.execute("BEGIN")
        self._db.executemany(f"INSERT INTO message VALUES ({places})", [_VALUES(entry) for entry in new])
        self._db.executemany(
            "UPDATE message SET status = ?, error_code = ?, updated_at = ? WHERE sid = ?",
            [(entry.status, entry.error_code, entry.updated_at, entry.sid) for entry in changed],
        )
        self._db.executemany("INSERT INTO refusal VALUES (?, ?, ?)", refusals)
        self._db.execute("COMMIT")

    def get(self, sid: str) -> Entry | None:
        found = self._entries("sid = ?", [sid])
        return found[0] if found else None

    def search(self, *, since: float = 0, until: float = 1e12, **equals: str) -> list[Entry]:
        """Newest first. ``equals``: columns and their values; an empty one is no condition."""
        clauses, values = ["accepted_at >= ?", "accepted_at < ?"], [since, until]
        for column, value in equals.items():
            if value:
                clauses.append(f"{column} = ?")
                values.append(value)  # type: ignore[arg-type]
        return self._entries(" AND ".join(clauses), values)

    def unfinished(self) -> list[Entry]:
        marks = ", ".join("?" * len(FINAL))
        return self._entries(f"direction <> 'inbound' AND status NOT IN ({marks})", FINAL)

    def stopped(self, words: frozenset[str]) -> set[str]:
        """Numbers that wrote one of these words."""
        rows = self._db.execute("SELECT sender, body FROM message WHERE direction = 'inbound'")
        return {sender for sender, body in rows if body.strip().lower() in words}

    def count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM message WHERE direction <> 'inbound'").fetchone()[0])

    def summary(self) -> dict[str, Any]:
        """What a judge asks: how many, which doubled, in which state. Destinations are not in it."""
        return {
            "count": self.count(),
            "duplicate_attempts": self._doubles("attempt_uuid"),
            "duplicate_texts": self._doubles("recipient, body"),
            "inbound": int(self._db.execute("SELECT count(*) FROM message WHERE direction = 'inbound'").fetchone()[0]),
            "statuses": dict(
                self._db.execute("SELECT status, count(*) FROM message WHERE direction <> 'inbound' GROUP BY 1")
            ),
            "refusals": dict(self._db.execute("SELECT code, count(*) FROM refusal GROUP BY 1")),
        }

    def _doubles(self, columns: str) -> int:
        """How many messages are one too many."""
        query = (
            f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM message "
            f"WHERE direction <> 'inbound' AND attempt_uuid <> '' GROUP BY {columns})"
        )
        return int(self._db.execute(query).fetchone()[0])

    def _entries(self, where: str, values: Iterable[Any]) -> list[Entry]:
        rows = self._db.execute(
            f"SELECT {', '.join(COLUMNS)} FROM message WHERE {where} ORDER BY accepted_at DESC, sid", tuple(values)
        )
        return [Entry(*row) for row in rows]


def moved(entry: Entry, *, status: str, error_code: str, at: float) -> Entry:
    return replace(entry, status=status, error_code=error_code, updated_at=at)


def as_json(entry: Entry) -> Mapping[str, Any]:
    return asdict(entry)
