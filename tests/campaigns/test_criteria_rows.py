"""The builder's rows and the tree say the same, both ways; what rows cannot say stays JSON."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.plan_catalogue import CATALOGUE as SHIPPED
from campaigns.rules.criteria import BUILTIN_FIELDS, Catalogue, check
from campaigns.rules.criteria_catalogue import extra_field
from campaigns.rules.criteria_rows import (
    EMPTY,
    NOTHING,
    Blocks,
    Row,
    apply_action,
    find_problems,
    read_blocks,
    read_form,
    write_tree,
)

EPCI = replace(BUILTIN_FIELDS["epci"], choices=(("200027183", "Perpignan"), ("200071751", "Bourg")))
CATALOGUE = Catalogue(BUILTIN_FIELDS).extended(
    [EPCI, extra_field(code="score", label="Score", kind="NOMBRE"), extra_field(code="word", label="Mot", kind="TEXTE")]
)
TODAY = date(2026, 3, 1)


def leaf(field: str, op: str, *value: object) -> dict[str, Any]:
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


YOUNG, PARENT = leaf("age", "lte", 30), leaf("children_count", "gte", 1)
WITHOUT_PPA = leaf("prestation", "has_not", "PPA")


# --- Any valid criterion: written, read, written again ----------------------------------------------

moments = st.one_of(
    st.integers(-400, 400).map(lambda n: {"days": n}),
    st.integers(-400, 400).map(lambda n: (TODAY + timedelta(days=n)).isoformat()),
)
numbers = st.one_of(st.integers(-9, 99), st.sampled_from([0.5, 1.25, -3.75]))
texts = st.sampled_from(["a", "deux mots", "50 %", "été", "66136"])
histories = st.one_of(
    st.integers(1, 900),
    st.fixed_dictionaries(
        {"days": st.integers(1, 900)},
        optional={
            "plan": st.just("vie-maritale-30"),
            "theme": st.just("dtr"),
            "channel": st.sampled_from(["SMS", "CALL"]),
        },
    ),
)


def valued(field: str, ops: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(leaf, st.just(field), st.sampled_from(ops), values)


def ordered(field: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    pairs = st.lists(values, min_size=2, max_size=2)
    return valued(field, ["eq", "gte", "lte", "gt", "lt"], values) | valued(field, ["between"], pairs)


def named(field: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    many = st.lists(values, min_size=1, max_size=3)
    return valued(field, ["eq", "ne"], values) | valued(field, ["in", "not_in"], many)


criteria = st.one_of(
    ordered("age", st.integers(0, 99)),
    ordered("extra.score", numbers),
    ordered("dtr_due_on", moments),
    st.builds(leaf, st.just("dtr_due_on"), st.sampled_from(["is_set", "is_not_set"])),
    named("family_situation", st.sampled_from(["CELIBATAIRE", "MARIE"])),
    named("epci", st.sampled_from(["200027183", "200071751"])),
    named("extra.word", texts),
    valued("isolated", ["eq"], st.booleans()),
    valued("prestation", ["has", "has_not"], st.sampled_from(["RSA", "PPA"])),
    valued("prestation", ["has_any", "has_none"], st.lists(st.sampled_from(["RSA", "PPA"]), min_size=1, max_size=2)),
    valued("contacted_within_days", ["within", "not_within"], histories),
)
rows = criteria | criteria.map(lambda each: {"not": each})
conjunctions = st.lists(rows, min_size=1, max_size=4).map(lambda nodes: {"all": nodes})
shown_trees = conjunctions | st.lists(conjunctions, min_size=2, max_size=3).map(lambda groups: {"any": groups})
trees = st.recursive(
    rows,
    lambda nodes: st.one_of(
        st.lists(nodes, min_size=1, max_size=3).map(lambda n: {"all": n}),
        st.lists(nodes, min_size=1, max_size=3).map(lambda n: {"any": n}),
        nodes.map(lambda n: {"not": n}),
    ),
    max_leaves=8,
)


def truth(node: dict[str, Any], facts: dict[str, bool]) -> bool:
    """The meaning of a tree when each distinct criterion is just true or false."""
    if "all" in node:
        return all(truth(child, facts) for child in node["all"])
    if "any" in node:
        return any(truth(child, facts) for child in node["any"])
    if "not" in node:
        return not truth(node["not"], facts)
    return facts[json.dumps(node, sort_keys=True)]


def plain(node: dict[str, Any]) -> dict[str, Any]:
    """« {"days": 3} » alone means 3."""
    text = json.dumps(node)
    for days in range(1, 901):
        text = text.replace(f'not_within", "value": {{"days": {days}}}', f'not_within", "value": {days}')
        text = text.replace(f'"within", "value": {{"days": {days}}}', f'"within", "value": {days}')
    return json.loads(text)


def found_leaves(node: dict[str, Any]) -> set[str]:
    children = [*node.get("all", ()), *node.get("any", ()), *([node["not"]] if "not" in node else [])]
    own = {json.dumps(node, sort_keys=True)} if "field" in node else set()
    return own.union(*(found_leaves(child) for child in children))


@given(shown_trees)
def test_rows_of_blocks_come_back_as_they_were(tree: dict[str, Any]) -> None:
    blocks = read_blocks(tree, CATALOGUE)
    assert blocks is not None
    assert write_tree(blocks, CATALOGUE) == plain(tree)


@given(trees, st.data())
def test_whatever_rows_show_means_what_the_tree_means(tree: dict[str, Any], data: st.DataObject) -> None:
    blocks = read_blocks(tree, CATALOGUE)
    if blocks is None:
        return
    tree, written = plain(tree), write_tree(blocks, CATALOGUE)
    names = sorted(found_leaves(tree))
    assert found_leaves(written) == set(names)
    facts = {name: data.draw(st.booleans(), label=name) for name in names}
    assert truth(written, facts) == truth(tree, facts)


@given(trees)
def test_problems_are_found_beside_rows_when_check_finds_some(tree: dict[str, Any]) -> None:
    blocks = read_blocks(tree, CATALOGUE)
    if blocks is not None:
        assert bool(find_problems(blocks, CATALOGUE)) == bool(check(write_tree(blocks, CATALOGUE), CATALOGUE))


def posted(blocks: Blocks) -> dict[str, list[str]]:
    """What a browser would post for these rows."""
    data: dict[str, list[str]] = {}
    for i, block in enumerate(blocks):
        for j, row in enumerate(block):
            place = f"row-{i}-{j}-"
            data |= {place + "was": [row.fact], place + "field": [row.fact], place + "op": [row.op]}
            data |= {place + "not": ["1"]} if row.negated else {}
            data |= {place + name: list(values) for name, values in row.parts.items()}
    return data


@given(shown_trees)
def test_the_form_gives_the_rows_back(tree: dict[str, Any]) -> None:
    blocks = read_blocks(tree, CATALOGUE)
    assert blocks is not None
    assert read_form(posted(blocks), CATALOGUE) == blocks


# --- What agents meet -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((SHIPPED / "plans").glob("*.json")), ids=lambda path: path.stem)
def test_shipped_plans_can_be_shown_in_rows(path: Any) -> None:
    criteria = json.loads(path.read_text("utf-8"))["criteria"]
    assert read_blocks(criteria, CATALOGUE) is not None


@pytest.mark.parametrize(
    "tree",
    [
        {"all": [YOUNG, {"any": [PARENT, WITHOUT_PPA]}]},
        {"not": {"any": [{"all": [YOUNG, PARENT]}, {"all": [YOUNG, WITHOUT_PPA]}]}},
        leaf("extra.word", "eq", " espaces "),
        leaf("age", "lte", "trente"),
        leaf("age", "between", [1]),
        {**YOUNG, "note": "de trop"},
        {"all": []},
        {"all": "tout"},
        {},
        [],
        None,
        {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": {"not": YOUNG}}}}}}}}},
    ],
    ids=str,
)
def test_what_rows_cannot_say_is_left_to_json(tree: object) -> None:
    blocks = read_blocks(tree, CATALOGUE)
    assert blocks is None or write_tree(blocks, CATALOGUE) == {"all": [tree]}


def test_a_criterion_that_was_removed_stays_as_it_was_and_is_said() -> None:
    gone = leaf("extra.disparu", "in", ["a", {"b": 1}])
    blocks = read_blocks({"all": [YOUNG, gone]}, CATALOGUE)
    assert blocks is not None
    assert write_tree(read_form(posted(blocks), CATALOGUE), CATALOGUE) == {"all": [YOUNG, gone]}
    assert find_problems(blocks, CATALOGUE).rows == {
        (0, 1): ["le critère « extra.disparu » n’existe pas (ou n’existe plus)."]
    }


def test_not_any_is_shown_as_rows_that_are_each_refused() -> None:
    blocks = read_blocks({"not": {"any": [YOUNG, {"not": PARENT}]}}, CATALOGUE)
    assert blocks is not None
    assert [(row.fact, row.negated) for row in blocks[0]] == [("age", True), ("children_count", False)]


def test_problems_stand_beside_the_row_or_the_block_that_causes_them() -> None:
    old = leaf("age", "gte", 40)
    blocks = read_blocks({"any": [{"all": [YOUNG, old]}, {"all": [PARENT]}]}, CATALOGUE)
    assert blocks is not None
    clash = find_problems(blocks, CATALOGUE)
    assert list(clash.blocks) == [0]
    empty = Row("age", "lte", False, {"value": ("",)})
    wrong = Row("children_count", "gte", False, {"value": ("beaucoup",)})
    problems = find_problems(((empty, Row()), (wrong,)), CATALOGUE)
    assert problems.rows == {
        (0, 0): ["« âge » : une valeur est attendue."],
        (1, 0): ["« enfants à charge » : un nombre est attendu, pas un texte."],
    }


def test_a_refused_row_contradicts_nothing() -> None:
    blocks = read_blocks({"all": [YOUNG, {"not": leaf("age", "gte", 40)}]}, CATALOGUE)
    assert blocks is not None
    assert not find_problems(blocks, CATALOGUE)


def test_rows_without_a_fact_say_nothing() -> None:
    assert write_tree(((Row(),), (Row(),)), CATALOGUE) == {"all": []}
    assert find_problems(EMPTY, CATALOGUE).whole == [NOTHING]


def test_choosing_another_fact_forgets_the_value_and_picks_an_operator() -> None:
    data = {"row-0-0-was": ["age"], "row-0-0-field": ["prestation"], "row-0-0-op": ["lte"], "row-0-0-value": ["30"]}
    assert read_form(data, CATALOGUE) == ((Row("prestation", "has", False, {}),),)


@pytest.mark.parametrize(
    ("typed", "value"), [("1 200", 1200), ("1,5", 1.5), ("\u202f30 ", 30), ("trente", "trente"), ("1e3", "1e3")]
)
def test_numbers_are_read_as_french_people_type_them(typed: str, value: object) -> None:
    row = Row("extra.score", "gte", False, {"value": (typed,)})
    assert write_tree(((row,),), CATALOGUE) == {"all": [leaf("extra.score", "gte", value)]}


@pytest.mark.parametrize(
    ("button", "facts"),
    [
        ("add-row-0", [["a", "b", ""], ["c"]]),
        ("remove-row-0-0", [["b"], ["c"]]),
        ("remove-row-1-0", [["a", "b"]]),
        ("add-block", [["a", "b"], ["c"], [""]]),
        ("remove-block-0", [["c"]]),
        ("remove-row-9-9", [["a", "b"], ["c"]]),
    ],
)
def test_buttons_add_and_remove(button: str, facts: list[list[str]]) -> None:
    blocks: Blocks = ((Row("a"), Row("b")), (Row("c"),))
    changed = apply_action(blocks, button)
    assert changed is not None
    assert [[row.fact for row in block] for block in changed] == facts


def test_the_last_row_is_never_taken_away() -> None:
    assert apply_action(EMPTY, "remove-row-0-0") == EMPTY
    assert apply_action(EMPTY, "remove-block-0") == EMPTY


@pytest.mark.parametrize("name", ["_save", "add-rows-0", "row-0-0-field", "", "remove"])
def test_other_buttons_are_not_the_builder_s(name: str) -> None:
    assert apply_action(EMPTY, name) is None
