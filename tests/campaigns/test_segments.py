"""The compiler and a naive evaluator written from the definitions must select the same people."""

from datetime import date

import pytest

from campaigns.segments import break_down, count_matching, explain_criteria, load_catalogue, matching
from tests.factories import make_allocataire

TODAY = date(2026, 3, 3)

pytestmark = pytest.mark.django_db


def select(criteria: dict) -> set[int]:
    return set(matching(criteria, today=TODAY).values_list("pk", flat=True))


def leaf(field: str, op: str, *value: object) -> dict:
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


def test_isolated_young_parents_without_ppa() -> None:
    young = make_allocataire(born_on=date(1996, 3, 4), family_situation="SEPARE", children_count=2, prestations={})
    make_allocataire(born_on=date(1995, 3, 2), family_situation="SEPARE", children_count=2, prestations={})
    make_allocataire(born_on=date(1999, 1, 1), family_situation="MARIE", children_count=2, prestations={})
    make_allocataire(born_on=date(1999, 1, 1), prestations={"PPA": "2024-01-01"})
    criteria = {
        "all": [
            leaf("isolated", "eq", True),
            leaf("age", "lte", 30),
            leaf("children_count", "gte", 1),
            leaf("prestation", "has_not", "PPA"),
        ]
    }
    assert select(criteria) == {young.pk}
    assert count_matching(criteria, today=TODAY) == 1
    assert explain_criteria(criteria) == (
        "Allocataires isolés, ayant 30 ans au plus, avec au moins 1 enfant à charge, sans prime d’activité."
    )


def test_every_field_and_operator_compiles() -> None:
    make_allocataire()
    samples = {
        "NUMBER": 1,
        "AGE": 30,
        "CHILD_AGE": 3,
        "DATE": {"days": -3},
        "TEXT": "66136",
        "BOOLEAN": True,
        "PRESTATION": "RSA",
        "HISTORY": 30,
    }
    for field in load_catalogue().fields.values():
        for op in field.operators:
            sample = samples.get(field.type, field.choices[0][0] if field.choices else "x")
            if op in ("in", "not_in", "has_any", "has_none"):
                sample = [sample]
            if op == "between":
                sample = [sample, sample]
            node = leaf(field.code, op) if op in ("is_set", "is_not_set") else leaf(field.code, op, sample)
            selected, others = select(node), select({"not": node})
            assert len(selected) + len(others) == 1, (field.code, op)
            assert explain_criteria(node).endswith(".")


def test_breakdown_counts_everybody_once() -> None:
    make_allocataire()
    make_allocataire(born_on=None, commune=None, family_situation="")
    parts = {part.title: dict(part.rows) for part in break_down({"not": leaf("age", "gte", 130)}, today=TODAY)}
    for title in ("EPCI", "Âge", "Situation familiale"):
        assert sum(parts[title].values()) == 2
        assert parts[title]["Non renseigné"] == 1
