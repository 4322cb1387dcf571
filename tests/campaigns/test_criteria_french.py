"""The French sentence says exactly what the tree means: read back by a parser of its own, it gives the same people."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations, product
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.enums import Channel, ContactOutcome
from campaigns.rules.criteria import BUILTIN_FIELDS, Catalogue, check, explain
from campaigns.rules.criteria_catalogue import Field, FieldType, NamedTree, extra_field

Tree = Mapping[str, Any]

YOUNG = {"all": [{"field": "age", "op": "lt", "value": 30}]}
PARENTS = {
    "any": [{"field": "children_count", "op": "gte", "value": 1}, {"field": "segment", "op": "in", "value": ["1"]}]
}
LISTS = (
    ("ppa", "la liste « Datamining PPA » (Cnaf, 03/11/2026)"),
    ("asf", "la liste « ASF ou PPA, 2025 » (Caf, 01/02/2025)"),
)
CATALOGUE = replace(
    Catalogue(BUILTIN_FIELDS).extended(
        [
            replace(BUILTIN_FIELDS["epci"], choices=(("200027183", "Perpignan Méditerranée"), ("200071751", "Elne"))),
            replace(BUILTIN_FIELDS["list"], choices=LISTS),
            replace(BUILTIN_FIELDS["segment"], choices=(("1", "Jeunes"), ("2", "Parents ou jeunes"))),
            extra_field(code="score", label="Indicateur", kind="NOMBRE"),
            extra_field(code="word", label="Pays", kind="TEXTE"),
            extra_field(code="flag", label="Liste locale", kind="OUI_NON"),
            extra_field(code="seen", label="Vu le", kind="DATE"),
        ]
    ),
    segments={"1": NamedTree("Jeunes", YOUNG), "2": NamedTree("Parents ou jeunes", PARENTS)},
)
MOMENTS = [*({"days": n} for n in (-400, -10, -1, 0, 1, 3, 10)), "2025-01-31", "2026-12-01"]
TEXTS = ["66136", "66008", "b", "b ou isolés", "isolés, boursiers", "b », sans RSA", "isolés"]
LIST_OPERATORS = ("in", "not_in", "has_any", "has_none")


def samples(field: Field) -> list[Any]:
    match field.type:
        case FieldType.NUMBER:
            return [-1, 0, 1, 2, 3, 0.5]
        case FieldType.AGE | FieldType.CHILD_AGE:
            return [0, 1, 2, 30]
        case FieldType.DATE:
            return MOMENTS
        case FieldType.BOOLEAN:
            return [True, False]
        case FieldType.HISTORY:
            details = product(
                ["", "p1", "p2"], ["", "vie-maritale"], ["", *Channel.values], ["", *ContactOutcome.values]
            )
            names = ("plan", "theme", "channel", "outcome")
            return [
                {"days": days, **{name: value for name, value in zip(names, detail, strict=True) if value}}
                for days, detail in product([1, 30], details)
            ]
    return [code for code, _ in field.choices] or TEXTS


def leaves_of(field: Field) -> Iterator[dict[str, Any]]:
    """Every operator of a field on its sample values, alone and in twos."""
    for op in field.operators:
        if op in ("is_set", "is_not_set"):
            yield {"field": field.code, "op": op}
            continue
        known = samples(field)
        values: list[Any] = known
        if op == "between":
            values = [list(pair) for pair in product(known, known)]
        elif op in LIST_OPERATORS:
            values = [[value] for value in known] + [list(pair) for pair in combinations(known, 2)]
        leaves = ({"field": field.code, "op": op, "value": value} for value in values)
        yield from (leaf for leaf in leaves if not check(leaf, CATALOGUE))


def meaning(leaf: Tree) -> str:
    """One text for all the ways of asking the same thing."""
    op: str = leaf["op"]
    value: Any = leaf.get("value")
    if isinstance(value, list) and op in LIST_OPERATORS:
        value = sorted(set(value))
        if len(value) == 1 and leaf["field"] not in ("list", "segment"):
            op, value = {"in": "eq", "not_in": "ne", "has_any": "has", "has_none": "has_not"}[op], value[0]
    if op == "between" and value[0] == value[1]:
        op, value = "eq", value[0]
    return f"{leaf['field']} {op} {value!r}"


def words(tree: Tree) -> str:
    return explain(tree, CATALOGUE).removeprefix("Allocataires ").removesuffix(".")


ATOMS = [leaf for field in CATALOGUE.fields.values() if field.type != FieldType.SEGMENT for leaf in leaves_of(field)]
LEXICON = {words(leaf): leaf for leaf in ATOMS}


def test_no_sentence_says_two_things() -> None:
    said: dict[str, str] = {}
    for leaf in ATOMS:
        assert said.setdefault(words(leaf), meaning(leaf)) == meaning(leaf), words(leaf)


# --- A reader of sentences, written from how they are punctuated ------------------------------------


class Reader:
    """« , » joins what must all hold, « ou » what may; brackets hold a group; « à l’exclusion de ceux » takes one."""

    EXCEPT, WHO_ARE, SEGMENT = "à l’exclusion de ceux ", "qui sont ", "du segment «\N{NO-BREAK SPACE}"

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, words: str) -> bool:
        found = self.text.startswith(words, self.at)
        self.at += len(words) if found else 0
        return found

    def group(self) -> dict[str, Any]:
        nodes = [self.node()]
        joiner = next((each for each in (", ", " ou ") if self.text.startswith(each, self.at)), "")
        while joiner and self.take(joiner):
            nodes.append(self.node())
        return {"any" if joiner == " ou " else "all": nodes}

    def node(self) -> dict[str, Any]:
        if self.take(self.EXCEPT):
            self.take(self.WHO_ARE)
            return {"not": self.node()}
        if self.take(self.SEGMENT):
            self.at = self.text.index("\N{NO-BREAK SPACE}» (", self.at) + len(" » ")
        if self.take("("):
            inner = self.group()
            assert self.take(")"), self.text[self.at :]
            return inner
        return self.leaf()

    def leaf(self) -> dict[str, Any]:
        """The longest phrase known, ending where a phrase may end."""
        rest = self.text[self.at :]
        ends = [place for place in range(len(rest), 0, -1) if rest.startswith((", ", " ou ", ")"), place)]
        for end in [len(rest), *ends]:
            if leaf := LEXICON.get(rest[:end]):
                self.at += end
                return leaf
        raise AssertionError(f"not understood: {rest}")


def holds(node: Tree, truths: Mapping[str, bool]) -> bool:
    if "all" in node:
        return all(holds(child, truths) for child in node["all"])
    if "any" in node:
        return any(holds(child, truths) for child in node["any"])
    if "not" in node:
        return not holds(node["not"], truths)
    if node["field"] == "segment":
        inside = any(holds(CATALOGUE.segments[code].tree, truths) for code in node["value"])
        return inside == (node["op"] == "in")
    return truths[meaning(node)]


MEANINGS = [meaning(leaf) for leaf in ATOMS]
publics = st.builds(
    lambda op, value: {"field": "segment", "op": op, "value": value},
    st.sampled_from(["in", "not_in"]),
    st.sampled_from([["1"], ["2"], ["1", "2"]]),
)
trees = st.recursive(
    st.one_of(st.sampled_from(ATOMS), publics),
    lambda inner: st.one_of(
        st.builds(lambda nodes: {"all": nodes}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda nodes: {"any": nodes}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda node: {"not": node}, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(trees, st.integers(0, 2**32))
def test_a_sentence_read_back_means_its_tree(tree: Tree, seed: int) -> None:
    """Compared as functions of what holds of a person: any two criteria may both hold, or not."""
    random = Random(seed)
    reader = Reader(words(tree))
    read = reader.group()
    assert reader.at == len(reader.text), reader.text[reader.at :]
    for _ in range(8):
        truths = {each: random.random() < 0.5 for each in MEANINGS}
        assert holds(read, truths) == holds(tree, truths), reader.text
