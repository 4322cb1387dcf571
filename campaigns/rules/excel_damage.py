"""What a spreadsheet does to codes, numbers and dates, undone where it is certain and refused where digits are gone."""

import re
from datetime import date, timedelta

# "6.12345678E8", "6,12E+08": the sign or the decimal part tells it from a code such as 1E5.
_SCIENTIFIC = re.compile(r"(\d)(?:[.,](\d+)[eE]\+?|[eE]\+)(\d{1,2})", re.ASCII)
# Days since 1899-12-30, from 1927 to 2100. Four digits could be a year: not certain.
_SERIAL = re.compile(r"[1-7]\d{4}", re.ASCII)
_DAY_ZERO = date(1899, 12, 30)
_LAST_SERIAL = 73_415


class LostDigits(ValueError):
    """The spreadsheet rounded the number: nobody can tell which one it was."""

    def __init__(self) -> None:
        super().__init__("Le tableur a remplacé des chiffres par une puissance de dix : ils sont perdus.")


class Repaired(str):
    """A value given back as it was before the spreadsheet; ``damage`` says in French what had happened to it."""

    damage: str

    def __new__(cls, value: str, damage: str) -> "Repaired":
        repaired = super().__new__(cls, value)
        repaired.damage = damage
        return repaired


ZERO = "zéros de tête rendus"
SCIENTIFIC = "puissance de dix dépliée"
SERIAL = "date rendue depuis un nombre de jours"


def unfold_number(text: str) -> str:
    """``6.12345678E8`` → ``612345678``; any other text as it is. Raises ``LostDigits`` when decimals are too few."""
    shown = _SCIENTIFIC.fullmatch(text)
    if shown is None:
        return text
    decimals = shown[2] or ""
    if len(decimals) != int(shown[3]):
        raise LostDigits
    return Repaired(shown[1] + decimals, SCIENTIFIC)


def give_zeros_back(text: str, width: int) -> str:
    """A code of digits shorter than ``width`` lost its first zeros in a numeric cell."""
    if 0 < len(text) < width and text.isascii() and text.isdigit():
        return Repaired(text.zfill(width), ZERO)
    return text


def date_of_serial(text: str) -> date | None:
    """The day that a number of days stands for (``45000`` → 15 March 2023), None when it is not surely one."""
    if _SERIAL.fullmatch(text) and int(text) <= _LAST_SERIAL:
        return _DAY_ZERO + timedelta(days=int(text))
    return None
