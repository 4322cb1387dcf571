"""One cell of an extract → the text that the staging table takes, or the French reason why not.

Reasons and classes never hold the value: they are stored, shown and logged."""

import json
import re
from collections.abc import Callable, Collection
from datetime import date
from enum import Enum
from functools import lru_cache

from campaigns.enums import AttributeType, Prestation
from campaigns.rules.excel_damage import (
    SERIAL,
    LostDigits,
    Repaired,
    date_of_serial,
    give_zeros_back,
    unfold_number,
)

Parse = Callable[[str], str]

NULL = "\x01"  # no value: control characters are refused in lines, so no cell can spell it
_EARLIEST, _LATEST = date(1900, 1, 1), date(2100, 12, 31)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FRENCH = re.compile(r"(\d{2})/(\d{2})/(\d{4})", re.ASCII)
_MATRICULE = re.compile(r"[0-9A-Za-z]{1,15}")
_NAME = re.compile(r"['’(]?[^\W\d_][^\d_=@<>{}\[\]|\\^~%*+;:\"]*")
_NUMBER = re.compile(r"-?\d{1,12}(?:[.,]\d{1,6})?", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2}")
_YES = {"oui", "o", "1", "true", "vrai", "x"}
_NO = {"", "non", "n", "0", "false", "faux"}
_COUNT_MAX = 30
_COMMUNE_WIDTH = 5
_PRESTATIONS = frozenset(Prestation.values)


class InvalidValue(ValueError):
    """A cell that cannot be taken; the message is a French sentence without the value."""


def class_of(text: str) -> str:
    """What kind of thing a refused value is, said without the value."""
    if not text:
        return "vide"
    if _ISO.fullmatch(text) or _FRENCH.fullmatch(text):
        return "date"
    if text.isascii() and text.isdigit():
        return f"nombre de {len(text)} chiffres"
    return f"texte de {len(text)} caractères"


def parse_matricule(text: str) -> str:
    if not text:
        raise InvalidValue("Le matricule manque.")
    if not _MATRICULE.fullmatch(text):
        raise InvalidValue("Le matricule doit compter de 1 à 15 chiffres ou lettres, sans autre signe.")
    return text.upper()


def matricule_of_width(width: int) -> Parse:
    """Matricules whose first zeros a spreadsheet may have eaten: ``width`` is their known length, 0 when unknown."""

    def parse(text: str) -> str:
        try:
            number = unfold_number(text)
        except LostDigits as lost:
            raise InvalidValue(str(lost)) from None
        whole = give_zeros_back(number, width)
        code = parse_matricule(whole)
        return Repaired(code, whole.damage) if isinstance(whole, Repaired) else code

    return parse


def parse_last_name(text: str) -> str:
    if not text:
        raise InvalidValue("Le nom manque.")
    return parse_name(text)


def parse_name(text: str) -> str:
    if len(text) > 100:
        raise InvalidValue("Un nom compte au plus 100 caractères.")
    if text and not _NAME.fullmatch(text):
        raise InvalidValue("Ce texte ne ressemble pas à un nom (chiffre, formule ou signe interdit).")
    return " ".join(text.split())


def parse_date(text: str) -> str:
    """ISO (``2023-03-01``) or French (``01/03/2023``) date, between 1900 and 2100; an empty cell is no date.

    A spreadsheet's number of days is given back as the day it stands for.
    """
    if not text:
        return NULL
    serial = date_of_serial(text)
    return Repaired(serial.isoformat(), SERIAL) if serial else _read_date(text).isoformat()


def past_date(today: date) -> Parse:
    limit = today.isoformat()

    def parse(text: str) -> str:
        day = parse_date(text)
        if day != NULL and day > limit:
            raise InvalidValue("Cette date est dans le futur.")
        return day

    return parse


def past_dates(one: Parse) -> Parse:
    """Dates separated by ``|``, each read by ``one``, as an array literal."""

    def parse(text: str) -> str:
        if not text:
            return "{}"
        days = [one(part.strip()) for part in text.split("|") if part.strip()]
        array = "{" + ",".join(days) + "}"
        return Repaired(array, SERIAL) if any(isinstance(day, Repaired) for day in days) else array

    return parse


