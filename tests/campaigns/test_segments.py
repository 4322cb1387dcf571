"""The compiler and a naive evaluator written from the definitions must select the same people."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.known_criteria import load_catalogue
from campaigns.models import Allocataire, ContactFact, ExtraAttribute
from campaigns.rules.criteria import InvalidCriteria, check
from campaigns.segments import count_matching, explain_criteria, matching, years_before
from tests.campaigns.criteria_oracle import age_on, meets
from tests.factories import (
    allocataire_values,
    make_allocataire,
    make_campaign,
    make_commune,
    make_epci,
    make_list,
    make_segment,
)

TODAY = date(2028, 2, 29)  # a leap day: birthdays on it are where age bounds go wrong
COMMUNES = ("66136", "66008", "01053")
PEOPLE = ("RSA", "PPA", "AAH", "APL")

pytestmark = pytest.mark.django_db


def select(criteria: dict[str, Any], today: date = TODAY) -> set[int]:
    return set(matching(criteria, today=today).values_list("pk", flat=True))


def leaf(field: str, op: str, *value: object) -> dict[str, Any]:
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


@pytest.fixture
def local_facts() -> None:
    """Three communes in two EPCI, and one extra attribute of each type (one named by digits, one with underscores)."""
    for code, epci in zip(COMMUNES, ("200027183", "200027183", "200071751"), strict=True):
        make_commune(code, code, epci=make_epci(epci, epci))
    for code, kind in (("12", "NOMBRE"), ("liste__date__lte", "OUI_NON"), ("word", "TEXTE"), ("on", "DATE")):
        ExtraAttribute.objects.create(code=code, label=code, type=kind)


# --- Random people, random trees ------------------------------------------------------------------

days = st.integers(-400, 400)
near = st.one_of(st.none(), days.map(lambda n: TODAY + timedelta(days=n)))
births = st.one_of(
    st.none(),
    st.integers(16 * 365, 40 * 365).map(lambda n: TODAY - timedelta(days=n)),
    st.tuples(st.integers(16, 40), st.integers(-2, 2)).map(lambda p: years_before(TODAY, p[0]) + timedelta(days=p[1])),
)
extras = st.fixed_dictionaries(
    {},
    optional={
        "12": st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 1.5])),
        "liste__date__lte": st.booleans(),
        "word": st.sampled_from(["a", "b", "50 %", ""]),
        "on": days.map(lambda n: (TODAY + timedelta(days=n)).isoformat()),
    },
)
people = st.fixed_dictionaries(
    {
        "born_on": births,
        "family_situation": st.sampled_from(["", "CELIBATAIRE", "SEPARE", "MARIE", "VIE_MARITALE"]),
        "children_count": st.integers(0, 4),
        "children_born_on": st.lists(st.integers(-200, 20 * 365).map(lambda n: TODAY - timedelta(days=n)), max_size=3),
        "commune_id": st.one_of(st.none(), st.sampled_from(COMMUNES)),
        "mobile": st.sampled_from(["", "+33600000000"]),
        "prestations": st.dictionaries(
            st.sampled_from(PEOPLE), days.map(lambda n: (TODAY + timedelta(days=n)).isoformat()), max_size=3
        ),
        "dtr_due_on": near,
        "dtr_received_on": near,
        "is_scholar": st.booleans(),
        "extra": extras,
    }
)

moments = st.one_of(days.map(lambda n: {"days": n}), days.map(lambda n: (TODAY + timedelta(days=n)).isoformat()))
comparisons = st.sampled_from(["eq", "gte", "lte", "gt", "lt"])


def ordered(fields: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    one = st.builds(leaf, st.sampled_from(fields), comparisons, values)
    two = st.builds(leaf, st.sampled_from(fields), st.just("between"), st.lists(values, min_size=2, max_size=2))
    return one | two


def named(fields: list[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    one = st.builds(leaf, st.sampled_from(fields), st.sampled_from(["eq", "ne"]), values)
    many = st.builds(
        leaf, st.sampled_from(fields), st.sampled_from(["in", "not_in"]), st.lists(values, min_size=1, max_size=2)
    )
    return one | many | st.builds(leaf, st.sampled_from(fields), st.sampled_from(["is_set", "is_not_set"]))


DATES = ["dtr_due_on", "dtr_received_on", "prestation_since.RSA", "extra.on"]
leaf_nodes = st.one_of(
    ordered(["age"], st.integers(15, 41)),
    ordered(["child_age"], st.integers(0, 20)),
    ordered(["children_count", "extra.12"], st.integers(-1, 4)),
    ordered(DATES, moments),
    st.builds(leaf, st.sampled_from(DATES), st.sampled_from(["is_set", "is_not_set"])),
    named(["family_situation"], st.sampled_from(["CELIBATAIRE", "SEPARE", "MARIE"])),
    named(["commune"], st.sampled_from(COMMUNES)),
    named(["epci"], st.sampled_from(["200027183", "200071751"])),
    named(["department"], st.sampled_from(["66", "01"])),
    named(["extra.word"], st.sampled_from(["a", "b", "50 %"])),
    st.builds(
        leaf,
        st.sampled_from(["isolated", "has_mobile", "dtr_missing", "is_scholar", "extra.liste__date__lte"]),
        st.just("eq"),
        st.booleans(),
    ),
    st.builds(leaf, st.just("prestation"), st.sampled_from(["has", "has_not"]), st.sampled_from(PEOPLE)),
    st.builds(
        leaf,
        st.just("prestation"),
        st.sampled_from(["has_any", "has_none"]),
        st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3),
    ),
)
trees = st.recursive(
    leaf_nodes,
    lambda inner: st.one_of(
        st.builds(lambda nodes: {"all": nodes}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda nodes: {"any": nodes}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda node: {"not": node}, inner),
    ),
    max_leaves=8,
)


@pytest.mark.usefixtures("local_facts")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(people, min_size=1, max_size=12), st.lists(trees, min_size=1, max_size=6))
def test_compiled_query_and_naive_evaluator_agree(rows: list[dict[str, Any]], criteria: list[dict[str, Any]]) -> None:
    Allocataire.objects.all().delete()
    Allocataire.objects.bulk_create(
        Allocataire(**{k: v for k, v in allocataire_values(**row).items() if k != "commune"}) for row in rows
    )
    everybody = list(Allocataire.objects.select_related("commune"))
    catalogue = load_catalogue()
    for tree in criteria:
        if check(tree, catalogue):
            continue
        expected = {person.pk for person in everybody if meets(tree, person, TODAY)}
        assert select(tree) == expected, tree
        assert explain_criteria(tree)


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 110))
def test_age_bound_is_the_birthday(today: date, years: int) -> None:
    """The last birth date of those who are ``years`` old: one day later is a year younger."""
    if today.year - years < 1:
        return
    last = years_before(today, years)
    assert age_on(last, today) == years
    assert age_on(last + timedelta(days=1), today) == years - 1


# --- Chosen cases ---------------------------------------------------------------------------------


def test_isolated_young_parents_without_ppa() -> None:
    young = make_allocataire(born_on=date(1998, 3, 4), family_situation="SEPARE", children_count=2, prestations={})
    make_allocataire(born_on=date(1997, 2, 28), family_situation="SEPARE", children_count=2, prestations={})
    make_allocataire(born_on=date(1999, 1, 1), family_situation="MARIE", children_count=2, prestations={})
    make_allocataire(born_on=date(1999, 1, 1), prestations={"PPA": "2024-01-01"})
    criteria = {
        "all": [
            leaf("isolated", "eq", True),
            leaf("age", "lte", 30),
            leaf("children_count", "gte", 1),
            leaf("prestation", "has_not", "PPA"),
            leaf("epci", "eq", "200027183"),
        ]
    }
    assert select(criteria) == {young.pk}
    assert count_matching(criteria, today=TODAY) == 1
    assert explain_criteria(criteria) == (
        "Allocataires isolés, ayant 30 ans au plus, avec au moins 1 enfant à charge, sans prime d’activité, "
        "habitant Perpignan Méditerranée Métropole."
    )


def test_communes_are_named_in_the_sentence() -> None:
    make_allocataire()
    assert explain_criteria(leaf("commune", "in", ["66136", "99999"])) == "Allocataires habitant Perpignan ou 99999."


def test_every_field_and_operator_compiles_to_a_partition() -> None:
    make_allocataire()
    make_segment()
    make_list()
    samples = {
        "NUMBER": 1, "AGE": 30, "CHILD_AGE": 3, "DATE": {"days": -3}, "TEXT": "66136", "BOOLEAN": True,
        "PRESTATION": "RSA", "HISTORY": 30,
    }  # fmt: skip
    for field in load_catalogue().fields.values():
        for op in field.operators:
            sample = samples.get(field.type, field.choices[0][0] if field.choices else "x")
            if op in ("in", "not_in", "has_any", "has_none"):
                sample = [sample]
            if op == "between":
                sample = [sample, sample]
            node = leaf(field.code, op) if op in ("is_set", "is_not_set") else leaf(field.code, op, sample)
            assert len(select(node)) + len(select({"not": node})) == 1, (field.code, op)
            assert explain_criteria(node).endswith(".")


def test_contact_history_counts_what_was_not_released() -> None:
    campaign = make_campaign()
    old, recent, released, never = (make_allocataire() for _ in range(4))
    now = datetime(2028, 2, 29, 12, tzinfo=UTC)
    for number, (person, age, state) in enumerate(
        [(old, 40, "REMIS"), (recent, 29, "REMIS"), (released, 2, "LIBERE")], start=1
    ):
        ContactFact.objects.create(
            touch_ref=number, allocataire=person, campaign=campaign, plan_code="p1", theme="t1", channel="SMS",
            at=now - timedelta(days=age), state=state,
        )  # fmt: skip
    assert select(leaf("contacted_within_days", "within", 30)) == {recent.pk}
    assert select(leaf("contacted_within_days", "not_within", 30)) == {old.pk, released.pk, never.pk}
    assert select(leaf("contacted_within_days", "within", {"days": 60, "plan": "p1", "channel": "SMS"})) == {
        old.pk,
        recent.pk,
    }
    assert select(leaf("contacted_within_days", "within", {"days": 60, "theme": "other"})) == set()


def test_a_fact_of_another_shape_never_breaks_the_query() -> None:
    ExtraAttribute.objects.create(code="score", label="Score", type="NOMBRE")
    make_allocataire(extra={"score": "beaucoup"}, prestations={"RSA": None})
    assert select(leaf("extra.score", "gte", 1)) == set()
    assert select(leaf("prestation_since.RSA", "lte", {"days": 0})) == set()
    assert len(select(leaf("prestation", "has", "RSA"))) == 1


def test_values_are_parameters() -> None:
    make_allocataire()
    hostile = "'; DROP TABLE campaigns_allocataire; --"
    assert select(leaf("commune", "eq", hostile)) == set()
    ExtraAttribute.objects.create(code="word", label="Mot", type="TEXTE")
    sql, params = matching(leaf("extra.word", "eq", hostile), today=TODAY).query.sql_with_params()
    assert "DROP" not in sql
    assert hostile in params


def test_one_query_without_joins(django_assert_num_queries: Any) -> None:
    tree = {"all": [leaf("epci", "is_set"), leaf("department", "eq", "66"), leaf("contacted_within_days", "within", 9)]}
    people = matching(tree, today=TODAY)
    assert " JOIN " not in str(people.query)
    with django_assert_num_queries(1):
        list(people)


def test_unknown_field_is_refused_before_any_query() -> None:
    with pytest.raises(InvalidCriteria, match="n’existe pas"):
        matching(leaf("extra.gone", "eq", True), today=TODAY)


def test_a_child_to_be_born_has_no_age() -> None:
    make_allocataire(children_born_on=[TODAY + timedelta(days=1)])
    born = make_allocataire(children_born_on=[TODAY])
    assert select(leaf("child_age", "lt", 3)) == {born.pk}
    assert select(leaf("child_age", "eq", 0)) == {born.pk}


def test_a_dtr_received_before_it_opened_is_the_previous_one() -> None:
    due = TODAY + timedelta(days=10)
    previous = make_allocataire(dtr_due_on=due, dtr_received_on=due - timedelta(days=46))
    make_allocataire(dtr_due_on=due, dtr_received_on=due - timedelta(days=45))
    never = make_allocataire(dtr_due_on=due)
    make_allocataire(dtr_due_on=None)
    assert select(leaf("dtr_missing", "eq", True)) == {previous.pk, never.pk}
