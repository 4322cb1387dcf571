"""What the page of a segment shows of its rows: selects, inputs, units, problems. No HTML here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from campaigns.enums import Channel, ContactOutcome
from campaigns.models import Commune, Plan
from campaigns.rules.criteria_catalogue import OPERATOR_LABELS, Catalogue, Field, FieldType
from campaigns.rules.criteria_rows import Blocks, Problems, Row
from campaigns.rules.criteria_values import AGO, AHEAD, ON, Parts, Widget, widget_of

DATE_OPERATORS = {"eq": "le", "gte": "à partir de", "lte": "jusqu’à", "gt": "après", "lt": "avant"}
PUBLIC_OPERATORS = {
    FieldType.SEGMENT: {"in": "est dans le segment", "not_in": "n’est pas dans le segment"},
    FieldType.LIST: {"in": "figure dans la liste", "not_in": "ne figure pas dans la liste"},
}
NO_PUBLIC = {
    FieldType.SEGMENT: "Aucun autre segment n’est enregistré.",
    FieldType.LIST: "Aucune liste n’est importée : voir « Listes importées » dans les réglages.",
}
MODES = ((AGO, "jours avant aujourd’hui"), (AHEAD, "jours après aujourd’hui"), (ON, "à une date précise"))
UNITS = {FieldType.AGE: "ans", FieldType.CHILD_AGE: "ans"}
ANY = "indifférent"
GONE = "Ce fait a été retiré depuis : choisissez-en un autre, ou retirez la ligne."


@dataclass(frozen=True)
class Option:
    value: str
    label: str
    selected: bool


@dataclass(frozen=True)
class Bound:
    """One end of an interval, or the only value: its input, and for a date how it is counted."""

    name: str
    label: str
    value: str
    kind: str  # of the HTML input
    modes: list[Option]


@dataclass(frozen=True)
class Detail:
    """What narrows a criterion of past contacts."""

    name: str
    label: str
    options: list[Option]


@dataclass(frozen=True)
class RowView:
    place: str  # "0-1": block and row, as in the names of its inputs
    number: int
    row: Row
    is_known: bool
    groups: list[tuple[str, list[Option]]]
    operators: list[Option]
    widget: str
    value: str
    options: list[Option]
    bounds: list[Bound]
    details: list[Detail]
    unit: str
    hint: str
    problems: list[str]
    takes_focus: bool


@dataclass(frozen=True)
class BlockView:
    number: int
    index: int
    rows: list[RowView]
    problems: list[str]


@dataclass(frozen=True)
class Shelf:
    """What every row needs, read once."""

    catalogue: Catalogue
    plans: Mapping[str, str]
    themes: tuple[str, ...]
    communes: Mapping[str, str]  # code → name, only when a row asks for a commune


def build_block_views(
    blocks: Blocks, catalogue: Catalogue, problems: Problems, *, focus: tuple[int, int] | None = None
) -> list[BlockView]:
    """The rows as the page shows them. ``focus``: the row that was just added."""
    shelf = _fill_shelf(blocks, catalogue)
    return [
        BlockView(
            number=i + 1,
            index=i,
            rows=[
                _view(row, (i, j), shelf, problems.rows.get((i, j), []), takes_focus=focus == (i, j))
                for j, row in enumerate(block)
            ],
            problems=problems.blocks.get(i, []),
        )
        for i, block in enumerate(blocks)
    ]


def list_communes(blocks: Blocks) -> list[tuple[str, str]]:
    """Code and name of every commune, for the suggestions of a row that asks for one; otherwise nothing."""
    if not any(row.fact == "commune" for block in blocks for row in block):
        return []
    return list(Commune.objects.order_by("name").values_list("code", "name"))


def _fill_shelf(blocks: Blocks, catalogue: Catalogue) -> Shelf:
    plans = list(Plan.objects.order_by("name").values_list("code", "name", "theme"))
    return Shelf(
        catalogue=catalogue,
        plans={code: name for code, name, _ in plans},
        themes=tuple(sorted({theme for _, _, theme in plans})),
        communes=dict(list_communes(blocks)),
    )


def _view(row: Row, place: tuple[int, int], shelf: Shelf, problems: list[str], *, takes_focus: bool) -> RowView:
    known = shelf.catalogue.get(row.fact)
    widget = widget_of(known, row.op) if row.fact else Widget.NONE
    return RowView(
        place=f"{place[0]}-{place[1]}",
        number=place[1] + 1,
        row=row,
        is_known=known is not None or not row.fact,
        groups=_groups(shelf.catalogue, row.fact),
        operators=_operators(known, row.op),
        widget=str(widget),
        value=_first(row.parts, "raw" if widget is Widget.RAW else "value"),
        options=_values(known, row, widget, shelf.catalogue.own),
        bounds=_bounds(row, widget),
        details=_details(row, shelf) if widget is Widget.HISTORY else [],
        unit=UNITS.get(known.type, "") if known else "",
        hint=_hint(known, row, shelf),
        problems=[_sentence(each) for each in problems],
        takes_focus=takes_focus,
    )


def _sentence(problem: str) -> str:
    return problem[:1].upper() + problem[1:]


def _first(parts: Parts, name: str) -> str:
    values = parts.get(name, ())
    return values[0] if values else ""


def _groups(catalogue: Catalogue, chosen: str) -> list[tuple[str, list[Option]]]:
    return [
        (group, [Option(each.code, _label(each), each.code == chosen) for each in fields])
        for group, fields in catalogue.groups().items()
    ]


def _label(field: Field) -> str:
    label = field.label[:1].upper() + field.label[1:]
    return f"{label} (sensible)" if field.is_sensitive else label


def _operators(field: Field | None, chosen: str) -> list[Option]:
    if field is None:
        return [Option(chosen, OPERATOR_LABELS.get(chosen, chosen) or "…", True)]
    own = DATE_OPERATORS if field.type == FieldType.DATE else PUBLIC_OPERATORS.get(field.type, {})
    words = {**OPERATOR_LABELS, **own}
    known = [Option(op, words[op], op == chosen) for op in field.operators]
    return known if chosen in field.operators or not chosen else [*known, Option(chosen, chosen, True)]


def _values(field: Field | None, row: Row, widget: Widget, own: str) -> list[Option]:
    """The values offered; one that is chosen and no longer exists stays shown, so that it can be taken away.

    ``own``: the segment being written, not offered for itself.
    """
    chosen = row.parts.get("value", ())
    if widget is Widget.YES_NO:
        return list(_options((("true", "oui"), ("false", "non")), chosen))
    if field is None or widget not in (Widget.CHOICE, Widget.CHOICES):
        return []
    gone = [(value, f"{value} (n’existe plus)") for value in chosen if value and value not in dict(field.choices)]
    offered = field.choices
    if field.type == FieldType.SEGMENT:
        offered = tuple(choice for choice in offered if choice[0] != own or own in chosen)
    return list(_options((*offered, *gone), chosen))


def _options(choices: Iterable[tuple[str, str]], chosen: Iterable[str]) -> Iterator[Option]:
    picked = set(chosen)
    return (Option(value, label, value in picked) for value, label in choices)


def _bounds(row: Row, widget: Widget) -> list[Bound]:
    match widget:
        case Widget.NUMBER:
            return [Bound("value", "Valeur", _first(row.parts, "value"), "number", [])]
        case Widget.NUMBERS:
            return [Bound(name, label, _first(row.parts, name), "number", []) for name, label in _ENDS]
        case Widget.MOMENT:
            return [_moment(row, "low", "Valeur")]
        case Widget.MOMENTS:
            return [_moment(row, name, label) for name, label in _ENDS]
        case Widget.HISTORY:
            return [Bound("days", "Nombre de jours", _first(row.parts, "days"), "number", [])]
        case _:
            return []


_ENDS = (("low", "Début"), ("high", "Fin"))


def _moment(row: Row, name: str, label: str) -> Bound:
    mode = _first(row.parts, f"{name}_mode") or AGO
    kind = "date" if mode == ON else "number"
    return Bound(name, label, _first(row.parts, name), kind, list(_options(MODES, (mode,))))


def _details(row: Row, shelf: Shelf) -> list[Detail]:
    choices: tuple[tuple[str, str, list[tuple[str, str]]], ...] = (
        ("plan", "Par le plan", list(shelf.plans.items())),
        ("theme", "Sur le thème", [(theme, theme) for theme in shelf.themes]),
        ("channel", "Par le canal", [(str(code), str(label)) for code, label in Channel.choices]),
        ("outcome", "Et suivi de", [(str(code), str(label)) for code, label in ContactOutcome.choices]),
    )
    return [_detail(row, name, label, known) for name, label, known in choices]


def _detail(row: Row, name: str, label: str, known: list[tuple[str, str]]) -> Detail:
    chosen = _first(row.parts, name)
    gone = [(chosen, f"{chosen} (n’existe plus)")] if chosen and chosen not in dict(known) else []
    return Detail(name, label, list(_options([("", ANY), *known, *gone], (chosen,))))


def _hint(field: Field | None, row: Row, shelf: Shelf) -> str:
    if field is None:
        return GONE if row.fact else ""
    if row.fact == "commune":
        names = [shelf.communes[code] for code in _first(row.parts, "value").split() if code in shelf.communes]
        return ", ".join(names) or "Le code Insee de la commune : 66136 pour Perpignan."
    if field.type in NO_PUBLIC and not any(code != shelf.catalogue.own for code, _ in field.choices):
        return NO_PUBLIC[field.type]
    return f"Origine : {field.origin}" if field.origin else ""
