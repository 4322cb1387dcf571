"""Régularisations come in as a file: each line read, what is new kept, what is refused said."""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from campaigns.models import RegularisationKind, User
from outreach.models import RegularisationImport
from outreach.rules.regularisation_lines import (
    Layout,
    ReadLine,
    RejectedLine,
    UnknownColumns,
    decode,
    read_layout,
    read_line,
)

REPORTED_LINES = 1_000  # rejected lines kept with their reason; all are counted
_BINARY_STARTS = (b"PK\x03\x04", b"%PDF", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff")


class RegularisationsRefused(Exception):
    """The whole file is refused; nothing was kept. The message is French: what, and the way out."""


class _Intake:
    """What is learnt while lines stream into the staging table."""

    def __init__(self) -> None:
        self.read_count = 0
        self.kinds: set[str] = set()
        self.rejected: list[RejectedLine] = []

    def covered(self, declared: Collection[str] | None, known: frozenset[str]) -> frozenset[str]:
        """The kinds that this file makes fresh: declared, else mentioned; all of them when it has no line at all."""
        if declared is not None:
            return known & set(declared) | self.kinds
        return frozenset(self.kinds) if self.read_count else known


def import_regularisations(
    *,
    path: Path,
    file_name: str,
    as_of: date,
    by: User | None,
    now: datetime,
    kinds: Collection[str] | None = None,
) -> RegularisationImport:
    """Bring in a file of régularisations, complete up to ``as_of`` for the kinds it covers.

    A line already known (same person, kind, day) is counted and left alone: importing twice changes nothing. Refused
    lines are listed on the returned import. ``kinds``: codes the file covers even where no line mentions them; by
    default those its lines mention, and every kind when it has only a header ("nothing happened").
    Raises ``RegularisationsRefused`` when the file as a whole cannot be used.
    """
    today = timezone.localdate(now)
    if as_of > today:
        raise RegularisationsRefused(
            "La date d’arrêté des données est dans le futur : indiquez le jour de l’extraction."
        )
    known_kinds = frozenset(RegularisationKind.objects.values_list("code", flat=True))
    intake = _Intake()
    with _open(path) as file, transaction.atomic(), connection.cursor() as cursor:
        layout = _read_header(file)
        _stage(cursor, _read_lines(file, layout, known_kinds, today, intake))
        intake.rejected += _reject_unknown_people(cursor)
        record = _record(file_name, as_of, by, now, intake)
        covered = intake.covered(kinds, known_kinds)
        record.kinds.set(RegularisationKind.objects.filter(code__in=covered))
        _keep_new(cursor, record)
    return record


def _open(path: Path) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError:
        raise RegularisationsRefused(
            "Le fichier est introuvable ou illisible : vérifiez son emplacement et ses droits."
        ) from None


def _read_header(file: BinaryIO) -> Layout:
    raw = file.readline(10_000)
    if not raw.strip(b"\xef\xbb\xbf \r\n"):
        raise RegularisationsRefused("Le fichier est vide : il faut au moins la ligne de titres.")
    if raw.startswith(_BINARY_STARTS) or b"\0" in raw:
        raise RegularisationsRefused("Ce fichier n’est pas du texte : enregistrez-le au format CSV (UTF-8).")
    try:
        return read_layout(decode(raw))
    except UnknownColumns as error:
        raise RegularisationsRefused(f"Colonnes non reconnues : {error}.") from None


def _read_lines(
    file: BinaryIO, layout: Layout, kinds: frozenset[str], today: date, intake: _Intake
) -> Iterator[ReadLine]:
    for number, raw in enumerate(file, start=2):
        if not raw.strip():
            continue
        intake.read_count += 1
        line = read_line(number, decode(raw), layout, kinds, today)
        if isinstance(line, RejectedLine):
            intake.rejected.append(line)
        else:
            intake.kinds.add(line.kind)
            yield line


def _stage(cursor: CursorWrapper, lines: Iterator[ReadLine]) -> None:
    cursor.execute(
        "CREATE TEMPORARY TABLE regularisation_staging"
        " (line int, matricule text, kind text, occurred_on date, amount numeric(10, 2)) ON COMMIT DROP"
    )
    with cursor.copy("COPY regularisation_staging FROM STDIN") as copy:
        for line in lines:
            copy.write_row((line.line, line.matricule, line.kind, line.occurred_on, line.amount))
    cursor.execute("ANALYZE regularisation_staging")


def _reject_unknown_people(cursor: CursorWrapper) -> list[RejectedLine]:
    cursor.execute(
        "DELETE FROM regularisation_staging s"
        " WHERE NOT EXISTS (SELECT FROM campaigns_allocataire p WHERE p.matricule = s.matricule) RETURNING line"
    )
    return [RejectedLine(line, "matricule", "matricule inconnu dans la population importée") for (line,) in cursor]


def _record(file_name: str, as_of: date, by: User | None, now: datetime, intake: _Intake) -> RegularisationImport:
    rejected = sorted(intake.rejected, key=lambda line: line.line)
    reported: list[dict[str, Any]] = [
        {"line": line.line, "column": line.column, "reason": line.reason} for line in rejected[:REPORTED_LINES]
    ]
    return RegularisationImport.objects.create(
        file_name=file_name[:200],
        as_of=as_of,
        by=by,
        imported_at=now,
        read_count=intake.read_count,
        rejected_count=len(rejected),
        rejected=reported,
    )


def _keep_new(cursor: CursorWrapper, record: RegularisationImport) -> None:
    cursor.execute(
        "INSERT INTO outreach_regularisation (allocataire_id, kind_id, occurred_on, amount, source_id)"
        " SELECT p.id, s.kind, s.occurred_on, s.amount, %s"
        "   FROM regularisation_staging s JOIN campaigns_allocataire p ON p.matricule = s.matricule"
        "  ORDER BY p.id, s.kind, s.occurred_on, s.line"
        " ON CONFLICT (allocataire_id, kind_id, occurred_on) DO NOTHING",
        [record.pk],
    )
    record.created_count = cursor.rowcount
    record.known_count = record.read_count - record.rejected_count - record.created_count
    record.save(update_fields=["created_count", "known_count"])
    cursor.execute("DROP TABLE regularisation_staging")
