"""The story of an imported list: a file of matricules comes in, and replaces what the former delivery said."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import psycopg
from django.db import Error, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.text import slugify

from campaigns.criteria_users import find_users_of_list
from campaigns.csv_source import CsvSource, UnreadableFile, open_source, read_records
from campaigns.models import ImportedList, ListEntry, User, refresh_statistics
from campaigns.population_import import safe_name
from campaigns.population_staging import matricule_width
from campaigns.rules.named_columns import Layout, UnknownColumns, read_header, take
from campaigns.rules.nir import holds_nir
from campaigns.rules.population_columns import InvalidLine
from campaigns.rules.population_values import matricule_of_width
from campaigns.workbooks import UnreadableWorkbook, readable_as_csv

logger = logging.getLogger(__name__)

REPORTED_LINES = 5_000  # kept with their reason; all are counted
TWICE = "Ce matricule est déjà porté par une ligne précédente."
UNKNOWN = "Ce matricule n’est pas dans la population importée."

_STAGE = """
DROP TABLE IF EXISTS list_staging;
CREATE TEMPORARY TABLE list_staging (line int, matricule text) ON COMMIT DROP"""
_REMOVE_TWICE = """
DELETE FROM list_staging s USING (SELECT matricule, min(line) AS first_line FROM list_staging GROUP BY 1) kept
 WHERE kept.matricule = s.matricule AND s.line > kept.first_line RETURNING s.line"""
_REMOVE_UNKNOWN = """
DELETE FROM list_staging s
 WHERE NOT EXISTS (SELECT FROM campaigns_allocataire p WHERE p.matricule = s.matricule) RETURNING line"""
_TAKE_AWAY = """
DELETE FROM campaigns_listentry e
 WHERE e.imported_list_id = %(list)s AND NOT EXISTS (
       SELECT FROM list_staging s JOIN campaigns_allocataire p ON p.matricule = s.matricule
        WHERE p.id = e.allocataire_id)"""
_ADD = """
INSERT INTO campaigns_listentry (imported_list_id, allocataire_id)
SELECT %(list)s, p.id FROM list_staging s JOIN campaigns_allocataire p ON p.matricule = s.matricule ORDER BY p.id
ON CONFLICT (imported_list_id, allocataire_id) DO NOTHING"""


class ListRefused(Exception):
    """The delivery was not applied: the list is as it was. The message is a French sentence."""


class ListInUse(Exception):
    """It cannot be archived. The message is a French sentence that names what uses it."""


@dataclass(frozen=True)
class Delivery:
    """What a file is said to be."""

    name: str
    origin: str
    as_of: date
    is_sensitive: bool = False

    @property
    def code(self) -> str:
        return slugify(self.name)[:40]


@dataclass
class _Reading:
    read: int = 0
    unknown: int = 0
    rejected: list[tuple[int, str, str]] = field(default_factory=list)  # line, column, reason


def import_list(*, path: Path, file_name: str, delivery: Delivery, by: User | None, now: datetime) -> ImportedList:
    """Make a list say what this file says: people added, people taken away, the others untouched.

    The list is known by its name; the same file again changes nothing. Lines that cannot be read, that repeat one or
    whose matricule is unknown are counted, with their place and reason. Raises ``ListRefused``, nothing changed.
    """
    _check(delivery, timezone.localdate(now))
    try:
        with readable_as_csv(Path(path)) as csv_path, transaction.atomic(), connection.cursor() as cursor:
            source = open_source(csv_path)
            layout = read_header(source.header, ("matricule",))
            reading = _stage(cursor, source, layout)
            return _apply(cursor, reading, delivery, file_name, by, now)
    except (UnreadableFile, UnreadableWorkbook, UnknownColumns) as refusal:
        raise ListRefused(str(refusal)) from None
    except (Error, psycopg.Error) as failure:
        # The database quotes values in its messages: only the class of the failure goes out.
        logger.error("imported list not applied: %s", type(failure).__name__)
        raise ListRefused("La base a refusé la liste, rien n’a été changé. Prévenir l’administrateur.") from None


def archive_list(*, imported_list: ImportedList, now: datetime) -> None:
    """Forget the people of a list that nothing uses any more, and offer it no longer. Raises ``ListInUse``."""
    with transaction.atomic():
        locked = ImportedList.objects.select_for_update().get(pk=imported_list.pk)
        if users := find_users_of_list(locked):
            raise ListInUse(f"La liste « {locked.name} » sert encore : {', '.join(users)}.")
        locked.entries.all().delete()
        locked.people_count, locked.archived_at = 0, now
        locked.save(update_fields=["people_count", "archived_at"])


def _check(delivery: Delivery, today: date) -> None:
    if not delivery.code:
        raise ListRefused("Le nom de la liste doit contenir des lettres ou des chiffres.")
    if delivery.as_of > today:
        raise ListRefused("La date de la liste est dans le futur : indiquer le jour où elle a été établie.")
    if holds_nir(delivery.name) or holds_nir(delivery.origin):
        raise ListRefused("Un nom ou une origine ne peut pas contenir un numéro de sécurité sociale.")
    alike = ImportedList.objects.filter(code=delivery.code).first()
    if alike and alike.name.casefold() != delivery.name.strip().casefold():
        raise ListRefused(
            f"Ce nom est trop proche de celui de la liste « {alike.name} » pour l’en distinguer : rien n’a été changé. "
            "Reprendre exactement ce nom pour la remplacer, ou en choisir un autre dont le début diffère."
        )
    if alike and alike.is_sensitive and not alike.archived_at and not delivery.is_sensitive:
        raise ListRefused(
            f"La liste « {alike.name} » est sensible, et cette livraison ne le dit plus : rien n’a été changé. Le dire "
            "de nouveau ; une liste qui ne le serait plus s’archive, puis se redonne."
        )
    later = ImportedList.objects.in_use().filter(code=delivery.code, as_of__gt=delivery.as_of).first()
    if later:
        raise ListRefused(
            f"Une livraison plus récente est déjà là (établie le {later.as_of:%d/%m/%Y}) : rien n’a été changé."
        )


def _stage(cursor: CursorWrapper, source: CsvSource, layout: Layout) -> _Reading:
    reading = _Reading()
    read_matricule = matricule_of_width(matricule_width() or 0)  # asked before: nothing else is during a COPY
    cursor.execute(_STAGE)
    with cursor.copy("COPY list_staging FROM STDIN") as copy:
        for row in _read_rows(source, layout, read_matricule, reading):
            copy.write_row(row)
    cursor.execute("ANALYZE list_staging")
    cursor.execute(_REMOVE_TWICE)
    reading.rejected += [(line, "matricule", TWICE) for (line,) in cursor.fetchall()]
    cursor.execute(_REMOVE_UNKNOWN)
    unknown = [(line, "matricule", UNKNOWN) for (line,) in cursor.fetchall()]
    reading.unknown, reading.rejected = len(unknown), reading.rejected + unknown
    return reading


def _read_rows(
    source: CsvSource, layout: Layout, read_matricule: Callable[[str], str], reading: _Reading
) -> Iterator[tuple[int, str]]:
    for number, cells in read_records(source):
        reading.read += 1
        try:
            if isinstance(cells, InvalidLine):
                raise cells
            yield number, take("matricule", cells, layout, read_matricule)
        except InvalidLine as refusal:
            reading.rejected.append((number, refusal.column, refusal.reason))


def _apply(
    cursor: CursorWrapper, reading: _Reading, delivery: Delivery, file_name: str, by: User | None, now: datetime
) -> ImportedList:
    people = reading.read - len(reading.rejected)
    if not people:
        raise ListRefused("Aucune ligne ne désigne une personne connue : rien n’a été changé.")
    values = {
        "name": delivery.name.strip(),
        "origin": delivery.origin.strip(),
        "is_sensitive": delivery.is_sensitive,
        "as_of": delivery.as_of,
        "file_name": safe_name(file_name),
        "imported_at": now,
        "by": by,
        "archived_at": None,
        "read_count": reading.read,
        "people_count": people,
        "unknown_count": reading.unknown,
        "rejected_count": len(reading.rejected) - reading.unknown,
        "rejected": sorted(reading.rejected)[:REPORTED_LINES],
    }
    kept, _ = ImportedList.objects.select_for_update().update_or_create(code=delivery.code, defaults=values)
    cursor.execute(_TAKE_AWAY, {"list": kept.pk})
    kept.removed_count = cursor.rowcount
    cursor.execute(_ADD, {"list": kept.pk})
    kept.added_count = cursor.rowcount
    kept.save(update_fields=["added_count", "removed_count"])
    refresh_statistics(ListEntry, written=kept.added_count)
    return kept
