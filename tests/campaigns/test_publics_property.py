"""Segments inside segments, lists, and what followed past contacts: the compiler against plain Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.known_criteria import load_catalogue
from campaigns.models import Allocataire, Campaign, ContactFact, ImportedList, ListEntry, Segment
from campaigns.rules.criteria import check
from campaigns.segments import explain_criteria, matching
from tests.campaigns.criteria_oracle import meets
from tests.campaigns.test_segments import leaf
from tests.factories import make_allocataire, make_campaign, make_list, make_segment

TODAY = date(2028, 2, 29)
NOON = datetime(2028, 2, 29, 11, tzinfo=UTC)
LISTS = ("ppa", "asf")
DELIVERED = ("REMIS", "REPONDU")

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class World:
    """What the plain evaluator knows: kept trees and lists by code, contacts by person."""

    segments: Mapping[str, Any]
    lists: Mapping[str, set[int]]
    facts: Mapping[int, list[dict[str, Any]]]


def judge(node: Mapping[str, Any], person: Allocataire, world: World) -> bool:
    if "all" in node:
        return all(judge(child, person, world) for child in node["all"])
    if "any" in node:
        return any(judge(child, person, world) for child in node["any"])
    if "not" in node:
        return not judge(node["not"], person, world)
    field, op, value = node["field"], node["op"], node["value"]
    if field == "segment":
        return any(judge(world.segments[code], person, world) for code in value) == (op == "in")
    if field == "list":
        return any(person.pk in world.lists[code] for code in value) == (op == "in")
    if field == "contacted_within_days":
        return any(answers(fact, value) for fact in world.facts.get(person.pk, [])) == (op == "within")
    return meets(node, person, TODAY)


def answers(fact: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    if fact["state"] == "LIBERE" or fact["age"] > value["days"] or value.get("plan", fact["plan"]) != fact["plan"]:
        return False
    match value.get("outcome"):
        case "REMIS":
            return fact["state"] in DELIVERED
        case "REPONDU":
            return bool(fact["answered"])
        case "REGULARISE":
            return bool(fact["settled"])
    return True


people = st.fixed_dictionaries(
    {
        "children_count": st.integers(0, 2),
        "lists": st.sets(st.sampled_from(LISTS)),
        "facts": st.lists(
            st.fixed_dictionaries(
                {
                    "age": st.integers(0, 40),
                    "plan": st.sampled_from(["p1", "p2"]),
                    "state": st.sampled_from(["RESERVE", "REMIS_OPERATEUR", "REMIS", "REPONDU", "LIBERE"]),
                    "answered": st.booleans(),
                    "settled": st.booleans(),
                }
            ),
            max_size=3,
        ),
    }
)
history = st.builds(
    lambda op, days, more: leaf("contacted_within_days", op, {"days": days, **more}),
    st.sampled_from(["within", "not_within"]),
    st.integers(1, 40),
    st.fixed_dictionaries(
        {},
        optional={
            "plan": st.sampled_from(["p1", "p2"]),
            "outcome": st.sampled_from(["REMIS", "REPONDU", "REGULARISE"]),
        },
    ),
)
memberships = st.sampled_from(["in", "not_in"])
facts = st.one_of(
    st.builds(leaf, st.just("children_count"), st.sampled_from(["eq", "gte"]), st.integers(0, 2)),
    st.builds(leaf, st.just("list"), memberships, st.lists(st.sampled_from(LISTS), min_size=1, max_size=2)),
    history,
)


def trees(leaves: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda nodes: {"all": nodes}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda nodes: {"any": nodes}, st.lists(inner, min_size=1, max_size=3)),
            st.builds(lambda node: {"not": node}, inner),
        ),
        max_leaves=5,
    )


def naming(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Criteria of which some name segments, by places that become numbers once the segments are kept."""
    codes = st.lists(st.sampled_from(names), min_size=1, max_size=2)
    return trees(st.one_of(facts, st.builds(leaf, st.just("segment"), memberships, codes)))


def numbered(node: Any, numbers: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [numbered(each, numbers) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("field") == "segment":
        return {**node, "value": [numbers[name] for name in node["value"]]}
    return {key: numbered(value, numbers) for key, value in node.items()}


def settle(rows: list[dict[str, Any]], campaign: Campaign, trees_by_name: Mapping[str, Any]) -> World:
    for model in (ContactFact, ListEntry, Allocataire, ImportedList):
        model.objects.all().delete()
    Segment.objects.exclude(pk=campaign.segment_id).delete()
    persons = [(make_allocataire(children_count=row["children_count"]), row) for row in rows]
    lists = {code: [person for person, row in persons if code in row["lists"]] for code in LISTS}
    for code, on in lists.items():
        make_list(*on, code=code)
    ContactFact.objects.bulk_create(
        ContactFact(
            touch_ref=number, allocataire=person, campaign=campaign, plan_code=fact["plan"], theme="t", channel="SMS",
            at=NOON - timedelta(days=fact["age"]), state=fact["state"],
            answered_at=NOON if fact["answered"] else None, settled_on=TODAY if fact["settled"] else None,
        )
        for number, (person, fact) in enumerate(((p, f) for p, row in persons for f in row["facts"]), start=1)
    )  # fmt: skip
    kept: dict[str, Any] = {}
    numbers: dict[str, str] = {}
    for name, tree in trees_by_name.items():
        segment = make_segment(numbered(tree, numbers), name=name)
        numbers[name] = str(segment.pk)
        kept[numbers[name]] = segment.criteria
    facts_of = {person.pk: row["facts"] for person, row in persons}
    return World(kept, {code: {p.pk for p in on} for code, on in lists.items()}, facts_of)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(people, min_size=1, max_size=8), trees(facts), naming("A"), st.lists(naming("A", "B"), max_size=4))
def test_compiled_publics_and_plain_python_agree(
    rows: list[dict[str, Any]], first: dict[str, Any], second: dict[str, Any], others: list[dict[str, Any]]
) -> None:
    campaign = Campaign.objects.first() or make_campaign()
    world = settle(rows, campaign, {"A": first, "B": second})
    numbers = dict(Segment.objects.values_list("name", "pk"))
    everybody = list(Allocataire.objects.all())
    catalogue = load_catalogue()
    for tree in [first, *(numbered(each, {name: str(pk) for name, pk in numbers.items()}) for each in others)]:
        problems = check(tree, catalogue)
        if problems:
            assert all("contredisent" in problem for problem in problems), problems
            continue
        expected = {person.pk for person in everybody if judge(tree, person, world)}
        assert set(matching(tree, today=TODAY).values_list("pk", flat=True)) == expected, tree
        assert explain_criteria(tree)
