"""What criteria may name in this installation: built-in facts, its EPCI, its attributes, its lists and its segments."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from campaigns.models import Epci, ExtraAttribute, ImportedList, Segment
from campaigns.rules.criteria import BUILTIN_FIELDS, Catalogue, Field
from campaigns.rules.criteria_catalogue import EXTRA_PREFIX, NamedTree, extra_field

_EVERYTHING = {"epci", EXTRA_PREFIX, "list", "segment"}


def load_catalogue(*, writing: Segment | None = None) -> Catalogue:
    """The criteria of this installation: built-in facts, its EPCI, declared extra attributes, lists and segments.

    ``writing``: the kept segment whose criteria are being written, so that it is not put inside itself.
    """
    return _load(_EVERYTHING, own=str(writing.pk) if writing else "")


def load_catalogue_naming(written: Any, *, writing: Segment | None = None) -> Catalogue:
    """The same for criteria that name few things, or were badly written: what they do not name is not read.

    A segment may hold anything: criteria that name one need everything.
    """
    named = _find_fields(written)
    return _load(_EVERYTHING if "segment" in named else named, own=str(writing.pk) if writing else "")


def _load(named: Collection[str], *, own: str = "") -> Catalogue:
    fields: list[Field] = []
    if "epci" in named:
        fields.append(replace(BUILTIN_FIELDS["epci"], choices=tuple(Epci.objects.values_list("code", "name"))))
    if any(code.startswith(EXTRA_PREFIX) for code in named):
        fields += [
            extra_field(code=a.code, label=a.label, kind=a.type, origin=a.origin, is_sensitive=a.is_sensitive)
            for a in ExtraAttribute.objects.all()
        ]
    if "list" in named:
        fields.append(_lists_field())
    trees: dict[str, NamedTree] = {}
    if "segment" in named:
        kept = Segment.objects.values_list("pk", "name", "criteria")
        trees = {str(pk): NamedTree(name, tree) for pk, name, tree in kept}
        fields.append(
            replace(BUILTIN_FIELDS["segment"], choices=tuple((code, kept.name) for code, kept in trees.items()))
        )
    return replace(Catalogue(BUILTIN_FIELDS).extended(fields), segments=trees, own=own)


def _find_fields(written: Any) -> set[str]:
    """The codes that are named as fields, however deep and badly written the rest is."""
    found: set[str] = set()
    left = [written]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if isinstance(code := node.get("field"), str):
                found.add(code)
            left += node.values()
        elif isinstance(node, list):
            left += node
    return found


def _lists_field() -> Field:
    lists = list(ImportedList.objects.in_use())
    return replace(
        BUILTIN_FIELDS["list"],
        choices=tuple((each.code, each.in_words()) for each in lists),
        sensitive_values=frozenset(each.code for each in lists if each.is_sensitive),
    )
