"""Criteria being written, by rows or as JSON: what was posted, which button was pressed, what is wrong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

from campaigns.admin.segment_places import find_unknown_places
from campaigns.admin.segment_rows import build_block_views, list_communes
from campaigns.rules.criteria import check
from campaigns.rules.criteria_catalogue import Catalogue
from campaigns.rules.criteria_rows import (
    EMPTY,
    NOTHING,
    Blocks,
    Problems,
    apply_action,
    find_problems,
    read_blocks,
    read_form,
    write_tree,
)
from campaigns.rules.criteria_values import widget_of

NOT_JSON = "Ce texte n’est pas du JSON : vérifiez les accolades, les virgules et les guillemets."
NOT_ROWS = "Ces critères ne peuvent pas être montrés en lignes : ils restent en JSON, sans que rien en soit perdu."
TO_JSON, TO_ROWS = "to-json", "to-rows"
NO_PROBLEM = Problems({}, {}, [])


@dataclass(frozen=True)
class Draft:
    """Criteria as they stand on the page. ``blocks``: their rows; ``None`` when they are written as JSON.

    ``tree`` is what would be kept; ``moved``: a button of the builder was pressed, nothing is to be kept.
    """

    blocks: Blocks | None
    text: str
    tree: Any
    problems: Problems
    moved: bool = False
    focus: tuple[int, int] | None = None
    note: str = ""

    def describe(self, catalogue: Catalogue, *, with_problems: bool) -> dict[str, Any]:
        """What the template of the builder needs."""
        problems = self.problems if with_problems else NO_PROBLEM
        context: dict[str, Any] = {"draft": self, "whole_problems": problems.whole, "note": self.note}
        if self.blocks is None:
            return context
        views = build_block_views(self.blocks, catalogue, problems, focus=self.focus)
        return context | {"blocks": views, "communes": list_communes(self.blocks)}


def open_draft(tree: Mapping[str, Any] | None, catalogue: Catalogue) -> Draft:
    """Kept criteria, opened: in rows when rows can say them. ``None``: a new segment."""
    if tree is None:
        return _by_rows(EMPTY, catalogue)
    blocks = read_blocks(tree, catalogue)
    return _by_rows(blocks, catalogue) if blocks else _by_text(_indented(tree), catalogue, note=NOT_ROWS)


def read_draft(data: QueryDict, catalogue: Catalogue) -> Draft:
    """Posted criteria, after the button that was pressed."""
    if "criteria" in data:
        draft = _by_text(str(data["criteria"]), catalogue)
        return _back_to_rows(draft, catalogue) if TO_ROWS in data else draft
    blocks = read_form(dict(data.lists()), catalogue)
    if TO_JSON in data:
        return _by_text(_indented(write_tree(blocks, catalogue)), catalogue, moved=True)
    for name in data:
        if (changed := apply_action(blocks, name)) is not None:
            return _by_rows(changed, catalogue, moved=True, focus=_place_to_go(name, changed))
    return _by_rows(blocks, catalogue, moved="refresh" in data)


def find_named(data: QueryDict) -> list[Any]:
    """What posted criteria name, rows or JSON: enough to load the catalogue that reads them."""
    named: list[Any] = [{"field": data[name]} for name in data if name.endswith("-field")]
    try:
        return [*named, json.loads(str(data.get("criteria", "null")))]
    except (ValueError, RecursionError):
        return named


def asks_for_the_same_inputs(data: QueryDict, changed: str, catalogue: Catalogue) -> bool:
    """Whether a comparison was chosen (``changed``: its id) that leaves the value of its row as it is being typed."""
    row = changed.removeprefix("id_").removesuffix("-op")
    if not changed.endswith("-op") or data.get(f"{row}-field") != data.get(f"{row}-was"):
        return False
    widget = widget_of(catalogue.get(data.get(f"{row}-field", "")), data.get(f"{row}-op", ""))
    return bool(widget == data.get(f"{row}-widget"))


def _by_rows(blocks: Blocks, catalogue: Catalogue, **more: Any) -> Draft:
    tree = write_tree(blocks, catalogue)
    problems = find_problems(blocks, catalogue)
    problems = replace(problems, rows={**find_unknown_places(blocks), **problems.rows})
    return Draft(blocks, "", tree, problems, **more)


def _by_text(text: str, catalogue: Catalogue, **more: Any) -> Draft:
    try:
        tree = json.loads(text) if text.strip() else {"all": []}
    except (ValueError, RecursionError):
        return Draft(None, text, None, Problems({}, {}, [NOT_JSON]), **more)
    errors = [NOTHING] if tree in ({"all": []}, [], {}) else check(tree, catalogue)
    return Draft(None, text, tree, Problems({}, {}, errors), **more)


def _back_to_rows(draft: Draft, catalogue: Catalogue) -> Draft:
    blocks = EMPTY if draft.tree == {"all": []} else read_blocks(draft.tree, catalogue)
    if blocks is None:
        return _by_text(draft.text, catalogue, moved=True, note=NOT_ROWS)
    return _by_rows(blocks, catalogue, moved=True)


def _place_to_go(name: str, blocks: Blocks) -> tuple[int, int]:
    """The row that was added; after a removal, the one that took its place."""
    numbers = [int(part) for part in name.split("-") if part.isdigit()]
    block = len(blocks) - 1 if name == "add-block" else min(numbers[0], len(blocks) - 1)
    last = len(blocks[block]) - 1
    return block, min(numbers[1], last) if len(numbers) == 2 else last


def _indented(tree: object) -> str:
    return json.dumps(tree, ensure_ascii=False, indent=2)
