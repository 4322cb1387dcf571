"""Criteria that nobody can meet together, found before anybody is counted."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from campaigns.rules.criteria_catalogue import Catalogue, FieldType


def bound(value: Any) -> tuple[str, Any]:
    """A bound that can be compared with another one of the same kind: (kind, comparable value)."""
    if isinstance(value, dict):
        return "days", value["days"]
    return ("date", value) if isinstance(value, str) else ("number", value)


_LOWER = {"eq", "gte", "gt"}
_UPPER = {"eq", "lte", "lt"}


def find_contradictions(nodes: Iterable[Mapping[str, Any]], catalogue: Catalogue) -> Iterator[str]:
    """What nobody can meet together among valid criteria joined by « et », as French clauses without their place."""
    by_field: dict[str, list[Mapping[str, Any]]] = {}
    for leaf in _required(nodes):
        by_field.setdefault(leaf["field"], []).append(leaf)
    for code, group in by_field.items():
        field = catalogue.fields[code]
        # One child may be 3 and another 15: bounds on any child do not contradict each other.
        if field.type in _MANY:
            is_impossible = field.type in _PUBLICS and _publics_exclude(group)
        else:
            is_impossible = _is_impossible(group)
        if is_impossible:
            yield f"les critères sur « {field.label} » se contredisent : personne ne peut les remplir."


# Facts of which one person may have several: a value does not exclude another.
_PUBLICS = (FieldType.SEGMENT, FieldType.LIST)
_MANY = (FieldType.CHILD_AGE, *_PUBLICS)


def _required(nodes: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The criteria that all must hold, through groups inside groups."""
    for node in nodes:
        if "field" in node:
            yield node
        elif "not" not in node:
            inner = node.get("all") or node["any"]
            yield from _required(inner) if "all" in node or len(inner) == 1 else ()


def _publics_exclude(group: list[Mapping[str, Any]]) -> bool:
    """In one of several publics, and out of each of them."""
    refused = {code for leaf in group if leaf["op"] == "not_in" for code in leaf["value"]}
    return any(leaf["op"] == "in" and refused.issuperset(leaf["value"]) for leaf in group)


def _is_impossible(group: list[Mapping[str, Any]]) -> bool:
    return _bounds_cross(group) or _names_exclude(group) or _prestations_exclude(group) or _presence_excludes(group)


def _bounds_cross(group: list[Mapping[str, Any]]) -> bool:
    lows, highs = [], []
    for leaf in group:
        op, value = leaf["op"], leaf.get("value")
        ends: list[Any] = leaf["value"] if op == "between" else [value, value]
        if isinstance(ends[0], bool | list) or ends[0] is None or (isinstance(ends[0], dict) and len(ends[0]) > 1):
            continue
        if op in _LOWER or op == "between":
            lows.append((*bound(ends[0]), op == "gt"))
        if op in _UPPER or op == "between":
            highs.append((*bound(ends[1]), op == "lt"))
    return any(
        kind == other and (low > high or (low == high and (strict or strict_too)))
        for kind, low, strict in lows
        for other, high, strict_too in highs
    )


def _names_exclude(group: list[Mapping[str, Any]]) -> bool:
    """No value left, or yes and no of one fact."""
    allowed: set[Any] | None = None
    refused: set[Any] = set()
    for leaf in group:
        op, value = leaf["op"], leaf.get("value")
        values = set(value) if isinstance(value, list) and op in ("in", "not_in") else {str(value)}
        if op in ("in", "eq") and isinstance(value, str | bool | list):
            allowed = values if allowed is None else allowed & values
        elif op in ("not_in", "ne"):
            refused |= values
    return allowed is not None and not allowed - refused


def _prestations_exclude(group: list[Mapping[str, Any]]) -> bool:
    held = {leaf["value"] for leaf in group if leaf["op"] == "has"}
    lacking: set[str] = set()
    for leaf in group:
        if leaf["op"] in ("has_not", "has_none"):
            lacking |= {leaf["value"]} if leaf["op"] == "has_not" else set(leaf["value"])
    any_impossible = any(leaf["op"] == "has_any" and set(leaf["value"]) <= lacking for leaf in group)
    return bool(held & lacking) or any_impossible


def _presence_excludes(group: list[Mapping[str, Any]]) -> bool:
    ops = {leaf["op"] for leaf in group}
    return "is_not_set" in ops and bool(ops & {"is_set", "eq", "in", "gte", "lte", "gt", "lt", "between"})
