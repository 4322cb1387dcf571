"""How one line of a file of régularisations is read: matricule, type, date, montant, in French or ISO writing."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from campaigns.rules.named_columns import Layout, read_header, take
from campaigns.rules.population_values import InvalidValue, Parse, parse_matricule, past_date

REQUIRED = ("matricule", "type", "date")
OPTIONAL = ("montant",)

_AMOUNT = re.compile(r"[0-9]{1,8}([.,][0-9]{1,2})?")


@dataclass(frozen=True)
class ReadLine:
    matricule: str
    kind: str
    occurred_on: date
    amount: Decimal | None  # euros; None: not given, which is not 0


def read_layout(header: Sequence[str]) -> Layout:
    """Find the columns, whatever their order, case and accents; others are ignored. Raises ``UnknownColumns``."""
    return read_header(header, REQUIRED, OPTIONAL)


def read_line(
    cells: Sequence[str], layout: Layout, kinds: Set[str], today: date, read_matricule: Parse = parse_matricule
) -> ReadLine:
    """Check one line. ``kinds``: the known codes; ``today``: the last possible day (Caf's zone).

    Raises ``InvalidLine``, which names the column and the reason, never the value.
    """
    return ReadLine(
        matricule=take("matricule", cells, layout, read_matricule),
        kind=take("type", cells, layout, lambda text: _known_kind(text, kinds)),
        occurred_on=take("date", cells, layout, lambda text: _read_day(text, today)),
        amount=take("montant", cells, layout, read_amount),
    )


def read_amount(text: str) -> Decimal | None:
    """Euros: ``1 234,56``, ``1234.56``, with or without ``€``. Empty is None: not given, never 0."""
    plain = re.sub(r"[\s€]", "", text)
    if not plain:
        return None
    if not _AMOUNT.fullmatch(plain):
        raise InvalidValue("Un montant s’écrit en euros, sans signe, avec deux décimales au plus, comme 1 234,56.")
    return Decimal(plain.replace(",", "."))


def _known_kind(text: str, kinds: Set[str]) -> str:
    if text not in kinds:
        raise InvalidValue("Ce type de régularisation est inconnu : voir la liste des types dans les réglages.")
    return text


def _read_day(text: str, today: date) -> date:
    if not text:
        raise InvalidValue("La date manque.")
    return date.fromisoformat(past_date(today)(text))
