"""People of a segment or of a frozen wave as a spreadsheet: streamed, masked unless the reader may export addresses."""

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import xlsxwriter

from campaigns.enums import CONTROL_ARM
from campaigns.models import AccessLog, Allocataire, Audience, Member, Segment, User
from campaigns.rules.masking import mask_email, mask_matricule, mask_phone
from campaigns.rules.spreadsheets import BOM, SEPARATOR, neutralise, say_phone
from campaigns.segments import matching

CHUNK = 2_000  # people read at a time
IN_MEMORY = 5_000_000  # bytes of a workbook kept out of the disk

Row = list[str]
Column = tuple[str, Callable[[Allocataire], Any]]

NAMED: tuple[Column, ...] = (
    ("Matricule", lambda p: p.matricule),
    ("Civilité", lambda p: p.get_civility_display()),
    ("Nom", lambda p: p.last_name),
    ("Prénom", lambda p: p.first_name),
    ("Date de naissance", lambda p: p.born_on),
    ("Mobile", lambda p: say_phone(p.mobile)),
    ("Fixe", lambda p: say_phone(p.landline)),
    ("E-mail", lambda p: p.email),
)
MASKED: tuple[Column, ...] = (
    ("Matricule", lambda p: mask_matricule(p.matricule)),
    ("Mobile", lambda p: mask_phone(p.mobile)),
    ("Fixe", lambda p: mask_phone(p.landline)),
    ("E-mail", lambda p: mask_email(p.email)),
)
FACTS: tuple[Column, ...] = (
    ("SMS autorisé", lambda p: p.sms_allowed),
    ("E-mail autorisé", lambda p: p.email_allowed),
    ("Appel autorisé", lambda p: p.call_allowed),
    ("Situation familiale", lambda p: p.get_family_situation_display()),
    ("Enfants à charge", lambda p: p.children_count),
    ("Commune", lambda p: p.commune.name if p.commune else ""),
    ("EPCI", lambda p: p.commune.epci.name if p.commune and p.commune.epci else ""),
    ("Prestations", lambda p: ", ".join(sorted(p.prestations))),
)


def export_segment(*, segment: Segment, is_masked: bool, by: User, now: datetime, today: date) -> Iterator[Row]:
    """Headers, then the people who meet the criteria ``today``. The access is written before the first row.

    Raises ``InvalidCriteria``.
    """
    people = matching(segment.criteria, today=today).select_related("commune__epci").order_by("pk")
    _log(by, now, f"segment n° {segment.pk}", is_masked=is_masked)
    columns = _columns(is_masked=is_masked)
    return _with_headers(
        [title for title, _ in columns], (_row(columns, person) for person in people.iterator(chunk_size=CHUNK))
    )


def export_audience(*, audience: Audience, is_masked: bool, by: User, now: datetime) -> Iterator[Row]:
    """Headers, then everybody that the wave targeted, with her exclusion or her arm. The access is written first."""
    members = Member.objects.filter(audience=audience).select_related("allocataire__commune__epci").order_by("pk")
    _log(by, now, f"audience n° {audience.pk}", is_masked=is_masked)
    columns = _columns(is_masked=is_masked)
    labels = {arm["code"]: arm.get("label") or arm["code"] for arm in audience.campaign.arms} | {CONTROL_ARM: "Témoin"}
    rows = (
        [*_row(columns, m.allocataire), neutralise(labels.get(m.arm, m.arm)), str(m.get_exclusion_display())]
        for m in members.iterator(chunk_size=CHUNK)
    )
    return _with_headers([*(title for title, _ in columns), "Bras", "Laissée de côté"], rows)


def write_csv(rows: Iterable[Row]) -> Iterator[str]:
    """Lines for Excel: BOM, « ; », CRLF."""
    writer = csv.writer(_Echo(), delimiter=SEPARATOR)
    yield BOM
    for row in rows:
        yield writer.writerow(row)


def write_xlsx(rows: Iterable[Row], *, title: str) -> IO[bytes]:
    """A workbook of one sheet, every cell a text; written row by row, whatever its size. Read from its beginning."""
    target = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- the response closes it
    with xlsxwriter.Workbook(target, {"constant_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet(title[:31])
        sheet.freeze_panes(1, 0)
        bold = book.add_format({"bold": True})
        for place, row in enumerate(rows):
            for column, text in enumerate(row):
                sheet.write_string(place, column, text, None if place else bold)
    target.seek(0)
    return target


class _Echo:
    """What ``csv`` writes into, so that each line can be handed on."""

    def write(self, line: str) -> str:
        return line


def _columns(*, is_masked: bool) -> tuple[Column, ...]:
    return (*(MASKED if is_masked else NAMED), *FACTS)


def _with_headers(headers: Row, rows: Iterable[Row]) -> Iterator[Row]:
    yield headers
    yield from rows


def _row(columns: Iterable[Column], person: Allocataire) -> Row:
    return [neutralise(_say(read(person))) for _, read in columns]


def _say(value: Any) -> str:
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    return "" if value is None else str(value)


def _log(by: User, now: datetime, about: str, *, is_masked: bool) -> None:
    detail = f"{about}, {'masqué' if is_masked else 'nominatif'}"
    AccessLog.objects.create(by=by, at=now, action="export", detail=detail)
