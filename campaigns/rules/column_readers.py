"""A whole column of an extract at once: a text that repeats is read once, a usual one never leaves the fast path."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from campaigns.rules.contact_points import (
    normalise_email,
    normalise_landline,
    normalise_mobile,
    read_emails,
    read_french_numbers,
)
from campaigns.rules.excel_damage import LostDigits, Repaired, give_zeros_back, unfold_number
from campaigns.rules.population_values import InvalidValue, Parse

_KEPT = 1 << 14  # distinct texts that a column remembers from block to block
DAYS_OF_LIVES = 1 << 16  # more days than any two living people have been apart
_NATIONAL = 9  # digits of a French number without its first zero
CONTACTS = {"email": "e-mail", "mobile": "mobile", "landline": "fixe"}


@dataclass
class Findings:
    """What the columns of a block say of its lines, by position in the block."""

    refused: dict[int, tuple[int, InvalidValue]] = field(default_factory=dict)  # column and reason, the first one met
    repaired: list[tuple[int, str]] = field(default_factory=list)
    emptied: list[tuple[int, int, str]] = field(default_factory=list)  # with their column


class Known(dict[str, str]):
    """Text → value, read on first sight; ``refusals`` and ``repairs`` name the texts that were not plain."""

    def __init__(self, parse: Parse, kept: int = _KEPT) -> None:
        super().__init__()
        self._parse, self._kept = parse, kept
        self.refusals: dict[str, InvalidValue] = {}
        self.repairs: dict[str, str] = {}

    def __missing__(self, text: str) -> str:
        value = ""
        try:
            value = self._parse(text.strip())
        except InvalidValue as refusal:
            self.refusals[text] = refusal
        if isinstance(value, Repaired):
            self.repairs[text] = value.damage
        self[text] = value
        return value

    def forget(self) -> None:
        """Between two blocks only: what a block met must still be found at its end."""
        if len(self) > self._kept:
            self.clear()
            self.refusals.clear()
            self.repairs.clear()


class Column:
    """Where a field stands in the file, and how its cells are read.

    ``usual``: a pattern of texts that are their own value, for columns where nearly every text is different.
    """

    def __init__(self, position: int, name: str, known: Known, usual: str = "") -> None:
        self.position, self.name = position, name
        self._known = known
        self._is_usual: Callable[[str], object] | None = re.compile(usual, re.ASCII).fullmatch if usual else None

    def read(self, cells: Sequence[str], findings: Findings) -> list[str]:
        """Values of the cells; refusals and repairs are told to the findings."""
        known = self._known
        known.forget()
        if is_usual := self._is_usual:
            taken = [text if is_usual(text) else known[text] for text in cells]
        else:
            taken = list(map(known.__getitem__, cells))
        if known.refusals or known.repairs:
            self._tell(cells, findings)
        return taken

    def _tell(self, cells: Sequence[str], findings: Findings) -> None:
        for position, text in enumerate(cells):
            if text in self._known.refusals:
                findings.refused.setdefault(position, (self.position, self._known.refusals[text]))
            elif text in self._known.repairs:
                findings.repaired.append((position, f"{self.name} : {self._known.repairs[text]}"))


class ContactColumn:
    """E-mails, mobiles or landlines. An unusable address empties its cell and is counted: the person stays, losing her
    would lose her other channels too."""

    def __init__(self, position: int, kind: str) -> None:
        self.position, self._kind = position, kind

    def read(self, cells: Sequence[str], regions: Sequence[str], findings: Findings) -> list[str]:
        """``regions``: where each person writes her number without a country code."""
        if self._kind == "email":
            taken = read_emails(cells)
        else:
            taken = read_french_numbers(cells, regions, mobile_only=self._kind == "mobile")
        for position, value in enumerate(taken):
            if not value and (text := cells[position].strip()):
                taken[position] = self._read_unusual(text, regions[position], position, findings)
        return taken

    def _read_unusual(self, text: str, region: str, position: int, findings: Findings) -> str:
        try:
            value = normalise_email(text) if self._kind == "email" else _read_phone(self._kind, text, region)
            reason = "" if value else _say_unusable(self._kind, text, region)
        except LostDigits:
            value, reason = "", "chiffres perdus par un tableur"
        if isinstance(value, Repaired):
            findings.repaired.append((position, f"{CONTACTS[self._kind]} : {value.damage}"))
        elif reason:
            findings.emptied.append((position, self.position, f"{CONTACTS[self._kind]} : {reason}"))
        return value


def _read_phone(kind: str, text: str, region: str) -> str:
    """A number whatever its spelling, a spreadsheet's included. Raises ``LostDigits``."""
    normalise = normalise_mobile if kind == "mobile" else normalise_landline
    digits = unfold_number(text)
    if len(digits) == _NATIONAL and digits[0] != "0":
        digits = give_zeros_back(digits, _NATIONAL + 1)
    value = normalise(digits, region)
    return Repaired(value, digits.damage) if value and isinstance(digits, Repaired) else value


def _say_unusable(kind: str, text: str, region: str) -> str:
    if kind == "email":
        return "adresse inutilisable"
    if kind == "mobile" and normalise_landline(text, region):
        return "ne reçoit pas de SMS"
    return "numéro inutilisable"
