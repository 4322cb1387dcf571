"""How one line of a file of régularisations is read: matricule, type, date, montant, in French or ISO writing."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVar

from campaigns.rules.population_columns import InvalidLine
from campaigns.rules.population_values import InvalidValue, parse_matricule, past_date

REQUIRED = ("matricule", "type", "date")
OPTIONAL = ("montant",)

_AMOUNT = re.compile(r"[0-9]{1,8}([.,][0-9]{1,2})?")
_Read = TypeVar("_Read")


class UnknownColumns(ValueError):
    """The first line does not name the columns that are needed: a French sentence."""


@dataclass(frozen=True)
class Layout:
    """Where each column is, as the first line of the file says."""

    positions: Mapping[str, int]
    width: int


@dataclass(frozen=True)
class ReadLine:
    matricule: str
    kind: str
    occurred_on: date
    amount: Decimal | None  # euros; None: not given, which is not 0


def read_layout(header: Sequence[str]) -> Layout:
    """Find the columns, whatever their order, case and accents; others are ignored. Raises ``UnknownColumns``."""
    names = [_plain(name) for name in header]
    if missing := [name for name in REQUIRED if name not in names]:
        raise UnknownColumns(
            f"Colonne absente : {', '.join(missing)}. La première ligne doit être matricule;type;date;montant."
        )
    wanted = [name for name in names if name in REQUIRED + OPTIONAL]
    if len(wanted) != len(set(wanted)):
        raise UnknownColumns("Une colonne est nommée deux fois dans la première ligne : n’en garder qu’une.")
    return Layout({name: names.index(name) for name in wanted}, len(names))


def read_line(cells: Sequence[str], layout: Layout, kinds: Set[str], today: date) -> ReadLine:
    """Check one line. ``kinds``: the known codes; ``today``: the last possible day (Caf's zone).

    Raises ``InvalidLine``, which names the column and the reason, never the value.
    """
    if len(cells) > layout.width or len(cells) <= max(layout.positions[name] for name in REQUIRED):
        raise InvalidLine(f"La ligne compte {len(cells)} colonnes au lieu de {layout.width}.")
    values = {name: cells[at] if at < len(cells) else "" for name, at in layout.positions.items()}
    return ReadLine(
        matricule=_take("matricule", values, parse_matricule),
        kind=_take("type", values, lambda text: _known_kind(text, kinds)),
        occurred_on=_take("date", values, lambda text: _read_day(text, today)),
        amount=_take("montant", values, read_amount),
    )


def read_amount(text: str) -> Decimal | None:
    """Euros: ``1 234,56``, ``1234.56``, with or without ``€``. Empty is None: not given, never 0."""
    plain = re.sub(r"[\s€]", "", text)
    if not plain:
        return None
    if not _AMOUNT.fullmatch(plain):
        raise InvalidValue("Un montant s’écrit en euros, sans signe, avec deux décimales au plus, comme 1 234,56.")
    return Decimal(plain.replace(",", "."))


def _take(column: str, values: Mapping[str, str], read: Callable[[str], _Read]) -> _Read:
    try:
        return read(values.get(column, ""))
    except InvalidValue as refusal:
        raise InvalidLine(str(refusal), column=column) from None


def _known_kind(text: str, kinds: Set[str]) -> str:
    if text not in kinds:
        raise InvalidValue("Ce type de régularisation est inconnu : voir la liste des types dans les réglages.")
    return text


def _read_day(text: str, today: date) -> date:
    if not text:
        raise InvalidValue("La date manque.")
    return date.fromisoformat(past_date(today)(text))


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
