"""A small file whose columns are found by their names, whatever their order, case and accents."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from campaigns.rules.population_columns import InvalidLine
from campaigns.rules.population_values import InvalidValue

_Read = TypeVar("_Read")


class UnknownColumns(ValueError):
    """The first line does not name the columns that are needed: a French sentence."""


@dataclass(frozen=True)
class Layout:
    """Where each column is, as the first line of the file says."""

    positions: Mapping[str, int]
    required: tuple[str, ...]
    width: int


def read_header(header: Sequence[str], required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Layout:
    """Find the columns; others are ignored. Raises ``UnknownColumns``."""
    names = [plain(name) for name in header]
    if missing := [name for name in required if name not in names]:
        model = ";".join(required + optional)
        raise UnknownColumns(f"Colonne absente : {', '.join(missing)}. La première ligne nomme les colonnes : {model}.")
    wanted = [name for name in names if name in required + optional]
    if len(wanted) != len(set(wanted)):
        raise UnknownColumns("Une colonne est nommée deux fois dans la première ligne : n’en garder qu’une.")
    return Layout({name: names.index(name) for name in wanted}, required, len(names))


def take(column: str, cells: Sequence[str], layout: Layout, read: Callable[[str], _Read]) -> _Read:
    """Read the cell of a column, "" where the line has none.

    Raises ``InvalidLine``, which names the column and the reason, never the value.
    """
    if len(cells) > layout.width or len(cells) <= max(layout.positions[name] for name in layout.required):
        raise InvalidLine(f"La ligne compte {len(cells)} colonnes au lieu de {layout.width}.")
    at = layout.positions.get(column, len(cells))
    try:
        return read(cells[at] if at < len(cells) else "")
    except InvalidValue as refusal:
        raise InvalidLine(str(refusal), column=column) from None


def plain(name: str) -> str:
    """Without accents, case nor outer spaces."""
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
