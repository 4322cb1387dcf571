"""The story of a population extract: read, validate line by line, write what differs, and say what was refused."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import psycopg
from django.db import Error, transaction
from django.utils import timezone

from campaigns import known_lines
from campaigns import population_staging as staging
from campaigns.csv_source import CsvSource, UnreadableFile, open_source, read_blocks, read_texts, sha256_of
from campaigns.models import (
    Allocataire,
    Commune,
    EmptiedCell,
    ExtraAttribute,
    ImportStatus,
    PopulationImport,
    RejectedLine,
    User,
)
from campaigns.population_differences import keep_differences, keep_identity_changes
from campaigns.reading_processes import ReadingStopped, shared_reading
from campaigns.rules.french import french_number
from campaigns.rules.import_doubts import doubt_closures, doubt_rejections, doubt_strangers
from campaigns.rules.nir import holds_nir
from campaigns.rules.population_columns import InvalidHeader, InvalidLine, map_header
from campaigns.rules.population_lines import BlockParser, ParsedBlock
from campaigns.rules.population_values import InvalidValue, matricule_of_width
from campaigns.workbooks import UnreadableWorkbook, readable_as_csv

logger = logging.getLogger(__name__)
Told = TypeVar("Told", RejectedLine, EmptiedCell)

SHORT_FILE = 1 << 20  # bytes: up to there, a page may read a file itself
_BATCH = 2_000
_CAF_WIDTH = 7
_PROGRESS = 32  # blocks read between two figures shown
_LONG = 10_000  # lines to read, from which several processes do
_PROCESSES_MAX = 2  # thirty MiB each


class ImportRefused(Exception):
    """The file was not applied: the population is as it was. The message is a French sentence."""

    def __init__(self, reason: str, population_import: PopulationImport) -> None:
        super().__init__(reason)
        self.population_import = population_import


@dataclass
class _Reading:
    """A file, how it is read, and who was met among its refused lines."""

    source: CsvSource
    parser: BlockParser
    matricule_width: int
    columns: Sequence[str]  # those that the file gives, and that of a file opened again
    key: bytes  # of the marks of its lines
    refused_matricules: list[str] = field(default_factory=list)
    unidentified: int = 0


def import_population(
    *,
    path: Path,
    file_name: str,
    by: User | None,
    now: datetime,
    mapping: Mapping[str, str] | None = None,
    accept_rejections: bool = False,
    accept_closures: bool = False,
    accept_strangers: bool = False,
    is_full_extract: bool = False,
) -> PopulationImport:
    """Bring the allocataires of an extract in, and leave a row saying what became of its lines.

    ``mapping`` says which field a column holds when its name does not, {column: field or French header, "" to ignore}.
    ``is_full_extract`` closes the files that the extract no longer holds. More than 1 % of rejected lines, of open
    files to close, or of people who would become somebody else, refuses the file unless accepted. An unusable phone or
    e-mail is emptied and counted, it does not reject the line. Raises ``ImportRefused``, population untouched.
    """
    record = PopulationImport.objects.create(
        file_name=safe_name(file_name),
        started_at=now,
        by=by,
        mapping=dict(mapping or {}),
        is_full_extract=is_full_extract,
        accepts_rejections=accept_rejections,
        accepts_closures=accept_closures,
        accepts_strangers=accept_strangers,
    )
    with staging.only_importer() as is_alone:
        if not is_alone:
            raise _refuse(record, "Un autre import de population est en cours. Attendre sa fin.", now)
        mark_interrupted(now, but=record)
        if problem := run_import(record=record, path=Path(path), now=now):
            raise _refuse(record, problem, now)
    return record


def run_import(*, record: PopulationImport, path: Path, now: datetime) -> str:
    """The whole import of one file, by whoever holds ``only_importer``: from reading to the row that tells of it.

    Returns what somebody must accept first (nothing was applied then), or nothing. Raises ``ImportRefused``.
    """
    try:
        with readable_as_csv(path) as csv_path:
            source = open_source(csv_path)
            width = _matricule_width(is_from_workbook=csv_path != path)
            reading = _prepare_reading(record, source, width, now)
            record.sha256 = source.sha256 if csv_path == path else sha256_of(path)
            record.expected_count = source.line_count
            return _stage_and_apply(record, reading, now)
    except (UnreadableFile, UnreadableWorkbook, InvalidHeader) as refusal:
        raise _refuse(record, str(refusal), now) from None
    except ReadingStopped:
        raise _refuse(
            record, "La lecture du fichier a été interrompue, rien n’a été changé. Relancer l’import.", now
        ) from None
    except (Error, psycopg.Error) as failure:
        # The database quotes values in its messages: only the class of the failure goes out.
        logger.error("population import %s failed: %s", record.pk, type(failure).__name__)
        raise _refuse(
            record, "La base a refusé l’import, rien n’a été changé. Prévenir l’administrateur.", now
        ) from None


def _prepare_reading(record: PopulationImport, source: CsvSource, matricule_width: int, now: datetime) -> _Reading:
    extras = dict(ExtraAttribute.objects.values_list("code", "type"))
    fields = map_header(source.header, extras, record.mapping)
    parser = _parser_for(source, fields, extras, now, matricule_width)
    reopens = record.is_full_extract and "closed_on" not in parser.fields
    columns = [*parser.fields, "closed_on"] if reopens else parser.fields
    key = known_lines.reading_key(known_lines.server(), fields, columns, source.separator, sorted(extras.items()))
    return _Reading(source, parser, matricule_width, columns, key)


def _stage_and_apply(record: PopulationImport, reading: _Reading, now: datetime) -> str:
    """Read everything beside the population, then write it in one transaction; returns why nothing was, if so."""
    with staging.staging_table(reading.columns):
        wanted = _lines_to_read(record, reading, now)
        with shared_reading(partial(_parse, reading, wanted), _processes(reading, wanted)) as parsed:
            while _stage(islice(parsed, _PROGRESS), record, reading):
                record.save(update_fields=["expected_count", "read_count", "rejected_count"])
        with transaction.atomic():
            staging.plan_for_sets()
            _reject_duplicates(record)
            return _apply(record, reading, now)


def _lines_to_read(record: PopulationImport, reading: _Reading, now: datetime) -> bytearray | None:
    """Those that no earlier import took as they stand, see ``known_lines``; None for all.

    A date that was not in the future then is not today, unless the clock went back."""
    tomorrow = timezone.localdate(now) + timedelta(days=1)
    went_back = PopulationImport.objects.filter(status=ImportStatus.DONE, started_at__date__gte=tomorrow).exists()
    if went_back or not known_lines.has_marks():
        return None
    with transaction.atomic():
        staging.plan_for_sets()
        wanted = known_lines.find_known_lines(
            read_texts(reading.source),
            reading.key,
            line_count=reading.source.line_count,
            matricule_width=reading.matricule_width,
        )
    record.read_count += wanted.count(0) if wanted else 0
    return wanted


def _processes(reading: _Reading, wanted: bytearray | None) -> int:
    """How many read this file: as many as there are cores for, unless starting them costs more than they gain. One for
    a short file: a thread of the site may be reading it, which cannot fork."""
    lines = wanted.count(1) if wanted else reading.source.line_count
    is_short = lines < _LONG or reading.source.path.stat().st_size <= SHORT_FILE
    return 1 if is_short else min(_PROCESSES_MAX, len(os.sched_getaffinity(0)))


def _parse(reading: _Reading, wanted: bytearray | None, turn: int, turns: int) -> Iterator[ParsedBlock]:
    for block in read_blocks(reading.source, wanted, turn=turn, turns=turns):
        yield reading.parser.parse(block, known_lines.marks_of(block.texts, reading.key))


def _stage(blocks: Iterable[ParsedBlock], record: PopulationImport, reading: _Reading) -> bool:
    """Whether there was anything left to read."""
    before, rejected, emptied = record.read_count, list[RejectedLine](), list[EmptiedCell]()
    staging.copy_rows(reading.parser.fields, _tell(blocks, record, reading, rejected, emptied))
    RejectedLine.objects.bulk_create(rejected, batch_size=_BATCH)
    EmptiedCell.objects.bulk_create(emptied, batch_size=_BATCH)
    return record.read_count > before


def _tell(
    blocks: Iterable[ParsedBlock],
    record: PopulationImport,
    reading: _Reading,
    rejected: list[RejectedLine],
    emptied: list[EmptiedCell],
) -> Iterator[bytes]:
    """The rows of each block; what they are read to hold goes to the record, what is told of lines to the lists."""
    for block in blocks:
        rejected += [_told(RejectedLine, record, line, refusal) for line, refusal, _matricule in block.refused]
        emptied += [_told(EmptiedCell, record, line, why) for line, why in block.emptied]
        for _line, _refusal, matricule in block.refused:
            _remember_refused(matricule, reading)
        record.read_count += block.read
        record.rejected_count += len(block.refused)
        record.repairs = Counter(record.repairs) + block.repaired
        record.emptied = Counter(record.emptied) + Counter(str(why) for _line, why in block.emptied)
        yield block.rows


def _apply(record: PopulationImport, reading: _Reading, now: datetime) -> str:
    """Inside the transaction. The counts say what is done, or would be when the reason why nothing was is returned."""
    columns, codes = reading.columns, reading.parser.extra_codes
    difference = staging.compare(columns, codes)
    record.created_count, record.updated_count = difference.created, difference.updated
    record.unchanged_count, record.changes = difference.unchanged, _name_changes(difference.changes)
    known = _count_closures(record, reading)
    strangers = staging.count_strangers(columns) if record.updated_count else 0
    if problem := "\n".join(_list_doubts(record, known, strangers)):
        if record.stored_as:  # somebody will be asked
            keep_differences(record, reading.refused_matricules)
        return problem
    if record.closed_count:
        staging.lock_population()
    if strangers:
        keep_identity_changes(record, columns, now)
    staging.write(columns, codes, difference, now)
    if record.closed_count:
        staging.close_absent(reading.refused_matricules, timezone.localdate(now), now)
    known_lines.remember_lines()
    record.status, record.finished_at = ImportStatus.DONE, now
    record.save()
    return ""


def _list_doubts(record: PopulationImport, known: int, strangers: int) -> list[str]:
    """What somebody must look at and has not accepted."""
    met = record.updated_count + record.unchanged_count
    doubts = [
        "" if record.accepts_rejections else doubt_rejections(record.rejected_count, record.read_count),
        "" if record.accepts_closures else doubt_closures(record.closed_count, known),
        "" if record.accepts_strangers else doubt_strangers(strangers, met),
    ]
    return [doubt for doubt in doubts if doubt]


def _matricule_width(*, is_from_workbook: bool) -> int:
    """Length below which a matricule of digits lost its first zeros. Nobody known yet: a workbook's numeric cells lose
    them for certain, and the Caf number their allocataires on seven digits."""
    known = staging.matricule_width()
    return known if known is not None else _CAF_WIDTH * is_from_workbook


def _parser_for(
    source: CsvSource, fields: Sequence[str], extras: Mapping[str, str], now: datetime, matricule_width: int
) -> BlockParser:
    return BlockParser(
        source.header,
        fields,
        extras=extras,
        communes=frozenset(Commune.objects.values_list("code", flat=True)),
        today=timezone.localdate(now),
        matricule_width=matricule_width,
    )


def _told(kind: type[Told], record: PopulationImport, line: int, why: InvalidLine) -> Told:
    return kind(population_import=record, line=line, column=why.column, value_class=why.value_class, reason=why.reason)


def _remember_refused(matricule: str, reading: _Reading) -> None:
    """A person whose line is refused is still in the extract: her file must not be closed as absent."""
    try:
        reading.refused_matricules.append(matricule_of_width(reading.matricule_width)(matricule))
    except InvalidValue:
        reading.unidentified += 1


def _reject_duplicates(record: PopulationImport) -> None:
    duplicates = staging.remove_duplicates()
    record.rejected_count += len(duplicates)
    RejectedLine.objects.bulk_create(
        [
            RejectedLine(
                population_import=record,
                line=line,
                column="matricule",
                value_class="doublon",
                reason=f"Ce matricule est déjà porté par la ligne {first}.",
            )
            for line, first in duplicates
        ],
        batch_size=_BATCH,
    )


def _name_changes(changes: Mapping[str, int]) -> dict[str, int]:
    labels = {field.attname: str(field.verbose_name) for field in Allocataire._meta.concrete_fields}
    return {labels[name]: count for name, count in sorted(changes.items(), key=lambda change: -change[1])}


def _count_closures(record: PopulationImport, reading: _Reading) -> int:
    """Open files of the population; those that a full extract no longer holds are counted on the record."""
    if not record.is_full_extract:
        return 0
    if reading.unidentified:
        record.problem = (
            f"Aucun dossier n’est clos : {french_number(reading.unidentified)} lignes rejetées n’ont pas de matricule "
            "lisible, leurs personnes passeraient pour absentes."
        )
        return 0
    record.closed_count, known = staging.count_absent(reading.refused_matricules)
    return known


def mark_interrupted(now: datetime, *, but: PopulationImport | None = None) -> None:
    """For whoever holds ``only_importer``: an import still said to be running died, and its transaction with it."""
    PopulationImport.objects.filter(status=ImportStatus.RUNNING).exclude(pk=but.pk if but else 0).update(
        status=ImportStatus.REFUSED, finished_at=now, problem="Import interrompu : la population n’a pas changé."
    )


def _refuse(record: PopulationImport, reason: str, now: datetime) -> ImportRefused:
    record.created_count = record.updated_count = record.unchanged_count = record.closed_count = 0
    record.changes = {}
    record.status, record.problem, record.finished_at = ImportStatus.REFUSED, reason, now
    record.save()
    return ImportRefused(reason, record)


def safe_name(file_name: str) -> str:
    name = Path(file_name).name[:200]
    return "fichier.csv" if holds_nir(name) or not name.isprintable() else name
