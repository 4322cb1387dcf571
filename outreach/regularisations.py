"""Régularisations come in as a file: each line read, what is new kept, what is refused said."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from campaigns.csv_source import CsvSource, UnreadableFile, open_source, read_records
from campaigns.models import RegularisationKind, User
from campaigns.population_import import safe_name
from campaigns.population_staging import matricule_width
from campaigns.rules.named_columns import Layout, UnknownColumns
from campaigns.rules.population_columns import InvalidLine
from campaigns.rules.population_values import matricule_of_width
from campaigns.workbooks import UnreadableWorkbook, readable_as_csv
from outreach.models import RegularisationImport
from outreach.rules.regularisation_lines import ReadLine, read_layout, read_line

REPORTED_LINES = 1_000  # rejected lines kept with their reason; all are counted
# Beyond these shares of its lines (unreadable, of unknown people), a file is no complete account of what was done.
LOST_SHARE, UNKNOWN_SHARE = 0.01, 0.5
UNKNOWN_PERSON = "Ce matricule n’est pas dans la population importée."


class RegularisationsRefused(Exception):
    """The whole file is refused; nothing was kept. The message is French: what, and the way out."""


class _Intake:
    """What is learnt while lines stream into the staging table."""

    def __init__(self) -> None:
        self.read_count = 0
        self.rejected_count = 0
        self.lost_count = 0  # unreadable, of a kind that may be one of ours
        self.unknown_count = 0
        self.rejected: list[tuple[int, str, str]] = []  # line, column, reason: the first that will be reported
        self.kinds: set[str] = set()

    def reject(self, line: int, column: str, reason: str) -> None:
        self.rejected_count += 1
        if len(self.rejected) < REPORTED_LINES:
            self.rejected.append((line, column, reason))

    def covered(self, declared: Collection[str] | None, known: frozenset[str]) -> frozenset[str]:
        """The kinds that this file makes fresh: declared, else mentioned; all of them when it has no line at all.

        None when much of it is lost: people who have done it would pass for not having.
        """
        if self.lost_count > LOST_SHARE * self.read_count or self.unknown_count > UNKNOWN_SHARE * self.read_count:
            return frozenset()
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
            "La date d’arrêté des données est dans le futur : indiquer le jour de l’extraction."
        )
    known_kinds = frozenset(RegularisationKind.objects.values_list("code", flat=True))
    intake = _Intake()
    read_matricule = matricule_of_width(matricule_width() or 0)  # asked before: nothing else is during a COPY
    with _open(path) as (source, layout), transaction.atomic(), connection.cursor() as cursor:

        def read(cells: Sequence[str]) -> ReadLine:
            return read_line(cells, layout, known_kinds, today, read_matricule)

        _stage(cursor, _read_lines(source, read, intake))
        _reject_unknown_people(cursor, intake)
        record = _record(file_name, as_of, by, now, intake)
        record.kinds.set(RegularisationKind.objects.filter(code__in=intake.covered(kinds, known_kinds)))
        _keep_new(cursor, record)
    return record


@contextmanager
def _open(path: Path) -> Iterator[tuple[CsvSource, Layout]]:
    """A CSV file, or a workbook read as one."""
    try:
        with readable_as_csv(Path(path)) as csv_path:
            source = open_source(csv_path)
            yield source, read_layout(source.header)
    except (UnreadableFile, UnreadableWorkbook, UnknownColumns) as error:
        raise RegularisationsRefused(str(error)) from None


def _read_lines(
    source: CsvSource, read: Callable[[Sequence[str]], ReadLine], intake: _Intake
) -> Iterator[tuple[int, ReadLine]]:
    for number, cells in read_records(source):
        intake.read_count += 1
        try:
            if isinstance(cells, InvalidLine):
                raise cells
            line = read(cells)
        except InvalidLine as refusal:
            intake.reject(number, refusal.column, refusal.reason)
            intake.lost_count += refusal.column != "type"
        else:
            intake.kinds.add(line.kind)
            yield number, line


def _stage(cursor: CursorWrapper, lines: Iterator[tuple[int, ReadLine]]) -> None:
    cursor.execute(
        "CREATE TEMPORARY TABLE regularisation_staging"
        " (line int, matricule text, kind text, occurred_on date, amount numeric(10, 2)) ON COMMIT DROP"
    )
    with cursor.copy("COPY regularisation_staging FROM STDIN") as copy:
        for number, line in lines:
            copy.write_row((number, line.matricule, line.kind, line.occurred_on, line.amount))
    cursor.execute("ANALYZE regularisation_staging")


def _reject_unknown_people(cursor: CursorWrapper, intake: _Intake) -> None:
    cursor.execute(
        "DELETE FROM regularisation_staging s"
        " WHERE NOT EXISTS (SELECT FROM campaigns_allocataire p WHERE p.matricule = s.matricule) RETURNING line"
    )
    intake.unknown_count = cursor.rowcount
    for (line,) in sorted(cursor.fetchall()):
        intake.reject(line, "matricule", UNKNOWN_PERSON)


def _record(file_name: str, as_of: date, by: User | None, now: datetime, intake: _Intake) -> RegularisationImport:
    return RegularisationImport.objects.create(
        file_name=safe_name(file_name),
        as_of=as_of,
        by=by,
        imported_at=now,
        read_count=intake.read_count,
        rejected_count=intake.rejected_count,
        rejected=[dict(zip(("line", "column", "reason"), line, strict=True)) for line in sorted(intake.rejected)],
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
