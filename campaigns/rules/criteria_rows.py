"""The builder's rows ⇄ a criteria tree: rows joined by « et » in a block, blocks joined by « ou ».

Text in, JSON out, and back. A tree that rows cannot show exactly (deeper nesting) is left to its JSON: ``read_blocks``
answers ``None`` rather than an approximation.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaigns.rules.criteria import MAX_DEPTH, check, find_contradictions, find_leaf_problems
from campaigns.rules.criteria_catalogue import Catalogue, FieldType
from campaigns.rules.criteria_values import Parts, read_parts, widget_of, write_value

MAX_ROWS = 60
NOTHING = "Ajoutez au moins un critère."
# What is offered first when a fact has just been chosen: the operator that agents need most.
FIRST_OPERATORS: Mapping[FieldType, str] = {
    FieldType.NUMBER: "gte",
    FieldType.AGE: "lte",
    FieldType.CHILD_AGE: "lte",
    FieldType.DATE: "between",
    FieldType.HISTORY: "not_within",
}
_PART = re.compile(r"row-(\d{1,3})-(\d{1,3})-(\w+)")
_ACTION = re.compile(r"(add-row|remove-row|add-block|remove-block)(?:-(\d{1,3}))?(?:-(\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class Row:
    """One criterion as typed: ``parts`` are the texts of its value, by the names of its inputs."""

    fact: str = ""  # code of the field
    op: str = ""
    negated: bool = False
    parts: Parts = field(default_factory=dict)


Block = tuple[Row, ...]
Blocks = tuple[Block, ...]
EMPTY: Blocks = ((Row(),),)


@dataclass(frozen=True, slots=True)
class Problems:
    """French sentences, where they belong: (block, row), block, or the whole."""

    rows: Mapping[tuple[int, int], list[str]]
    blocks: Mapping[int, list[str]]
    whole: list[str]

    def __bool__(self) -> bool:
        return bool(self.rows or self.blocks or self.whole)


# --- Tree → rows ------------------------------------------------------------------------------------


def read_blocks(tree: object, catalogue: Catalogue) -> Blocks | None:
    """The rows that say exactly what ``tree`` says, or ``None`` when rows cannot. Any JSON may be given."""
    alternatives = _alternatives(tree, negated=False, depth=1)
    if alternatives is None or sum(map(len, alternatives)) > MAX_ROWS:
        return None
    blocks = tuple(tuple(_read_row(leaf, negated, catalogue) for negated, leaf in rows) for rows in alternatives)
    return blocks if _writes_back(blocks, alternatives, catalogue) else None


_Leaf = dict[str, Any]
_Conjunction = list[tuple[bool, _Leaf]]


def _alternatives(node: object, *, negated: bool, depth: int) -> list[_Conjunction] | None:
    """The tree as « ou » of « et » of criteria (« sauf » pushed down to them), without multiplying anything out."""
    if not isinstance(node, dict) or depth > MAX_DEPTH:
        return None
    if isinstance(node.get("field"), str) and isinstance(node.get("op"), str):
        return [[(negated, node)]] if node.keys() <= {"field", "op", "value"} else None
    if len(node) != 1:
        return None
    key, content = next(iter(node.items()))
    if key == "not":
        return _alternatives(content, negated=not negated, depth=depth + 1)
    if key not in ("all", "any") or not isinstance(content, list) or not content:
        return None
    children = [_alternatives(child, negated=negated, depth=depth + 1) for child in content]
    known = [child for child in children if child is not None]
    if len(known) < len(children):
        return None
    return known[0] if len(known) == 1 else _joined(known, is_all=(key == "all") != negated)


def _joined(children: list[list[_Conjunction]], *, is_all: bool) -> list[_Conjunction] | None:
    if not is_all:
        return [rows for child in children for rows in child]
    if any(len(child) > 1 for child in children):
        return None
    return [[pair for child in children for pair in child[0]]]


def _read_row(leaf: _Leaf, negated: bool, catalogue: Catalogue) -> Row:
    known = catalogue.get(leaf["field"])
    widget = widget_of(known, leaf["op"])
    return Row(leaf["field"], leaf["op"], negated, read_parts(widget, leaf))


def _writes_back(blocks: Blocks, alternatives: list[_Conjunction], catalogue: Catalogue) -> bool:
    """Whether each row gives its criterion back, to the last character."""
    pairs = zip(
        (row for block in blocks for row in block), (leaf for rows in alternatives for _, leaf in rows), strict=True
    )
    return all(_text(write_leaf(row, catalogue)) == _text(_plain_history(leaf)) for row, leaf in pairs)


def _plain_history(leaf: _Leaf) -> _Leaf:
    """« {"days": 180} » alone is the number 180 for the criteria of past contacts."""
    value = leaf.get("value")
    if leaf["op"] in ("within", "not_within") and isinstance(value, dict) and value.keys() == {"days"}:
        return {**leaf, "value": value["days"]}
    return leaf


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


# --- Rows → tree ------------------------------------------------------------------------------------


def write_tree(blocks: Blocks, catalogue: Catalogue) -> dict[str, Any]:
    """The tree of these rows. Rows whose fact is not chosen yet say nothing; blocks without a row either."""
    groups = [{"all": nodes} for block in blocks if (nodes := [_node(row, catalogue) for row in block if row.fact])]
    return {"any": groups} if len(groups) > 1 else groups[0] if groups else {"all": []}


def write_leaf(row: Row, catalogue: Catalogue) -> dict[str, Any]:
    """The criterion of a row, without its negation. A value that means nothing stays text, for ``check`` to refuse."""
    known = catalogue.get(row.fact)
    return {"field": row.fact, "op": row.op, **write_value(widget_of(known, row.op), row.parts)}


def _node(row: Row, catalogue: Catalogue) -> dict[str, Any]:
    leaf = write_leaf(row, catalogue)
    return {"not": leaf} if row.negated else leaf


def find_problems(blocks: Blocks, catalogue: Catalogue) -> Problems:
    """Every problem of the rows beside the row, or the block, that causes it."""
    rows: dict[tuple[int, int], list[str]] = {}
    wholes: dict[int, list[str]] = {}
    for i, block in enumerate(blocks):
        leaves = {j: write_leaf(row, catalogue) for j, row in enumerate(block) if row.fact}
        found = {(i, j): list(find_leaf_problems(leaf, catalogue)) for j, leaf in leaves.items()}
        rows |= {place: problems for place, problems in found.items() if problems}
        required = [leaf for j, leaf in leaves.items() if not block[j].negated]
        if not any(found.values()) and (clash := list(find_contradictions(required, catalogue))):
            wholes[i] = clash
    whole = [] if rows or wholes else _problems_of_the_whole(blocks, catalogue)
    return Problems(rows, wholes, whole)


def _problems_of_the_whole(blocks: Blocks, catalogue: Catalogue) -> list[str]:
    tree = write_tree(blocks, catalogue)
    return [NOTHING] if tree == {"all": []} else check(tree, catalogue)


# --- Form → rows ------------------------------------------------------------------------------------


def read_form(data: Mapping[str, Sequence[str]], catalogue: Catalogue) -> Blocks:
    """The rows of a posted form: inputs named ``row-<block>-<row>-<part>``. Numbers may have holes, not order."""
    found: dict[int, dict[int, dict[str, tuple[str, ...]]]] = {}
    for name, values in data.items():
        if matched := _PART.fullmatch(name):
            block, row, part = int(matched[1]), int(matched[2]), matched[3]
            found.setdefault(block, {}).setdefault(row, {})[part] = tuple(values)
    blocks = tuple(
        tuple(_posted_row(found[i][j], catalogue) for j in sorted(found[i])[:MAX_ROWS])
        for i in sorted(found)[:MAX_ROWS]
    )
    return blocks or EMPTY


def _posted_row(parts: dict[str, tuple[str, ...]], catalogue: Catalogue) -> Row:
    code, op, before, _ = (_first(parts.pop(name, ())) for name in ("field", "op", "was", "widget"))
    negated = _first(parts.pop("not", ())) == "1"
    if code != before:  # another fact: what was typed for the former one means nothing here
        parts, op = {}, ""
    known = catalogue.get(code)
    if known is not None and op not in known.operators:
        op = FIRST_OPERATORS.get(known.type, known.operators[0])
    return Row(code, op, negated, parts)


def _first(values: Sequence[str]) -> str:
    return values[0] if values else ""


def apply_action(blocks: Blocks, name: str) -> Blocks | None:
    """The rows after a button: ``add-row-0``, ``remove-row-0-1``, ``add-block``, ``remove-block-0``. ``None``: none."""
    matched = _ACTION.fullmatch(name)
    if matched is None:
        return None
    block, row = (int(number) if number else -1 for number in (matched[2], matched[3]))
    if matched[1] == "add-block":
        return (*blocks, (Row(),))
    if matched[1] == "remove-block":
        return tuple(each for i, each in enumerate(blocks) if i != block) or EMPTY
    change = _with_row if matched[1] == "add-row" else _without_row
    kept = tuple(change(each, row) if i == block else each for i, each in enumerate(blocks))
    return tuple(each for each in kept if each) or EMPTY


def _with_row(block: Block, _row: int) -> Block:
    return (*block, Row())


def _without_row(block: Block, row: int) -> Block:
    return tuple(each for j, each in enumerate(block) if j != row)
