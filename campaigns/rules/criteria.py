"""Whether a criteria tree means something: every problem at once, in French, with the place where it is."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from campaigns.enums import Channel, ContactOutcome
from campaigns.rules.criteria_catalogue import Catalogue, Field, FieldType
from campaigns.rules.criteria_contradictions import bound, find_contradictions
from campaigns.rules.criteria_fields import BUILTIN_FIELDS
from campaigns.rules.criteria_french import explain
from campaigns.rules.criteria_segments import BrokenReference, expand

__all__ = [
    "BUILTIN_FIELDS",
    "Catalogue",
    "Field",
    "FieldType",
    "InvalidCriteria",
    "check",
    "check_or_refuse",
    "expand_or_refuse",
    "explain",
    "find_contradictions",
    "find_leaf_problems",
    "is_sensitive",
    "leaves",
]

MAX_DEPTH = 8
MAX_NODES = 100
MAX_VALUES = 500
EXPANDED_DEPTH = 60  # of a tree and of those that it names: it was checked at each of its levels
MAX_DAYS = 36_500
MAX_AGE = 130
GROUPS = ("all", "any")
HISTORY_KEYS = {"days", "plan", "theme", "channel", "outcome"}
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class InvalidCriteria(ValueError):
    """The criteria cannot select anybody; ``errors`` holds every problem, in French."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = errors
        super().__init__("Critères invalides : " + " ; ".join(errors))


def check(tree: object, catalogue: Catalogue) -> list[str]:
    """Every problem of a criteria tree, in French, located; an empty list when the tree can be compiled."""
    if not isinstance(tree, dict):
        return [f'Les critères doivent être un objet JSON (par exemple {{"all": [...]}}), pas {_kind(tree)}.']
    nodes = _count(tree, 1)
    if nodes > MAX_NODES:
        return [f"Trop de critères : plus de {MAX_NODES} éléments. Découpez le segment."]
    if any(map(_UNWRITABLE.search, _texts(tree, EXPANDED_DEPTH))):
        return ["Un texte contient un caractère que rien ne peut écrire (caractère nul, moitié de caractère)."]
    if problems := list(_check_node(tree, catalogue, "", MAX_DEPTH)):
        return problems
    if _bears_name(tree):
        return ["« name » est réservé aux segments que d’autres contiennent : retirez-le."]
    return _check_inside(tree, catalogue)


def expand_or_refuse(tree: Any, catalogue: Catalogue) -> Mapping[str, Any]:
    """A kept tree without any name of segment, or one already expanded as it is. Raises ``InvalidCriteria``."""
    errors = list(_check_node(tree, catalogue, "", EXPANDED_DEPTH)) or _check_inside(tree, catalogue)
    if errors:
        raise InvalidCriteria(errors)
    return expand(tree, catalogue)


def _check_inside(tree: Mapping[str, Any], catalogue: Catalogue) -> list[str]:
    """What is wrong in the segments that a tree names, or between them and it."""
    try:
        expanded = expand(tree, catalogue)
    except BrokenReference as broken:
        return [_capital(str(broken))]
    return [] if expanded is tree else list(_check_node(expanded, catalogue, "", EXPANDED_DEPTH))


def check_or_refuse(tree: object, catalogue: Catalogue) -> None:
    """Raise ``InvalidCriteria`` with every problem, or return."""
    if errors := check(tree, catalogue):
        raise InvalidCriteria(errors)


def is_sensitive(tree: Any, catalogue: Catalogue) -> bool:
    """Whether the criteria look at nationality or health: they then need a written justification."""
    return any(_is_sensitive_leaf(leaf, catalogue) for leaf in leaves(expand(tree, catalogue)))


def leaves(tree: Any) -> Iterator[Mapping[str, Any]]:
    """The criteria of a valid tree, depth first."""
    for key in GROUPS:
        for node in tree.get(key, ()):
            yield from leaves(node)
    if "not" in tree:
        yield from leaves(tree["not"])
    if "field" in tree:
        yield tree


def _is_sensitive_leaf(leaf: Mapping[str, Any], catalogue: Catalogue) -> bool:
    field = catalogue.get(leaf["field"])
    if field is None:
        return False
    value = leaf.get("value")
    values = value if isinstance(value, list) else [value]
    return field.is_sensitive or any(isinstance(v, str) and v in field.sensitive_values for v in values)


