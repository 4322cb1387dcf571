"""How one line of a file of régularisations is read: matricule, type, date, montant, in French or ISO writing."""

import csv
import re
import unicodedata
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

REQUIRED = ("matricule", "type", "date")
OPTIONAL = ("montant",)
SEPARATORS = (";", ",", "\t")
LONGEST_LINE = 2_000  # characters; the four columns need less than 100
OLDEST = date(1950, 1, 1)  # before it, a date is a typing error

_FRENCH_DATE = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_AMOUNT = re.compile(r"[0-9]{1,8}([.,][0-9]{1,2})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class UnknownColumns(ValueError):
    """The first line does not name the columns that are needed."""


@dataclass(frozen=True)
class Layout:
    """Where each column is, as the first line of the file says."""

    separator: str
    positions: Mapping[str, int]


@dataclass(frozen=True)
class ReadLine:
    line: int
    matricule: str
    kind: str
    occurred_on: date
    amount: Decimal | None  # euros; None: not given, which is not 0


@dataclass(frozen=True)
class RejectedLine:
    """Why a line was left out. Never holds the value itself."""

    line: int
    column: str
    reason: str


def decode(raw: bytes) -> str:
    """UTF-8 (with or without BOM), else cp1252: what Excel and Caf extracts write. Line by line, so that one bad line
    does not change how the others are read."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    return text.rstrip("\r\n")


def read_layout(header: str) -> Layout:
    """Find the separator and the columns from the first line. Raises ``UnknownColumns``, its message in French."""
    for separator in SEPARATORS:
        names = [_plain(name) for name in next(csv.reader([header], delimiter=separator), [])]
        if set(REQUIRED) <= set(names):
            break
    else:
        raise UnknownColumns("la première ligne doit nommer les colonnes matricule;type;date;montant")
    wanted = [name for name in names if name in REQUIRED + OPTIONAL]
    if len(wanted) != len(set(wanted)):
        raise UnknownColumns("une colonne est nommée deux fois dans la première ligne")
    return Layout(separator, {name: names.index(name) for name in wanted})


def read_line(number: int, text: str, layout: Layout, kinds: Set[str], today: date) -> ReadLine | RejectedLine:
    """Check one line. ``kinds``: the known codes; ``today``: the last possible day (Caf's zone)."""
    if len(text) > LONGEST_LINE:
        return RejectedLine(number, "", f"ligne de plus de {LONGEST_LINE} caractères")
    if _CONTROL.search(text):
        return RejectedLine(number, "", "caractère interdit dans un fichier texte")
    cells = next(csv.reader([text], delimiter=layout.separator), [])
    if len(cells) <= max(layout.positions[name] for name in REQUIRED):
        return RejectedLine(number, "", "il manque des colonnes sur cette ligne")
    values = {name: cells[at].strip() if at < len(cells) else "" for name, at in layout.positions.items()}
    return _check(number, values, kinds, today)


def _check(number: int, values: Mapping[str, str], kinds: Set[str], today: date) -> ReadLine | RejectedLine:
    if not values["matricule"]:
        return RejectedLine(number, "matricule", "matricule absent")
    if values["type"] not in kinds:
        return RejectedLine(number, "type", "type de régularisation inconnu")
    try:
        occurred_on = _read_date(values["date"], today)
    except ValueError as error:
        return RejectedLine(number, "date", str(error))
    try:
        amount = read_amount(values.get("montant", ""))
    except ValueError as error:
        return RejectedLine(number, "montant", str(error))
    return ReadLine(number, values["matricule"], values["type"], occurred_on, amount)


def _read_date(text: str, today: date) -> date:
    day = read_day(text)
    if day > today:
        raise ValueError("date dans le futur")
    if day < OLDEST:
        raise ValueError(f"date antérieure au {OLDEST:%d/%m/%Y}")
    return day


def read_day(text: str) -> date:
    """A date written JJ/MM/AAAA or AAAA-MM-JJ. Raises ``ValueError`` with a French message."""
    french, iso = _FRENCH_DATE.fullmatch(text), _ISO_DATE.fullmatch(text)
    if french:
        day, month, year = (int(part) for part in french.groups())
    elif iso:
        year, month, day = (int(part) for part in iso.groups())
    else:
        raise ValueError("date illisible : attendu JJ/MM/AAAA ou AAAA-MM-JJ")
    try:
        return date(year, month, day)
    except ValueError:
        raise ValueError("cette date n’existe pas dans le calendrier") from None


def read_amount(text: str) -> Decimal | None:
    """Euros: ``1 234,56``, ``1234.56``, with or without ``€``. Empty is None: not given, never 0."""
    plain = re.sub(r"[\s€]", "", text)
    if not plain:
        return None
    if not _AMOUNT.fullmatch(plain):
        raise ValueError("montant illisible : attendu des euros, au plus deux décimales, sans signe")
    return Decimal(plain.replace(",", "."))


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
