"""Blocks of lines of an extract → rows that COPY takes, and why the other lines are refused."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from campaigns.enums import Civility, FamilySituation, Housing, ProfessionalSituation, QuittanceState, RibState
from campaigns.rules import population_values as values
from campaigns.rules.column_readers import CONTACTS, DAYS_OF_LIVES, Column, ContactColumn, Findings, Known
from campaigns.rules.contact_points import region_of
from campaigns.rules.population_columns import EXTRA, FIELD_OF_HEADER, InvalidLine

_CIVILITIES = {"MADAME": "MME", "F": "MME", "MONSIEUR": "M", "MR": "M", "H": "M"}
_FUTURE = {
    "birth_expected_on", "event_on", "prepare_ends_on", "dtr_due_on", "dar_due_on", "residence_permit_ends_on",
}  # fmt: skip
_UPPER_OR_DIGIT = "[0-9A-Z]"


@dataclass(frozen=True)
class Block:
    """Lines read together. ``columns``: their cells, column by column; ``refused``: lines that have no cells to read,
    as (number, reason, cells if any)."""

    numbers: Sequence[int]
    texts: Sequence[str]
    columns: Sequence[Sequence[str]]
    refused: Sequence[tuple[int, InvalidLine, Sequence[str]]]


@dataclass(frozen=True)
class ParsedBlock:
    """``rows``: lines of PostgreSQL's text format, in UTF-8, the number of the line and its mark first."""

    read: int  # lines, refused ones included
    rows: bytes
    refused: list[tuple[int, InvalidLine, str]]  # number, reason, what stands in the column of the matricule
    repaired: Counter[str]
    emptied: list[tuple[int, InvalidLine]]  # of lines that are taken


class BlockParser:
    """Validates blocks of lines and orders their values as ``fields``; ``extra`` gathers the attributes of the Caf."""

    def __init__(
        self, header: Sequence[str], columns: Sequence[str], *, extras: Mapping[str, str], communes: Collection[str],
        today: date, matricule_width: int = 0,
    ) -> None:  # fmt: skip
        """``columns``: the field of each column; ``matricule_width``: see ``values.matricule_of_width``."""
        self.width = len(columns)
        self._header = header
        positions = {field: position for position, field in enumerate(columns) if field}
        known = _readers(communes, today, matricule_width)
        named = [field for field in positions if not field.startswith(EXTRA)]
        plain = [field for field in named if field not in CONTACTS]
        contacts = [field for field in named if field in CONTACTS]
        self.extra_codes = [field.removeprefix(EXTRA) for field in positions if field.startswith(EXTRA)]
        self.fields = plain + contacts + (["extra"] if self.extra_codes else [])
        usual = {"matricule": _usual_matricule(matricule_width)}
        self._plain = [Column(positions[f], header[positions[f]], known[f], usual.get(f, "")) for f in plain]
        self._contacts = [ContactColumn(positions[f], f) for f in contacts]
        self._extras = [
            Column(positions[EXTRA + code], EXTRA + code, Known(values.extra_attribute(code, extras[code])))
            for code in self.extra_codes
        ]
        self._commune = positions.get("commune_id")
        self._matricule = positions["matricule"]
        self._regions = Known(lambda code: region_of(code.zfill(5)))

    def parse(self, block: Block, marks: Sequence[str]) -> ParsedBlock:
        """Every line of the block, either in the rows or among the refused. A line of which something is to be told
        loses its mark."""
        findings = Findings()
        taken = self._read_columns(block, findings) if block.numbers else []
        refused = [(number, reason, self._matricule_of(cells)) for number, reason, cells in block.refused]
        for position, (column, reason) in findings.refused.items():
            refused.append((block.numbers[position], *self._refuse(block, position, column, reason)))
        return ParsedBlock(
            len(block.numbers) + len(block.refused),
            _rows_of(block.numbers, [_unmark(marks, findings), *taken], findings.refused),
            refused,
            _count(findings.repaired, findings.refused),
            self._tell_emptied(block, findings),
        )

    def _read_columns(self, block: Block, findings: Findings) -> list[Sequence[str]]:
        cells = block.columns
        taken: list[Sequence[str]] = [column.read(cells[column.position], findings) for column in self._plain]
        regions = self._regions_of(block)
        taken += [column.read(cells[column.position], regions, findings) for column in self._contacts]
        if self._extras:
            members = [column.read(cells[column.position], findings) for column in self._extras]
            taken.append(["{" + ", ".join(filter(None, row)) + "}" for row in zip(*members, strict=True)])
        return taken

    def _regions_of(self, block: Block) -> Sequence[str]:
        if self._commune is None:
            return ["FR"] * len(block.numbers)
        self._regions.forget()
        return list(map(self._regions.__getitem__, block.columns[self._commune]))

    def _refuse(self, block: Block, position: int, column: int, reason: values.InvalidValue) -> tuple[InvalidLine, str]:
        return self._say(block, position, column, reason), block.columns[self._matricule][position].strip()

    def _tell_emptied(self, block: Block, findings: Findings) -> list[tuple[int, InvalidLine]]:
        return [
            (block.numbers[position], self._say(block, position, column, reason))
            for position, column, reason in findings.emptied
            if position not in findings.refused
        ]

    def _say(self, block: Block, position: int, column: int, reason: object) -> InvalidLine:
        text = block.columns[column][position].strip()
        return InvalidLine(str(reason), column=self._header[column][:80], value_class=values.class_of(text))

    def _matricule_of(self, cells: Sequence[str]) -> str:
        return cells[self._matricule].strip() if len(cells) == self.width else ""


