"""The story of an extract given by a page: kept, looked at, read by a worker, confirmed when it asks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import transaction

from campaigns.csv_source import UnreadableFile, open_source, read_records
from campaigns.import_files import (
    converted_path_of,
    discard_file,
    discard_strays,
    path_of,
    store_file,
    unfinished_path_of,
)
from campaigns.models import ColumnMapping, ExtraAttribute, ImportStatus, PopulationImport, User
from campaigns.population_import import SHORT_FILE, ImportRefused, mark_interrupted, run_import, safe_name
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

_ROWS_SHOWN = 5
_ABANDONABLE = [ImportStatus.TO_CONVERT, ImportStatus.PREPARED, ImportStatus.WAITING, ImportStatus.TO_CONFIRM]


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
    """Keep the file until its columns are said; a large workbook is first read by a worker.

    Raises ``UploadRefused``, and keeps nothing, when it is unreadable."""
    name = store_file(chunks)
    status = ImportStatus.PREPARED
    if is_workbook(path_of(name)) and path_of(name).stat().st_size > SHORT_FILE:
        status = ImportStatus.TO_CONVERT
    elif problem := _find_problem(name):
        discard_file(name)
        raise UploadRefused(problem)
    return PopulationImport.objects.create(
        file_name=safe_name(file_name), stored_as=name, status=status, started_at=now, by=by,
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


def rename_column_mapping(*, mapping: ColumnMapping, name: str) -> None:
    """Raises ``UploadRefused`` when the name is empty, too long or already taken."""
    name = name.strip()
    longest = ColumnMapping._meta.get_field("name").max_length or 0
    if not name or len(name) > longest:
        raise UploadRefused(f"Un nom compte de 1 à {longest} caractères.")
    if ColumnMapping.objects.filter(name=name).exclude(pk=mapping.pk).exists():
        raise UploadRefused(f"Une autre correspondance s’appelle déjà « {name} ».")
    mapping.name = name
    mapping.save(update_fields=["name"])


def confirm_upload(*, record: PopulationImport, now: datetime) -> None:
    """Somebody has read the report and wants the rest applied: the file is read again, its limits accepted.

    Not when another import was applied since: the report was of another population, and is asked about again.
    """
    others = PopulationImport.objects.filter(status=ImportStatus.DONE, finished_at__gt=record.finished_at or now)
    stands = not others.exists()
    accepted = dict.fromkeys(("accepts_rejections", "accepts_closures", "accepts_strangers"), stands)
    _start_again(record, ImportStatus.TO_CONFIRM, now, **accepted)


def relaunch_upload(*, record: PopulationImport, now: datetime) -> None:
    """The worker died and nothing was applied; its file is still there, and is read again."""
    _start_again(record, ImportStatus.REFUSED, now)


def abandon_upload(*, record: PopulationImport, now: datetime) -> None:
    """The file goes; what was read of it stays told."""
    _drop(record, _ABANDONABLE, now)


def purge_import_files(*, now: datetime) -> int:
    """Erase the files that nobody decided about within ``IMPORT_FILES_DAYS``; returns how many. Each says so."""
    limit = now - timedelta(days=settings.IMPORT_FILES_DAYS)
    kept = PopulationImport.objects.exclude(stored_as="")
    forgotten = kept.filter(started_at__lt=limit, status__in=[*_ABANDONABLE, ImportStatus.REFUSED])
    for record in forgotten:
        _drop(record, [*_ABANDONABLE, ImportStatus.REFUSED], now, problem=_say_erased(record))
    return len(forgotten) + discard_strays(kept.values_list("stored_as", flat=True), older_than=limit)


def run_waiting_uploads(*, now: datetime) -> int:
    """Read the files that wait, the oldest first; returns how many. Nothing while another import runs."""
    done = 0
    with only_importer() as is_alone:
        if is_alone:
            mark_interrupted(now)
            for record in PopulationImport.objects.filter(status=ImportStatus.TO_CONVERT).order_by("started_at"):
                _convert(record, now)
            for record in PopulationImport.objects.filter(status=ImportStatus.WAITING).order_by("started_at"):
                _run(record, now)
                done += 1
    return done


def _start_again(record: PopulationImport, from_status: ImportStatus, now: datetime, **accepted: bool) -> None:
    with transaction.atomic():
        _move(
            record, [from_status], status=ImportStatus.WAITING, finished_at=None, problem="", read_count=0,
            rejected_count=0, repairs={}, emptied={}, **accepted,
        )  # fmt: skip
        record.rejected_lines.all().delete()
        record.emptied_cells.all().delete()
        record.differences.all().delete()
    _run_if_small(record, now)


def _drop(record: PopulationImport, allowed: list[ImportStatus], now: datetime, **told: str) -> None:
    stored_as = record.stored_as
    with transaction.atomic():
        _move(record, allowed, status=ImportStatus.ABANDONED, finished_at=now, stored_as="", **told)
        record.differences.all().delete()
    discard_file(stored_as)


def _say_erased(record: PopulationImport) -> str:
    return f"{record.problem} Fichier effacé : personne n’a décidé en {settings.IMPORT_FILES_DAYS} jours.".strip()


def _convert(record: PopulationImport, now: datetime) -> None:
    problem = _find_problem(record.stored_as)
    values = {"status": ImportStatus.REFUSED, "problem": problem, "finished_at": now, "stored_as": ""}
    is_there = PopulationImport.objects.filter(pk=record.pk, status=ImportStatus.TO_CONVERT).update(
        **(values if problem else {"status": ImportStatus.PREPARED})
    )
    if problem or not is_there:
        discard_file(record.stored_as)


def _find_problem(name: str) -> str:
    """Why the kept file cannot be read, or nothing."""
    try:
        open_source(_csv_of(name))
    except (UnreadableFile, UnreadableWorkbook) as problem:
        return str(problem)
    return ""


def _run_if_small(record: PopulationImport, now: datetime) -> None:
    if _csv_of(record.stored_as).stat().st_size <= SHORT_FILE:
        with only_importer() as is_alone:
            record.refresh_from_db()
            if is_alone and record.status == ImportStatus.WAITING:
                mark_interrupted(now)
                _run(record, now)


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
        unfinished = unfinished_path_of(name)  # whoever dies on the way leaves nothing that looks whole
        convert_workbook(path_of(name), unfinished)
        unfinished.replace(converted)
    return converted


def _move(record: PopulationImport, allowed: list[ImportStatus], **values: object) -> None:
    """From one of the allowed states only, whoever else clicks at the same time, and while the file is there. Raises
    ``UploadRefused``."""
    kept = PopulationImport.objects.exclude(stored_as="")
    if not kept.filter(pk=record.pk, status__in=allowed).update(**values):
        raise UploadRefused("Cet import n’en est plus là. Recharger la page pour voir où il en est.")
    record.refresh_from_db()
