"""Criteria decided in plain Python, person by person, from their definitions: what the compiler is judged against."""

from collections.abc import Mapping
from datetime import date, timedelta
from operator import eq, ge, gt, le, lt
from typing import Any

from campaigns.models import Allocataire

ORDER = {"eq": eq, "gte": ge, "lte": le, "gt": gt, "lt": lt}
ISOLATED = {"CELIBATAIRE", "SEPARE", "DIVORCE", "VEUF"}


def meets(node: Mapping[str, Any], person: Allocataire, today: date) -> bool:
    if "all" in node:
        return all(meets(child, person, today) for child in node["all"])
    if "any" in node:
        return any(meets(child, person, today) for child in node["any"])
    if "not" in node:
        return not meets(node["not"], person, today)
    return _leaf(node["field"], node["op"], node.get("value"), person, today)


def _leaf(field: str, op: str, value: Any, person: Allocataire, today: date) -> bool:
    if op in ("has", "has_not", "has_any", "has_none"):
        values = value if isinstance(value, list) else [value]
        return any(code in person.prestations for code in values) == (op in ("has", "has_any"))
    if field == "child_age":
        ages = [age_on(born, today) for born in person.children_born_on if born <= today]
        return any(_ordered(op, age, value) for age in ages)
    fact = _fact(field, person, today)
    if op in ("is_set", "is_not_set"):
        return (fact not in (None, "")) == (op == "is_set")
    if op in ("ne", "not_in"):
        return not _leaf(field, "eq" if op == "ne" else "in", value, person, today)
    if op == "in":
        return fact in value
    if isinstance(value, bool):
        return bool(fact) == value
    return fact is not None and _ordered(op, fact, _resolve(value, today) if isinstance(fact, date) else value)


def _ordered(op: str, fact: Any, value: Any) -> bool:
    if op == "between":
        return value[0] <= fact <= value[1]
    return ORDER[op](fact, value)


def _resolve(value: Any, today: date) -> Any:
    if isinstance(value, list):
        return [_resolve(each, today) for each in value]
    return today + timedelta(days=value["days"]) if isinstance(value, dict) else date.fromisoformat(value)


def _fact(field: str, person: Allocataire, today: date) -> Any:
    if field == "age":
        return age_on(person.born_on, today) if person.born_on else None
    if field == "isolated":
        return person.family_situation in ISOLATED
    if field == "has_mobile":
        return person.mobile != ""
    if field == "dtr_missing":
        return person.dtr_due_on is not None and (
            person.dtr_received_on is None or (person.dtr_due_on - person.dtr_received_on).days > 45
        )
    if field in ("commune", "epci", "department"):
        return _territory(field, person)
    if field.startswith("prestation_since."):
        since = person.prestations.get(field.partition(".")[2])
        return date.fromisoformat(since) if since else None
    if field.startswith("extra."):
        fact = person.extra.get(field.removeprefix("extra."))
        return date.fromisoformat(fact) if field == "extra.on" and fact else fact
    return getattr(person, field)


def _territory(field: str, person: Allocataire) -> Any:
    if person.commune is None:
        return None
    return {"commune": person.commune.code, "epci": person.commune.epci_id, "department": person.commune.department}[
        field
    ]


def age_on(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