def _rows_of(numbers: Sequence[int], taken: Sequence[Sequence[str]], refused: Collection[int]) -> bytes:
    rows = list(map("\t".join, zip(map(str, numbers), *taken, strict=True)))
    if refused:
        rows = [row for position, row in enumerate(rows) if position not in refused]
    if not rows:
        return b""
    text = "\n".join(rows) + "\n"
    return (text.replace("\\", "\\\\") if "\\" in text else text).encode()


def _unmark(marks: Sequence[str], findings: Findings) -> Sequence[str]:
    told = {position for position, *_what in (*findings.repaired, *findings.emptied)}
    return [values.NULL if position in told else mark for position, mark in enumerate(marks)] if told else marks


def _count(found: Sequence[tuple[int, str]], refused: Collection[int]) -> Counter[str]:
    return Counter(reason for position, reason in found if position not in refused)


def _usual_matricule(width: int) -> str:
    """Shorter than the known width, a matricule of digits may have lost its zeros: it is looked at."""
    return rf"{_UPPER_OR_DIGIT}{{{max(width, 1)},15}}"


def _readers(communes: Collection[str], today: date, matricule_width: int) -> dict[str, Known]:
    """How each field reads a text; fields of one kind share what they know."""
    past, future = Known(values.past_date(today), DAYS_OF_LIVES), Known(values.parse_date, DAYS_OF_LIVES)
    boolean = Known(values.parse_boolean)
    readers = {f: past if f.endswith(("_on", "_since")) else boolean for f in FIELD_OF_HEADER.values()}
    others: dict[str, values.Parse] = {
        "family_situation": values.choice(values.codes_of(FamilySituation)),
        "housing": values.choice(values.codes_of(Housing)),
        "professional_situation": values.choice(values.codes_of(ProfessionalSituation)),
        "rib_state": values.choice(values.codes_of(RibState)),
        "quittance_state": values.choice(values.codes_of(QuittanceState)),
        "civility": values.choice(values.codes_of(Civility), _CIVILITIES),
        "matricule": values.matricule_of_width(matricule_width),
        "last_name": values.parse_last_name,
        "first_name": values.parse_name,
        "language": values.parse_language,
        "children_count": values.parse_count,
        "children_born_on": values.past_dates(lru_cache(maxsize=1 << 14)(values.past_date(today))),
        "commune_id": values.commune_among(communes),
        "prestations": values.parse_prestations,
    }
    return readers | dict.fromkeys(_FUTURE, future) | {field: Known(parse) for field, parse in others.items()}
