"""The story of an extract given by a page: kept, looked at, read by a worker, confirmed when it asks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from django.db import transaction

from campaigns.csv_source import UnreadableFile, open_source, read_records
from campaigns.import_files import converted_path_of, discard_file, path_of, store_file
from campaigns.models import ColumnMapping, ExtraAttribute, ImportStatus, PopulationImport, User
from campaigns.population_import import ImportRefused, mark_interrupted, run_import, safe_name
from campaigns.population_staging import only_importer
from campaigns.rules.population_columns import (
    EXTRA,
    FIELD_OF_HEADER,
    InvalidHeader,
    map_header,
    propose_fields,
    shape_of,
)
from campaigns.workbooks import UnreadableWorkbook, convert_workbook, is_workbook

_AT_ONCE = 1 << 20  # bytes that are read within a second or two: the page waits for them
_ROWS_SHOWN = 5
_ABANDONABLE = [ImportStatus.PREPARED, ImportStatus.WAITING, ImportStatus.TO_CONFIRM]


class UploadRefused(Exception):
    """The file or its columns cannot be taken; a French sentence."""


@dataclass(frozen=True)
class UploadPreview:
    """``rows`` show the shape of cells, not what they say: whoever imports is not entitled to read people's files."""

    header: list[str]
    rows: list[list[str]]
    proposed: list[str]  # French header of a field, "" to ignore the column
    targets: list[str]  # what a column may be said to hold


def prepare_upload(
    *, chunks: Iterable[bytes], file_name: str, by: User, now: datetime, is_full_extract: bool
) -> PopulationImport:
    """Keep the file until its columns are said. Raises ``UploadRefused``, and keeps nothing, when it is unreadable."""
    name = store_file(chunks)
    try:
        open_source(_csv_of(name))
    except (UnreadableFile, UnreadableWorkbook) as problem:
        discard_file(name)
        raise UploadRefused(str(problem)) from None
    return PopulationImport.objects.create(
        file_name=safe_name(file_name), stored_as=name, status=ImportStatus.PREPARED, started_at=now, by=by,
        is_full_extract=is_full_extract,
    )  # fmt: skip


def preview_upload(*, record: PopulationImport, mapping: Mapping[str, str]) -> UploadPreview:
    """First rows and proposed columns, with the help of a saved mapping."""
    source = open_source(_csv_of(record.stored_as))
    extras = dict(ExtraAttribute.objects.values_list("code", "type"))
    rows = [cells for _number, cells in islice(read_records(source), _ROWS_SHOWN) if isinstance(cells, list)]
    return UploadPreview(
        source.header,
        [[shape_of(cell) for cell in cells] for cells in rows],
        propose_fields(source.header, extras, mapping),
        [*FIELD_OF_HEADER, *(EXTRA + code for code in sorted(extras))],
    )


def start_upload(*, record: PopulationImport, mapping: Mapping[str, str], save_as: str, now: datetime) -> None:
    """Say what the columns hold, and have the file read: at once when it is small, else by the next free worker.

    ``save_as`` keeps the mapping under a name, in the place of the one that had it. Raises ``UploadRefused``.
    """
    extras = dict(ExtraAttribute.objects.values_list("code", "type"))
    try:
        map_header(open_source(_csv_of(record.stored_as)).header, extras, mapping)
    except InvalidHeader as problem:
        raise UploadRefused(str(problem)) from None
    if save_as:
        ColumnMapping.objects.update_or_create(name=save_as, defaults={"mapping": dict(mapping)})
    _move(record, [ImportStatus.PREPARED], status=ImportStatus.WAITING, mapping=dict(mapping))
    _run_if_small(record, now)


def confirm_upload(*, record: PopulationImport, now: datetime) -> None:
    """Somebody has read the report and wants the rest applied: the file is read again, its limits accepted."""
    with transaction.atomic():
        _move(
            record, [ImportStatus.TO_CONFIRM], status=ImportStatus.WAITING, accepts_rejections=True,
            accepts_closures=True, finished_at=None, problem="", read_count=0, rejected_count=0, repairs={}, emptied={},
        )  # fmt: skip
        record.rejected_lines.all().delete()
    _run_if_small(record, now)


def abandon_upload(*, record: PopulationImport, now: datetime) -> None:
    """The file goes; what was read of it stays told."""
    stored_as = record.stored_as
    _move(record, _ABANDONABLE, status=ImportStatus.ABANDONED, finished_at=now, stored_as="")
    discard_file(stored_as)


def run_waiting_uploads(*, now: datetime) -> int:
    """Read the files that wait, the oldest first; returns how many. Nothing while another import runs."""
    done = 0
    with only_importer() as is_alone:
        if is_alone:
            mark_interrupted(now)
            for record in PopulationImport.objects.filter(status=ImportStatus.WAITING).order_by("started_at"):
                _run(record, now)
                done += 1
    return done


def _run_if_small(record: PopulationImport, now: datetime) -> None:
    if _csv_of(record.stored_as).stat().st_size <= _AT_ONCE:
        run_waiting_uploads(now=now)
        record.refresh_from_db()


def _run(record: PopulationImport, now: datetime) -> None:
    stored_as, record.status = record.stored_as, ImportStatus.RUNNING
    record.save(update_fields=["status"])
    try:
        problem = run_import(record=record, path=path_of(stored_as), now=now)
    except ImportRefused:
        problem = ""
    if problem:
        record.status, record.problem, record.finished_at = ImportStatus.TO_CONFIRM, problem, now
        record.save()
        return
    record.stored_as = ""
    record.save(update_fields=["stored_as"])
    discard_file(stored_as)


def _csv_of(name: str) -> Path:
    """The file, or the CSV form of a workbook, made once and kept beside it. Raises ``UnreadableWorkbook``."""
    if not is_workbook(path_of(name)):
        return path_of(name)
    converted = converted_path_of(name)
    if not converted.exists():
        convert_workbook(path_of(name), converted)
    return converted


def _move(record: PopulationImport, allowed: list[ImportStatus], **values: object) -> None:
    """From one of the allowed states only, whoever else clicks at the same time. Raises ``UploadRefused``."""
    if not PopulationImport.objects.filter(pk=record.pk, status__in=allowed).update(**values):
        raise UploadRefused("Cet import n’en est plus là. Recharger la page pour voir où il en est.")
    record.refresh_from_db()