def parse_count(text: str) -> str:
    if text and not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= _COUNT_MAX):
        raise InvalidValue(f"Un nombre entier de 0 à {_COUNT_MAX} est attendu.")
    return str(int(text or 0))


def parse_boolean(text: str) -> str:
    return "t" if _is_yes(text) else "f"


def parse_language(text: str) -> str:
    code = text.lower() or "fr"
    if not _LANGUAGE.fullmatch(code):
        raise InvalidValue("La langue s’écrit en deux lettres (fr, en, ar…).")
    return code


def choice(values: Collection[str], synonyms: dict[str, str] | None = None) -> Parse:
    """One of the codes of an enum, whatever its case; ``synonyms`` (upper case) are other spellings."""
    accepted = {value: value for value in values} | (synonyms or {}) | {"": ""}

    def parse(text: str) -> str:
        if (code := accepted.get(text.upper().replace("É", "E"))) is None:
            raise InvalidValue(f"Valeur inconnue ; sont admises : {', '.join(values)}.")
        return code

    return parse


def commune_among(codes: Collection[str]) -> Parse:
    """An Insee code of the loaded territories. Spreadsheets eat the first zero: it is given back."""

    def parse(text: str) -> str:
        if not text:
            return NULL
        code = give_zeros_back(text, _COMMUNE_WIDTH)
        if code.upper() not in codes:
            raise InvalidValue("Cette commune est inconnue : un code Insee de cinq caractères est attendu.")
        return code if isinstance(code, Repaired) else code.upper()

    return parse


def parse_prestations(text: str) -> str:
    """``RSA:2021-03-01|PPA:2022-01-01`` → a JSON object, prestation held → since when."""
    if not text:
        return "{}"
    members = [_read_prestation(part) for part in text.split("|") if part]
    if len(members) > 1 and len({member.partition(":")[0] for member in members}) < len(members):
        raise InvalidValue("Une prestation est donnée deux fois.")
    return "{" + ", ".join(members) + "}"


def extra_attribute(code: str, kind: str) -> Parse:
    """One member of the JSON object of extra attributes (``"code": value``); nothing for an empty cell."""
    read = _EXTRA_READERS[AttributeType(kind)]

    def parse(text: str) -> str:
        return f"{json.dumps(code)}: {json.dumps(read(text), ensure_ascii=False)}" if text else ""

    return parse


def codes_of(enum: type[Enum]) -> list[str]:
    return [member.value for member in enum]


def _read_date(text: str) -> date:
    if french := _FRENCH.fullmatch(text):
        text = "-".join(french.groups()[::-1])
    elif not _ISO.fullmatch(text):
        raise InvalidValue("Une date s’écrit 2023-03-01 ou 01/03/2023.")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidValue("Cette date n’existe pas.") from None
    if not _EARLIEST <= day <= _LATEST:
        raise InvalidValue("Une date est comprise entre 1900 et 2100.")
    return day


@lru_cache(maxsize=1 << 15)
def _read_prestation(text: str) -> str:
    """Its member of the JSON object."""
    code, _colon, since = (part.strip() for part in text.partition(":"))
    if code.upper() not in _PRESTATIONS:
        raise InvalidValue(f"Prestation inconnue ; sont admises : {', '.join(Prestation.values)}.")
    if not since:
        raise InvalidValue("Chaque prestation est suivie de sa date d’ouverture, comme RSA:2021-03-01.")
    return f'"{code.upper()}": "{_read_date(since).isoformat()}"'


def _is_yes(text: str) -> bool:
    word = text.lower()
    if word not in _YES and word not in _NO:
        raise InvalidValue("Oui ou non est attendu.")
    return word in _YES


def _read_number(text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise InvalidValue("Un nombre est attendu.")
    return float(text.replace(",", ".")) if "," in text or "." in text else int(text)


def _read_text(text: str) -> str:
    if len(text) > 200:
        raise InvalidValue("Ce texte compte au plus 200 caractères.")
    return text


_EXTRA_READERS: dict[AttributeType, Callable[[str], object]] = {
    AttributeType.TEXT: _read_text,
    AttributeType.NUMBER: _read_number,
    AttributeType.BOOLEAN: _is_yes,
    AttributeType.DATE: lambda text: _read_date(text).isoformat(),
}
