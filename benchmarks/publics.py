"""The publics that measures count, freeze and contact."""

from typing import Any


def leaf(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


ISOLATED, NO_PPA = leaf("isolated", "eq", True), leaf("prestation", "has_not", "PPA")
FIVE = {"all": [ISOLATED, leaf("age", "between", [25, 50]), leaf("children_count", "gte", 1), NO_PPA,
                leaf("has_mobile", "eq", True)]}  # fmt: skip
IN_EPCI = {"all": [*FIVE["all"][:4], leaf("epci", "eq", "200027183")]}
EVERYBODY = leaf("children_count", "gte", 0)
LARGE = {"all": [ISOLATED, NO_PPA]}


def unseen(days: int, criteria: dict[str, Any] = FIVE) -> dict[str, Any]:
    return {"all": [criteria, leaf("contacted_within_days", "not_within", days)]}


SEGMENTS = [FIVE, IN_EPCI, LARGE, unseen(30), leaf("dtr_missing", "eq", True)]
