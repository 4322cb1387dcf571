"""What a criteria tree may be, what is said of it when it is wrong, and how it reads in French."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules.criteria import (
    BUILTIN_FIELDS,
    Catalogue,
    InvalidCriteria,
    check,
    check_or_refuse,
    explain,
    is_sensitive,
)
from campaigns.rules.criteria_catalogue import OPERATOR_LABELS, OPERATORS, extra_field

CATALOGUE = Catalogue(BUILTIN_FIELDS).extended(
    [
        extra_field(code="ciblage_ppa", label="Liste PPA", kind="OUI_NON", origin="Cnaf"),
        extra_field(code="score", label="Indicateur", kind="NOMBRE"),
        extra_field(code="origine", label="Pays", kind="TEXTE", is_sensitive=True),
    ]
)


def leaf(field: str, op: str, *value: object) -> dict[str, Any]:
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


AGE = leaf("age", "lte", 30)


def deep(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = AGE
    for _ in range(levels):
        node = {"not": node}
    return node


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ([], "doivent être un objet JSON"),
        ("age", "pas un texte"),
        (None, "pas rien"),
        ({}, "aucune clé"),
        ({"all": []}, "groupe vide"),
        ({"all": {}}, "attend une liste"),
        ({"all": [AGE], "any": [AGE]}, "un seul de"),
        ({"all": [AGE, 3]}, "2ᵉ critère du groupe principal : un objet JSON est attendu"),
        ({"all": [AGE, {"any": [AGE, leaf("taille", "eq", 1)]}]}, "2ᵉ critère du 2ᵉ groupe du groupe principal"),
        (leaf("taille", "eq", 1), "« taille » n’existe pas"),
        ({"field": ["age"], "op": "eq", "value": 1}, "n’existe pas"),
        (leaf("age", "has", 1), "l’opérateur « has » ne s’applique pas"),
        ({"field": "age"}, "l’opérateur « None »"),
        ({"field": "age", "op": ["eq"], "value": 1}, "ne s’applique pas"),
        (leaf("age", "eq"), "une valeur est attendue"),
        (leaf("age", "eq", "30"), "un nombre est attendu, pas un texte"),
        (leaf("age", "eq", True), "un nombre est attendu, pas un oui/non"),
        (leaf("age", "eq", 30.5), "un âge entier"),
        (leaf("age", "eq", -1), "un âge entier de 0 à 130"),
        (leaf("age", "eq", float("nan")), "nombre hors limites"),
        (leaf("age", "between", [30]), "deux valeurs"),
        (leaf("age", "between", [40, 30]), "la première borne dépasse"),
        (leaf("dtr_due_on", "between", [{"days": 10}, {"days": 3}]), "la première borne dépasse"),
        (leaf("dtr_due_on", "gte", "31/12/2025"), "une date (AAAA-MM-JJ)"),
        (leaf("dtr_due_on", "gte", "2025-02-30"), "n’existe pas"),
        (leaf("dtr_due_on", "gte", {"weeks": 1}), '{"days": -10}'),
        (leaf("dtr_due_on", "gte", {"days": 10**9}), '{"days": -10}'),
        (leaf("dtr_due_on", "is_set", 1), "n’attend pas de valeur"),
        (leaf("housing", "eq", "CHATEAU"), "valeur inconnue « CHATEAU »"),
        (leaf("housing", "in", []), "au moins une valeur"),
        (leaf("housing", "in", "LOCATAIRE"), "une liste"),
        (leaf("housing", "in", ["LOCATAIRE", 3]), "un texte est attendu"),
        (leaf("isolated", "eq", 1), "oui ou non"),
        (leaf("prestation", "has", "XYZ"), "valeur inconnue"),
        (leaf("commune", "eq", "a\x00"), "caractère"),
        (leaf("contacted_within_days", "within", 0), "nombre de jours"),
        (leaf("contacted_within_days", "within", {"days": 3, "who": "x"}), "seuls"),
        (leaf("contacted_within_days", "within", {"days": 3, "channel": "PIGEON"}), "canal inconnu"),
        ({**AGE, "valeur": 2}, "clé inattendue : valeur"),
        (deep(8), "imbriqués sur plus de 8"),
        (deep(5000), "imbriqués sur plus de 8"),
        ({"any": [AGE] * 100}, "plus de 100"),
        ({"any": [{"any": [AGE] * 60}] * 2}, "plus de 100"),
    ],
)
def test_problems_are_said(tree: object, said: str) -> None:
    problems = check(tree, CATALOGUE)
    assert any(said in problem for problem in problems), problems


def test_limits_are_reached_not_crossed() -> None:
    assert check(deep(7), CATALOGUE) == []
    assert check({"any": [AGE] * 99}, CATALOGUE) == []


@pytest.mark.parametrize(
    "nodes",
    [
        [leaf("age", "gte", 40), leaf("age", "lte", 20)],
        [leaf("age", "gt", 30), leaf("age", "eq", 30)],
        [leaf("dtr_due_on", "gte", {"days": 10}), leaf("dtr_due_on", "lt", {"days": 10})],
        [leaf("dtr_due_on", "between", ["2025-01-01", "2025-02-01"]), leaf("dtr_due_on", "gt", "2025-03-01")],
        [leaf("housing", "eq", "LOCATAIRE"), leaf("housing", "eq", "HEBERGE")],
        [leaf("housing", "in", ["LOCATAIRE"]), leaf("housing", "not_in", ["LOCATAIRE", "HEBERGE"])],
        [leaf("isolated", "eq", True), leaf("isolated", "eq", False)],
        [leaf("prestation", "has", "RSA"), leaf("prestation", "has_none", ["RSA", "PPA"])],
        [leaf("prestation", "has_any", ["RSA", "PPA"]), leaf("prestation", "has_none", ["RSA", "PPA"])],
        [leaf("dtr_due_on", "is_not_set"), leaf("dtr_due_on", "gte", {"days": 0})],
    ],
)
def test_contradictions_are_said(nodes: list[dict[str, Any]]) -> None:
    assert "se contredisent" in " ".join(check({"all": nodes}, CATALOGUE))
    assert check({"any": nodes}, CATALOGUE) == []


@pytest.mark.parametrize(
    "nodes",
    [
        [leaf("age", "gte", 20), leaf("age", "lte", 20)],
        [leaf("child_age", "eq", 3), leaf("child_age", "eq", 15)],
        [leaf("dtr_due_on", "gte", {"days": 0}), leaf("dtr_due_on", "lte", "2020-01-01")],
        [leaf("prestation", "has", "RSA"), leaf("prestation", "has_not", "PPA")],
        [leaf("contacted_within_days", "within", 90), leaf("contacted_within_days", "not_within", 30)],
        [leaf("prestation", "has_any", ["RSA", "PPA"]), leaf("prestation", "has_not", "PPA")],
    ],
)
def test_what_can_be_met_is_not_called_contradictory(nodes: list[dict[str, Any]]) -> None:
    assert check({"all": nodes}, CATALOGUE) == []


def test_every_problem_is_reported_at_once() -> None:
    problems = check({"all": [leaf("a", "eq", 1), leaf("b", "eq", 1), {"any": []}]}, CATALOGUE)
    assert len(problems) == 3
    with pytest.raises(InvalidCriteria) as refused:
        check_or_refuse({"all": [leaf("a", "eq", 1), leaf("b", "eq", 1)]}, CATALOGUE)
    assert len(refused.value.errors) == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["all", "any", "not", "field", "op", "value", "days", "x"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)
near_leaves = st.fixed_dictionaries(
    {"field": st.sampled_from(sorted(CATALOGUE.fields)), "op": st.sampled_from(sorted(OPERATOR_LABELS))},
    optional={"value": json_values | st.lists(st.integers(0, 90), max_size=2) | st.booleans()},
)


@given(json_values | near_leaves | st.builds(lambda nodes: {"all": nodes}, st.lists(near_leaves, max_size=4)))
def test_no_json_breaks_check_and_what_passes_can_be_said(tree: Any) -> None:
    if not check(tree, CATALOGUE):
        assert explain(tree, CATALOGUE).endswith(".")
        is_sensitive(tree, CATALOGUE)


@pytest.mark.parametrize(
    ("tree", "sensitive"),
    [
        (AGE, False),
        (leaf("prestation", "has", "RSA"), False),
        (leaf("prestation", "has", "AAH"), True),
        ({"any": [AGE, {"not": leaf("prestation", "has_any", ["RSA", "AEEH"])}]}, True),
        (leaf("prestation_since.AAH", "gte", {"days": -30}), True),
        (leaf("residence_permit_ends_on", "is_set"), True),
        (leaf("extra.origine", "eq", "x"), True),
        (leaf("extra.ciblage_ppa", "eq", True), False),
    ],
)
def test_sensitive_criteria(tree: dict[str, Any], sensitive: bool) -> None:
    assert is_sensitive(tree, CATALOGUE) is sensitive


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        (leaf("children_count", "eq", 0), "sans enfant à charge"),
        (leaf("children_count", "gte", 2), "avec au moins 2 enfants à charge"),
        (leaf("child_age", "lt", 3), "avec au moins un enfant de moins de 3 ans"),
        (leaf("prestation", "has", "ASF"), "percevant l’ASF"),
        (leaf("prestation", "has_none", ["PPA", "RSA"]), "sans prime d’activité ni RSA"),
        (leaf("housing", "ne", "LOCATAIRE"), "dont le statut d’occupation n’est pas locataire"),
        (leaf("dtr_due_on", "between", [{"days": 3}, {"days": 10}]), "dont la DTR est attendue dans 3 à 10 jours"),
        (leaf("dar_due_on", "between", [{"days": 0}, {"days": 9}]),
         "dont la déclaration annuelle est attendue dans les 9 jours à venir"),
        (leaf("dtr_due_on", "eq", {"days": 1}), "dont la DTR est attendue dans 1 jour exactement"),
        (leaf("dtr_received_on", "lte", {"days": -90}), "dont la DTR a été reçue il y a 90 jours ou plus"),
        (leaf("dtr_received_on", "gt", {"days": -90}), "dont la DTR a été reçue il y a moins de 90 jours"),
        (leaf("separated_on", "gte", "2025-03-01"), "séparés à partir du 01/03/2025"),
        (leaf("contacted_within_days", "not_within", 180), "pas contactés depuis 180 jours"),
        (leaf("extra.score", "between", [1, 2.5]), "dont « Indicateur » est entre 1 et 2,5"),
        ({"not": leaf("isolated", "eq", True)}, "à l’exclusion de ceux qui sont isolés"),
        ({"all": [AGE, {"any": [leaf("isolated", "eq", True), leaf("is_scholar", "eq", True)]}]},
         "ayant 30 ans au plus, (isolés ou boursiers)"),
    ],
)  # fmt: skip
def test_french(tree: dict[str, Any], sentence: str) -> None:
    assert check(tree, CATALOGUE) == []
    assert explain(tree, CATALOGUE).replace("\N{NO-BREAK SPACE}", " ") == f"Allocataires {sentence}."


def test_every_field_can_be_shown_by_a_builder() -> None:
    assert {op for ops in OPERATORS.values() for op in ops} == OPERATOR_LABELS.keys()
    for group, fields in CATALOGUE.groups().items():
        assert group
        assert all(field.label and field.operators and field.widget for field in fields)


@pytest.mark.parametrize(
    "leaf",
    [
        {"field": "commune", "op": "in", "value": ["66136", "\ud800"]},
        {"field": "\udfff", "op": "eq", "value": 1},
        {"field": "age", "op": "\ud800", "value": 1},
        {"field": "contacted_within_days", "op": "within", "value": {"days": 5, "plan": "a\x00b"}},
        {"field": "contacted_within_days", "op": "within", "value": {"days": 5, "theme": "\ud800"}},
        {"field": "age", "op": "eq", "value": 3, "\ud800": 1},
    ],
)
def test_what_no_database_nor_page_can_write_is_refused_in_words_that_can(leaf: dict[str, Any]) -> None:
    (problem,) = check({"all": [leaf]}, CATALOGUE)
    assert "caractère" in problem
    problem.encode()
