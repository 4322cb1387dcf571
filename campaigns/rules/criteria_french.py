"""Criteria said in one French sentence, for the approver and for publication."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from campaigns.enums import Channel, ContactOutcome, Prestation
from campaigns.rules.criteria_catalogue import WITH_ARTICLE, Catalogue, Field, FieldType
from campaigns.rules.criteria_segments import expand

NBSP = "\N{NO-BREAK SPACE}"
_PLAIN = re.compile(r"[\w-]+")
HISTORY_OUTCOMES = {
    ContactOutcome.DELIVERED: " avec message reçu",
    ContactOutcome.ANSWERED: " avec réponse de leur part",
    ContactOutcome.SETTLED: " avec régularisation ensuite",
}


def explain(tree: Mapping[str, Any], catalogue: Catalogue) -> str:
    """One readable sentence: « Allocataires isolés, ayant 30 ans au plus, sans prime d’activité. »

    Segments that the tree names are said with what they hold.
    """
    return f"Allocataires {_fragment(expand(tree, catalogue), catalogue, top=True)}."


def _fragment(node: Mapping[str, Any], catalogue: Catalogue, *, top: bool = False) -> str:
    if "field" in node:
        return _leaf(node, catalogue)
    if "name" in node:
        held = node["all"]
        inner = _fragment(held[0] if len(held) == 1 else {"all": held}, catalogue, top=True)
        return f"du segment {_quoted(node['name'])} ({inner})"
    if "not" in node:
        return f"à l’exclusion de ceux {_relative(_fragment(node['not'], catalogue))}"
    if "all" in node:
        text = ", ".join(_fragment(child, catalogue) for child in node["all"])
        return text if top or len(node["all"]) == 1 else f"({text})"
    text = " ou ".join(_fragment(child, catalogue) for child in node["any"])
    return text if top or len(node["any"]) == 1 else f"({text})"


def _relative(fragment: str) -> str:
    """« ceux » takes an adjective in brackets, anything else as it is."""
    direct = (
        "ayant",
        "avec",
        "sans",
        "dont",
        "habitant",
        "percevant",
        "pour qui",
        "(",
        "n’",
        "autorisant",
        "du segment",
    )
    return fragment if fragment.startswith(direct) else f"qui sont {fragment}"


def _leaf(leaf: Mapping[str, Any], catalogue: Catalogue) -> str:
    field, op, value = catalogue.get(leaf["field"]), leaf["op"], leaf.get("value")
    if field is None:
        return f"[critère inconnu « {leaf['field']} »]"
    if field.type == FieldType.BOOLEAN:
        return field.wording["true" if value else "false"]
    if op in field.wording:
        return _worded(field, op, value)
    if field.type == FieldType.DATE:
        return f"{field.stem} {_date_words(op, value)}"
    if field.type in (FieldType.CHOICE, FieldType.TEXT):
        stem = field.stem if op in ("eq", "in") else field.negative
        return f"{stem} {_names(field, value)}"
    return f"{field.stem} {_number_words(op, value)}"


def _worded(field: Field, op: str, value: Any) -> str:
    template = field.wording[op]
    if op in ("is_set", "is_not_set"):
        return template
    if field.type == FieldType.PRESTATION:
        return template.format(value=_held(value) if op in ("has", "has_any") else _names(field, value, " ni "))
    if field.type == FieldType.HISTORY:
        return template.format(value=_history(value))
    if field.type == FieldType.LIST:
        return template.format(value=(" ou " if op == "in" else " ni ").join(map(field.label_of, value)))
    if field.code == "children_count" and op == "eq" and value == 0:
        return "sans enfant à charge"
    low, high = value if op == "between" else (value, value)
    text = template.format(value=_number(low), low=_number(low), high=_number(high))
    return text.replace("(s)", "s" if high >= 2 else "")


def _held(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return " ou ".join(WITH_ARTICLE.get(each, f"l’{Prestation(each).label}") for each in values)


def _names(field: Field, value: Any, joiner: str = " ou ") -> str:
    values = value if isinstance(value, list) else [value]
    return joiner.join(_name(field, str(each)) for each in values)


def _name(field: Field, value: str) -> str:
    """A text typed by somebody is quoted, or its own « ou » and commas would pass for those of the sentence."""
    if value in dict(field.choices):
        return _lowered(field.label_of(value), field)
    return value if _PLAIN.fullmatch(value) else _quoted(value)


def _quoted(text: str) -> str:
    return f"«{NBSP}{text.replace('«', '‹').replace('»', '›')}{NBSP}»"


def _lowered(label: str, field: Field) -> str:
    """Common nouns lose their capital in a sentence; acronyms and places keep theirs."""
    is_name = field.code in ("epci", "commune") or label[1:2].isupper() or label in ("Paje", "PreParE")
    return label if is_name or not field.choices else label[:1].lower() + label[1:]


def _number(value: float) -> str:
    return str(value).replace(".", ",")


def _number_words(op: str, value: Any) -> str:
    if op == "between":
        return f"entre {_number(value[0])} et {_number(value[1])}"
    words = {
        "eq": "",
        "ne": "différent de ",
        "gte": "d’au moins ",
        "lte": "d’au plus ",
        "gt": "supérieur à ",
        "lt": "inférieur à ",
    }
    return words[op] + _number(value)


def _history(value: Any) -> str:
    detail = value if isinstance(value, dict) else {"days": value}
    text = _days(detail["days"])
    if plan := detail.get("plan"):
        text += f" par le plan {_quoted(plan)}"
    if theme := detail.get("theme"):
        text += f" sur le thème {_quoted(theme)}"
    if channel := detail.get("channel"):
        text += f" par {Channel(channel).label}"
    return text + HISTORY_OUTCOMES.get(detail.get("outcome", ""), "")


def _days(count: int) -> str:
    return f"{count}{NBSP}jour{'s' if count > 1 else ''}"


def _date_words(op: str, value: Any) -> str:
    if op == "between":
        return _between_words(value[0], value[1])
    if isinstance(value, dict):
        return _relative_words(op, value["days"])
    day = _day(value)
    words = {"eq": "le", "gte": "à partir du", "lte": "jusqu’au", "gt": "après le", "lt": "avant le"}
    return f"{words[op]} {day}"


def _day(iso: str) -> str:
    return f"{date.fromisoformat(iso):%d/%m/%Y}"


def _relative_words(op: str, days: int) -> str:
    if days == 0:
        words = {
            "eq": "aujourd’hui",
            "gte": "aujourd’hui ou plus tard",
            "lte": "aujourd’hui ou plus tôt",
            "gt": "après aujourd’hui",
            "lt": "avant aujourd’hui",
        }
        return words[op]
    future = days > 0
    # Further in the past means earlier: « au plus » and « au moins » change sides.
    more, less = ("gte", "lte") if future else ("lte", "gte")
    ends = {"eq": "exactement", more: "ou plus", less: "au plus"}
    stem = f"dans {_days(days)}" if future else f"il y a {_days(-days)}"
    if op in ends:
        return f"{stem} {ends[op]}"
    beyond = (op == "gt") == future
    amount = f"{'plus' if beyond else 'moins'} de {_days(abs(days))}"
    return f"dans {amount}" if future else f"il y a {amount}"


def _between_words(low: Any, high: Any) -> str:
    if not isinstance(low, dict) or not isinstance(high, dict):
        return f"entre {_point(low)} et {_point(high)}"
    first, last = low["days"], high["days"]
    if first == last:
        return _relative_words("eq", first)
    if first == 0 and last > 0:
        return f"dans les {_days(last)} à venir"
    if last == 0:
        return f"dans les {_days(-first)} passés"
    if first > 0:
        return f"dans {first} à {_days(last)}"
    if last < 0:
        return f"il y a {-last} à {_days(-first)}"
    return f"entre {_point(low)} et {_point(high)}"


def _point(value: Any) -> str:
    if not isinstance(value, dict):
        return f"le {_day(value)}"
    days = value["days"]
    if days == 0:
        return "aujourd’hui"
    return f"dans {_days(days)}" if days > 0 else f"il y a {_days(-days)}"
