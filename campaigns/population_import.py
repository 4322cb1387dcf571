"""The story of a population extract: read, validate line by line, write what differs, and say what was refused."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from pathlib import Path

import psycopg
from django.db import Error, transaction
from django.utils import timezone

from campaigns import population_staging as staging
from campaigns.csv_source import CsvSource, UnreadableFile, open_source, read_records
from campaigns.models import Commune, ExtraAttribute, ImportStatus, PopulationImport, RejectedLine, User
from campaigns.rules.nir import holds_nir
from campaigns.rules.population_columns import InvalidHeader, InvalidLine, LineParser, ParsedLine, map_header
from campaigns.rules.population_values import InvalidValue, parse_matricule

logger = logging.getLogger(__name__)

REJECTED_SHARE_MAX = 0.01  # beyond it, somebody looks before anything is applied
_CHUNK = 2_000  # lines held at once
_Record = tuple[int, list[str] | InvalidLine]


class ImportRefused(Exception):
    """The file was not applied: the population is as it was. The message is a French sentence."""

    def __init__(self, reason: str, population_import: PopulationImport) -> None:
        super().__init__(reason)
        self.population_import = population_import


@dataclass
class _Reading:
    """What the stream has met so far."""

    source: CsvSource
    parser: LineParser
    read: int = 0
    repairs: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
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
    is_full_extract: bool = False,
) -> PopulationImport:
    """Bring the allocataires of a CSV extract in, and leave a row saying what became of its lines.

    ``mapping`` says which field a column holds when its name does not, {column: field or French header, "" to ignore}.
    More than 1 % of rejected lines refuses the file unless ``accept_rejections``. ``is_full_extract`` closes the files
    that the extract no longer holds. An unusable phone or e-mail is emptied and counted, it does not reject the line.
    Raises ``ImportRefused``, population untouched.
    """
    record = PopulationImport.objects.create(file_name=_safe_name(file_name), started_at=now, by=by)
    with staging.only_importer() as is_alone:
        if not is_alone:
            raise _refuse(record, "Un autre import de population est en cours. Attendre sa fin.", now)
        _mark_interrupted(record, now)
        try:
            source = open_source(Path(path))
            reading = _Reading(source, _parser_for(source, mapping, now))
            problem = _apply(record, reading, now, accept_rejections, is_full_extract)
        except (UnreadableFile, InvalidHeader) as refusal:
            raise _refuse(record, str(refusal), now) from None
        except (Error, psycopg.Error) as failure:
            # The database quotes values in its messages: only the class of the failure goes out.
            logger.error("population import %s failed: %s", record.pk, type(failure).__name__)
            raise _refuse(
                record, "La base a refusé l’import, rien n’a été changé. Prévenir l’administrateur.", now
            ) from None
    if problem:
        raise _refuse(record, problem, now)
    return record


def _apply(
    record: PopulationImport, reading: _Reading, now: datetime, accept_rejections: bool, is_full_extract: bool
) -> str:
    """One transaction for all that is written; returns why it was not applied, or nothing."""
    fields = reading.parser.fields
    reopens = is_full_extract and "closed_on" not in fields
    columns = [*fields, "closed_on"] if reopens else fields
    with transaction.atomic():
        staging.create_staging(columns)
        for chunk in _chunks(read_records(reading.source)):
            rejected: list[RejectedLine] = []
            staging.copy_rows(fields, list(_valid_rows(chunk, reading, record, rejected)))
            RejectedLine.objects.bulk_create(rejected)
        _reject_duplicates(record, reading)
        _count(record, reading)
        if refusal := _too_many_rejections(record, accept_rejections):
            return refusal
        counts = staging.upsert(columns, reading.parser.extra_codes, now)
        record.created_count, record.updated_count, record.unchanged_count = (
            counts.created, counts.updated, counts.unchanged,
        )  # fmt: skip
        record.problem = " ".join(filter(None, [_say_repairs(reading), _close_absent(reading, now, is_full_extract)]))
        record.status, record.finished_at = ImportStatus.DONE, now
        record.save()
    return ""


def _parser_for(source: CsvSource, mapping: Mapping[str, str] | None, now: datetime) -> LineParser:
    extras = dict(ExtraAttribute.objects.values_list("code", "type"))
    communes = frozenset(Commune.objects.values_list("code", flat=True))
    columns = map_header(source.header, extras, mapping)
    return LineParser(source.header, columns, extras=extras, communes=communes, today=_local_day(now))


def _valid_rows(
    records: Iterable[_Record],
    reading: _Reading,
    record: PopulationImport,
    rejected: list[RejectedLine],
) -> Iterator[str]:
    for line, cells in records:
        reading.read += 1
        try:
            parsed = _parse(cells, reading.parser)
        except InvalidLine as refusal:
            reading.rejected += 1
            _remember_refused(cells, reading)
            rejected.append(_rejected_line(record, line, refusal))
            continue
        reading.repairs.update(parsed.repaired)
        yield _copy_text(line, parsed)


def _parse(cells: list[str] | InvalidLine, parser: LineParser) -> ParsedLine:
    if isinstance(cells, InvalidLine):
        raise cells
    return parser.parse(cells)


def _copy_text(line: int, parsed: ParsedLine) -> str:
    text = "\t".join(parsed.cells)
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return f"{line}\t{text}\n"


def _rejected_line(record: PopulationImport, line: int, refusal: InvalidLine) -> RejectedLine:
    return RejectedLine(
        population_import=record,
        line=line,
        column=refusal.column,
        value_class=refusal.value_class,
        reason=refusal.reason,
    )


def _remember_refused(cells: list[str] | InvalidLine, reading: _Reading) -> None:
    """A person whose line is refused is still in the extract: her file must not be closed as absent."""
    matricule = reading.parser.matricule_of(cells) if isinstance(cells, list) else None
    try:
        reading.refused_matricules.append(parse_matricule(matricule or ""))
    except InvalidValue:
        reading.unidentified += 1


def _reject_duplicates(record: PopulationImport, reading: _Reading) -> None:
    duplicates = staging.remove_duplicates()
    reading.rejected += len(duplicates)
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
        batch_size=_CHUNK,
    )


def _count(record: PopulationImport, reading: _Reading) -> None:
    record.sha256 = reading.source.sha256
    record.read_count, record.rejected_count = reading.read, reading.rejected


def _too_many_rejections(record: PopulationImport, accept_rejections: bool) -> str:
    if accept_rejections or record.rejected_count <= REJECTED_SHARE_MAX * record.read_count:
        return ""
    return (
        f"{record.rejected_count} lignes rejetées sur {record.read_count}, plus de 1 % : rien n’a été appliqué. "
        "Lire les lignes rejetées, puis corriger l’extraction ou accepter d’importer les autres."
    )


def _say_repairs(reading: _Reading) -> str:
    if not reading.repairs:
        return ""
    details = ", ".join(f"{label} : {count}" for label, count in sorted(reading.repairs.items()))
    return f"Coordonnées inutilisables laissées vides ({details})."


def _close_absent(reading: _Reading, now: datetime, is_full_extract: bool) -> str:
    if not is_full_extract:
        return ""
    if reading.unidentified:
        return (
            f"Aucun dossier n’a été clos : {reading.unidentified} lignes rejetées n’ont pas de matricule lisible, "
            "leurs personnes passeraient pour absentes."
        )
    closed = staging.close_absent(reading.refused_matricules, _local_day(now), now)
    return f"Dossiers absents de l’extraction complète, clos : {closed}." if closed else ""


def _mark_interrupted(record: PopulationImport, now: datetime) -> None:
    """Nobody else holds the lock: an import still said to be running died, and its transaction with it."""
    PopulationImport.objects.filter(status=ImportStatus.RUNNING).exclude(pk=record.pk).update(
        status=ImportStatus.REFUSED, finished_at=now, problem="Import interrompu : la population n’a pas changé."
    )


def _refuse(record: PopulationImport, reason: str, now: datetime) -> ImportRefused:
    record.status, record.problem, record.finished_at = ImportStatus.REFUSED, reason, now
    record.save()
    return ImportRefused(reason, record)


def _safe_name(file_name: str) -> str:
    name = Path(file_name).name[:200]
    return "fichier.csv" if holds_nir(name) or not name.isprintable() else name


def _local_day(now: datetime) -> date:
    return timezone.localdate(now)


def _chunks(records: Iterator[_Record]) -> Iterator[list[_Record]]:
    while chunk := list(islice(records, _CHUNK)):
        yield chunk