def _count(node: object, depth: int) -> int:
    """Nodes of a tree that may be malformed or hostile; stops once past the limits."""
    if depth > MAX_DEPTH + 1 or not isinstance(node, dict):
        return 1
    children = [*_children(node), *([node["not"]] if "not" in node else [])]
    total = 1
    for child in children:
        total += _count(child, depth + 1)
        if total > MAX_NODES:
            break
    return total


def _texts(value: object, levels: int) -> Iterator[str]:
    """Every text of a JSON value, names of keys included; not deeper than what is refused anyway."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict) and levels:
        for inner in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(inner, levels - 1)


def _bears_name(tree: Mapping[str, Any]) -> bool:
    """Only ``expand`` names groups: a name typed by hand could deceive whoever approves."""
    inner = [*tree.get("all", ()), *tree.get("any", ()), *([tree["not"]] if "not" in tree else [])]
    return "name" in tree or any(map(_bears_name, inner))


def _children(node: dict[str, Any]) -> list[Any]:
    return [child for key in GROUPS if isinstance(node.get(key), list) for child in node[key]]


def _check_node(node: object, catalogue: Catalogue, place: str, levels: int) -> Iterator[str]:
    if not levels:
        yield f"{_at(place)}les groupes sont imbriqués sur plus de {MAX_DEPTH} niveaux."
    elif not isinstance(node, dict):
        yield f"{_at(place)}un objet JSON est attendu, pas {_kind(node)}."
    elif "field" in node:
        yield from (_at(place) + problem for problem in find_leaf_problems(node, catalogue))
    elif len(keys := node.keys() - {"name"}) == 1 and (key := next(iter(keys))) in (*GROUPS, "not"):
        yield from _check_group(key, node[key], catalogue, place, levels)
    else:
        names = ", ".join(sorted(str(key) for key in node)[:5]) or "aucune clé"
        yield f"{_at(place)}un seul de « all », « any », « not » ou « field » est attendu, trouvé : {names}."


def _check_group(key: str, content: object, catalogue: Catalogue, place: str, levels: int) -> Iterator[str]:
    if key == "not":
        yield from _check_node(content, catalogue, _inside(1, content, place), levels - 1)
    elif not isinstance(content, list):
        yield f"{_at(place)}« {key} » attend une liste de critères, pas {_kind(content)}."
    elif not content:
        yield f"{_at(place)}groupe vide : ajoutez au moins un critère ou retirez le groupe."
    else:
        problems = [
            problem
            for position, child in enumerate(content, start=1)
            for problem in _check_node(child, catalogue, _inside(position, child, place), levels - 1)
        ]
        yield from problems
        if key == "all" and not problems:
            yield from (_at(place) + problem for problem in find_contradictions(content, catalogue))


def _inside(position: int, node: object, place: str) -> str:
    if isinstance(node, dict) and "name" in node:
        return f"segment « {_short(node['name'])} »"
    rank = "1ᵉʳ" if position == 1 else f"{position}ᵉ"
    word = "critère" if not isinstance(node, dict) or "field" in node else "groupe"
    return f"{rank} {word} du {place or 'groupe principal'}"


def _at(place: str) -> str:
    return _capital(f"{place or 'groupe principal'} : ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def find_leaf_problems(leaf: Mapping[str, Any], catalogue: Catalogue) -> Iterator[str]:
    """What is wrong with one criterion, as French clauses without their place."""
    unknown = sorted(str(key) for key in leaf.keys() - {"field", "op", "value"})
    if unknown:
        yield f"clé inattendue : {', '.join(unknown[:5])}."
    code = leaf["field"]
    field = catalogue.get(code) if isinstance(code, str) else None
    if field is None:
        yield f"le critère « {_short(code)} » n’existe pas (ou n’existe plus)."
        return
    op = leaf.get("op")
    if op not in field.operators:
        known = ", ".join(field.operators)
        yield f"l’opérateur « {_short(op)} » ne s’applique pas à « {field.label} » ({known})."
        return
    if problem := _value_problem(field, op, leaf.get("value"), has_value="value" in leaf):
        yield f"« {field.label} » : {problem}."


def _value_problem(field: Field, op: str, value: object, *, has_value: bool) -> str:
    """What is wrong with a value, as the end of a French sentence; empty when nothing is."""
    if op in ("is_set", "is_not_set"):
        return "cet opérateur n’attend pas de valeur" if has_value else ""
    if not has_value:
        return "une valeur est attendue"
    if op == "between":
        return _range_problem(field, value)
    if op in ("in", "not_in", "has_any", "has_none"):
        return _list_problem(field, value)
    return _single_problem(field, value)


def _range_problem(field: Field, value: object) -> str:
    if not isinstance(value, list) or len(value) != 2:
        return "« entre » attend deux valeurs"
    problem = _single_problem(field, value[0]) or _single_problem(field, value[1])
    if problem:
        return problem
    low, high = bound(value[0]), bound(value[1])
    if low[0] == high[0] and low[1] > high[1]:
        return "la première borne dépasse la seconde"
    return ""


def _list_problem(field: Field, value: object) -> str:
    if not isinstance(value, list) or not value:
        return "une liste d’au moins une valeur est attendue"
    if len(value) > MAX_VALUES:
        return f"{MAX_VALUES} valeurs au plus"
    return next((problem for each in value if (problem := _single_problem(field, each))), "")


def _single_problem(field: Field, value: object) -> str:
    if field.type == FieldType.BOOLEAN:
        return "" if isinstance(value, bool) else f"oui ou non (true ou false) est attendu, pas {_kind(value)}"
    if field.type == FieldType.DATE:
        return _date_problem(value)
    if field.type in (FieldType.CHOICE, FieldType.TEXT, FieldType.PRESTATION):
        return _name_problem(field, value)
    if field.type == FieldType.HISTORY:
        return _history_problem(value)
    if field.type in (FieldType.SEGMENT, FieldType.LIST):
        return _public_problem(field, value)
    return _number_problem(field, value)


def _number_problem(field: Field, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"un nombre est attendu, pas {_kind(value)}"
    if not -1e15 < value < 1e15:
        return "nombre hors limites"
    if field.type in (FieldType.AGE, FieldType.CHILD_AGE) and not (isinstance(value, int) and 0 <= value <= MAX_AGE):
        return f"un âge entier de 0 à {MAX_AGE} est attendu"
    return ""


def _date_problem(value: object) -> str:
    if isinstance(value, dict):
        days = value.get("days")
        if value.keys() != {"days"} or isinstance(days, bool) or not isinstance(days, int) or abs(days) > MAX_DAYS:
            return 'une date relative s’écrit {"days": -10}'
        return ""
    if not isinstance(value, str) or not _ISO_DATE.fullmatch(value):
        return f"une date (AAAA-MM-JJ) ou un nombre de jours est attendu, pas {_kind(value)}"
    try:
        date.fromisoformat(value)
    except ValueError:
        return f"la date « {value} » n’existe pas"
    return ""


def _name_problem(field: Field, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 200 or "\x00" in value:
        return f"un texte est attendu, pas {_kind(value)}"
    if field.choices and value not in dict(field.choices):
        known = ", ".join(code for code, _ in field.choices[:14])
        return f"valeur inconnue « {_short(value)} » (connues : {known}{'…' if len(field.choices) > 14 else ''})"
    return ""


def _public_problem(field: Field, value: object) -> str:
    if not isinstance(value, str):
        return f"un numéro de segment ou un code de liste, écrit en texte, est attendu, pas {_kind(value)}"
    if value in dict(field.choices):
        return ""
    what = f"le segment n° {_short(value)}" if field.type == FieldType.SEGMENT else f"la liste « {_short(value)} »"
    return f"{what} n’existe plus : choisissez un autre public, ou retirez la ligne"


def _history_problem(value: object) -> str:
    detail = value if isinstance(value, dict) else {"days": value}
    if not detail.keys() <= HISTORY_KEYS:
        return "seuls « days », « plan », « theme », « channel » et « outcome » sont attendus"
    days = detail.get("days")
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MAX_DAYS:
        return "un nombre de jours d’au moins 1 est attendu"
    if not all(isinstance(detail.get(key, ""), str) for key in ("plan", "theme")):
        return "plan et thème sont des codes"
    if "channel" in detail and detail["channel"] not in Channel.values:
        return f"canal inconnu (connus : {', '.join(Channel.values)})"
    if "outcome" in detail and detail["outcome"] not in ContactOutcome.values:
        return f"suite inconnue (connues : {', '.join(ContactOutcome.values)})"
    return ""


def _kind(value: object) -> str:
    """The French name of a JSON type: problems never quote a value that might be personal."""
    names: tuple[tuple[type, str], ...] = (
        (bool, "un oui/non"),
        (int, "un nombre"),
        (float, "un nombre"),
        (str, "un texte"),
        (list, "une liste"),
        (dict, "un objet"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "rien")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"
