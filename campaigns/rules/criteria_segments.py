"""Segments inside segments: a tree that names others becomes one tree that holds theirs, before anything reads it."""

from collections.abc import Iterator, Mapping
from typing import Any

from campaigns.rules.criteria_catalogue import Catalogue, FieldType

MAX_NESTED = 5  # segments inside one another
MAX_EXPANDED = 1_000  # elements of the tree once expanded: a few segments that name each other twice would explode

Tree = Mapping[str, Any]


class BrokenReference(ValueError):
    """A segment names another that cannot be read. The message is a French clause that names the chain."""


def references(tree: Tree) -> Iterator[str]:
    """Identifiers of the segments that a valid tree names itself, in the order of its criteria."""
    for node in tree.get("all") or tree.get("any") or ([tree["not"]] if "not" in tree else []):
        yield from references(node)
    if tree.get("field") == FieldType.SEGMENT.lower():
        yield from tree["value"]


def expand(tree: Tree, catalogue: Catalogue) -> Tree:
    """The same people without naming any segment: each is a group that bears its ``name``. Raises ``BrokenReference``.

    A tree that names none comes back as it is.
    """
    path = (catalogue.own,) if catalogue.own else ()
    return _Expansion(catalogue).of(tree, path)


class _Expansion:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._left = MAX_EXPANDED

    def of(self, tree: Tree, path: tuple[str, ...]) -> Tree:
        if not any(references(tree)):
            self._spend(tree)
            return tree
        if "not" in tree:
            return {**tree, "not": self.of(tree["not"], path)}
        if key := next((key for key in ("all", "any") if key in tree), ""):
            return {**tree, key: [self.of(child, path) for child in tree[key]]}
        groups = [self._inner(code, path) for code in dict.fromkeys(tree["value"])]
        together: Tree = groups[0] if len(groups) == 1 else {"any": groups}
        return {"not": together} if tree["op"] == "not_in" else together

    def _inner(self, code: str, path: tuple[str, ...]) -> Tree:
        kept = self._catalogue.segments.get(code)
        if code in path:
            raise BrokenReference(f"des segments se contiennent en boucle : {self._chain((*path, code))}.")
        if kept is None:
            chain = f" ({self._chain(path)})" if path else ""
            raise BrokenReference(f"le segment n° {code} n’existe plus{chain}.")
        if len(path) >= MAX_NESTED:
            raise BrokenReference(
                f"plus de {MAX_NESTED} segments sont imbriqués : {self._chain((*path, code))}. Recopiez les critères."
            )
        return {"all": [self.of(kept.tree, (*path, code))], "name": kept.name}

    def _chain(self, path: tuple[str, ...]) -> str:
        names = (self._catalogue.segments.get(code) for code in path)
        return "« " + " → ".join(kept.name if kept else "ce segment" for kept in names) + " »"

    def _spend(self, tree: Tree) -> None:
        self._left -= _size(tree)
        if self._left < 0:
            raise BrokenReference(
                f"avec les segments qu’ils contiennent, ces critères dépassent {MAX_EXPANDED} éléments. Découpez-les."
            )


def _size(tree: Tree) -> int:
    inner = tree.get("all") or tree.get("any") or ([tree["not"]] if "not" in tree else [])
    return 1 + sum(map(_size, inner))
