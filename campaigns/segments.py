"""The one compiler: a criteria tree becomes one query. Preview, simulation and freeze all call ``matching_ids``.

Every leaf is two-valued (an unknown fact is false, never NULL), so that « not » is an exact complement. It reads the
narrow row of ``SelectionRow``, and joins the person's whole row (``allocataire__…``) only for what that one lacks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual
from django.utils import timezone

from campaigns.enums import ContactOutcome, FactState
from campaigns.known_criteria import load_catalogue_naming
from campaigns.models import (
    Allocataire,
    Commune,
    ContactFact,
    HasAnyBit,
    ListEntry,
    Never,
    PrestationBits,
    SelectionCode,
    SelectionRow,
)
from campaigns.models.expressions import AnyDateWithin, JsonNumber, JsonText
from campaigns.models.planner import give_room
from campaigns.rules.criteria import (
    Catalogue,
    Field,
    FieldType,
    expand_or_refuse,
    explain,
    leaves,
)
from campaigns.rules.criteria_catalogue import (
    EXTRA_PREFIX,
    ISOLATED_SITUATIONS,
    SINCE_PREFIX,
)

# A DTR may be declared up to 45 days before its due date; what arrived earlier was the previous quarter's.
DTR_OPENS_BEFORE = timedelta(days=45)
DAR_OPENS_BEFORE = timedelta(days=180)
_NO_CODE = -1


@dataclass(frozen=True)
class Public:
    """Criteria that were read once, for whoever counts and explains them: checked, without names of segments."""

    tree: Mapping[str, Any]
    catalogue: Catalogue


def read_public(criteria: Mapping[str, Any], catalogue: Catalogue) -> Public:
    """Check criteria against a catalogue that holds what they name. Raises ``InvalidCriteria``."""
    return Public(expand_or_refuse(criteria, catalogue), catalogue)


def matching(criteria: Mapping[str, Any], *, today: date) -> QuerySet[Allocataire]:
    """The people who meet the criteria on ``today`` (the Caf’s local day); exclusions (closed files…) come later.

    Raises ``InvalidCriteria`` with every problem.
    """
    return Allocataire.objects.filter(pk__in=matching_ids(criteria, today=today))


def matching_ids(criteria: Mapping[str, Any] | Public, *, today: date) -> QuerySet[SelectionRow, Any]:
    """The same people by their number, for a statement that joins them to what it needs. Raises as ``matching``."""
    return _select(criteria, today).values("pk")


def _select(criteria: Mapping[str, Any] | Public, today: date) -> QuerySet[SelectionRow]:
    public = criteria if isinstance(criteria, Public) else read_public(criteria, load_catalogue_naming(criteria))
    return SelectionRow.objects.filter(_compile(public.tree, public.catalogue, _Terms(today)))


def expand_criteria(criteria: Mapping[str, Any]) -> Mapping[str, Any]:
    """The criteria with those of the segments they name: what a campaign pins. Raises ``InvalidCriteria``."""
    return expand_or_refuse(criteria, load_catalogue_naming(criteria))


def count_matching(criteria: Mapping[str, Any], *, today: date) -> int:
    """How many people meet the criteria on ``today``."""
    with transaction.atomic():
        give_room()
        return _select(criteria, today).count()


def holding(nodes: Sequence[Mapping[str, Any]], *, allocataire_id: int, today: date) -> list[bool]:
    """Which of these valid, expanded criteria one person meets: what ``matching`` compiles, in one query."""
    catalogue, terms = load_catalogue_naming(list(nodes)), _Terms(today, is_lazy=True)
    verdicts = {
        f"holds_{place}": Case(When(_compile(node, catalogue, terms), then=Value(True)), default=Value(False))
        for place, node in enumerate(nodes)
    }
    return list(SelectionRow.objects.annotate(**verdicts).values_list(*verdicts).get(pk=allocataire_id))


def explain_criteria(criteria: Mapping[str, Any]) -> str:
    """The criteria in one French sentence, with the names of territories. Raises ``InvalidCriteria``."""
    return explain(criteria, catalogue_naming(criteria))


def explain_public(criteria: Mapping[str, Any], public: Public) -> str:
    """The same of criteria that were read."""
    return explain(criteria, _with_commune_names(public.catalogue, public.tree))


def catalogue_naming(criteria: Mapping[str, Any]) -> Catalogue:
    """The catalogue with the names of the communes that these criteria hold. Raises ``InvalidCriteria``."""
    catalogue = load_catalogue_naming(criteria)
    return _with_commune_names(catalogue, expand_or_refuse(criteria, catalogue))


def _with_commune_names(catalogue: Catalogue, criteria: Mapping[str, Any]) -> Catalogue:
    codes: set[str] = set()
    for leaf in leaves(criteria):
        if leaf["field"] == "commune":
            value = leaf.get("value", [])
            codes |= set(value) if isinstance(value, list) else {value}
    if not codes:
        return catalogue
    field = catalogue.fields["commune"]
    names = tuple(Commune.objects.filter(pk__in=codes).values_list("code", "name"))
    return catalogue.extended([replace(field, choices=names)])


class _Terms:
    """What the leaves are compiled with: the day, and the numbers that stand for words.

    They are read first, once: the planner counts better with numbers that it sees. ``is_lazy``: one person is asked
    about, PostgreSQL looks them up.
    """

    def __init__(self, today: date, *, is_lazy: bool = False) -> None:
        self.today = today
        self._is_lazy = is_lazy

    def codes(self, kind: str, values: Any) -> Any:
        """The numbers of these words; one that stands for nothing where nobody was ever given the word."""
        if self._is_lazy or kind == "commune_id":
            found = (
                SelectionCode.objects.filter(kind=kind, value__in=values).order_by().values_list("number", flat=True)
            )
            return found if self._is_lazy else list(found) or [_NO_CODE]
        return [self._known.get((kind, value), _NO_CODE) for value in values]

    @cached_property
    def _known(self) -> dict[tuple[str, str], int]:
        rows = SelectionCode.objects.exclude(kind="commune_id").values_list("kind", "value", "number")
        return {(kind, value): number for kind, value, number in rows}


def _compile(node: Mapping[str, Any], catalogue: Catalogue, terms: _Terms) -> Q:
    if "not" in node:
        return ~_compile(node["not"], catalogue, terms)
    for key, connector in (("all", Q.AND), ("any", Q.OR)):
        if key in node:
            return Q(*(_compile(child, catalogue, terms) for child in node[key]), _connector=connector)
    field = catalogue.fields[node["field"]]
    return _COMPILERS[field.type](field, node["op"], node.get("value"), terms)


_LOOKUPS = {"gte": GreaterThanOrEqual, "lte": LessThanOrEqual, "gt": GreaterThan, "lt": LessThan}


def _compare(expression: Any, op: str, value: Any) -> Q:
    """A comparison that is false, not unknown, when the fact is absent."""
    if op == "ne":
        return ~_compare(expression, "eq", value)
    if op in ("eq", "between"):
        low, high = value if op == "between" else (value, value)
        return _compare(expression, "gte", low) & _compare(expression, "lte", high)
    return Q(IsNull(expression, False)) & Q(_LOOKUPS[op](expression, value))


def _number(field: Field, op: str, value: Any, _terms: _Terms) -> Q:
    is_extra = field.code.startswith(EXTRA_PREFIX)
    return _compare(JsonNumber(F("allocataire__extra"), field.key) if is_extra else F(field.key), op, value)


def _age(field: Field, op: str, value: Any, terms: _Terms) -> Q:
    first, last = _birth_bounds(op, value, terms.today)
    return Q(**{f"{field.key}__range": (first, last)})


def _child_age(field: Field, op: str, value: Any, terms: _Terms) -> Q:
    first, last = _birth_bounds(op, value, terms.today)
    return Q(
        AnyDateWithin(F(f"allocataire__{field.key}"), Value(first), Value(min(last, terms.today)))
    )  # a child to be born has no age


def _birth_bounds(op: str, value: Any, today: date) -> tuple[date, date]:
    """First and last birth dates of the people whose age, in whole years on ``today``, satisfies the criterion."""
    low, high = value if op == "between" else (value, value)
    youngest = low + 1 if op == "gt" else low
    oldest = high - 1 if op == "lt" else high
    first, last = date.min, date.max
    if op in ("eq", "gte", "gt", "between"):
        last = years_before(today, youngest)
    if op in ("eq", "lte", "lt", "between"):
        first = years_before(today, oldest + 1) + timedelta(days=1)
    return first, last


def years_before(day: date, years: int) -> date:
    """The same day ``years`` earlier; 28 February for a 29th that does not exist."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)


def _date(field: Field, op: str, value: Any, terms: _Terms) -> Q:
    if "." in field.code:
        return _date_in_json(field, op, value, terms)
    known = Q(LessThan(F(field.key), Never()))
    if op in ("is_set", "is_not_set"):
        return known if op == "is_set" else ~known
    if op in ("eq", "between"):
        low, high = value if op == "between" else (value, value)
        return Q(**{f"{field.key}__range": (_resolve(low, terms.today), _resolve(high, terms.today))})
    compared = Q(**{f"{field.key}__{op}": _resolve(value, terms.today)})
    return compared if op in ("lte", "lt") else compared & known


def _date_in_json(field: Field, op: str, value: Any, terms: _Terms) -> Q:
    """ISO dates kept as text compare in the order of time; a value of any other shape never breaks the query."""
    column = "prestations" if field.code.startswith(SINCE_PREFIX) else "extra"
    expression = JsonText(F(f"allocataire__{column}"), field.key)
    if op in ("is_set", "is_not_set"):
        return Q(IsNull(expression, op == "is_not_set"))
    days = [Value(_resolve(each, terms.today).isoformat()) for each in (value if op == "between" else [value])]
    return _compare(expression, op, days if op == "between" else days[0])


def _resolve(value: Any, today: date) -> date:
    return today + timedelta(days=value["days"]) if isinstance(value, dict) else date.fromisoformat(value)


def _name(field: Field, op: str, value: Any, terms: _Terms) -> Q:
    if op in ("ne", "not_in", "is_not_set"):
        return ~_name(field, {"ne": "eq", "not_in": "in", "is_not_set": "is_set"}[op], value, terms)
    if field.column == "commune_id":
        return _territory(field, op, value, terms)
    if field.code.startswith(EXTRA_PREFIX):
        return _extra_text(field, op, value)
    if op == "is_set":
        return ~Q(**{field.key: 0})
    return Q(**{f"{field.key}__in": terms.codes(field.key, value if op == "in" else [value])})


def _extra_text(field: Field, op: str, value: Any) -> Q:
    text = JsonText(F("allocataire__extra"), field.key)
    if op == "is_set":
        return Q(IsNull(text, False)) & Q(GreaterThan(text, Value("")))
    return Q(IsNull(text, False)) & Q(In(text, value if op == "in" else [value]))


def _territory(field: Field, op: str, value: Any, terms: _Terms) -> Q:
    """By commune; EPCI and department go through the communes they hold, without a join."""
    values = value if op == "in" else [value]
    if field.code == "commune":
        return ~Q(commune_id=0) if op == "is_set" else Q(commune_id__in=terms.codes("commune_id", values))
    column = "epci_id" if field.code == "epci" else "department"
    inside = Q(**{f"{column}__isnull": False}) if op == "is_set" else Q(**{f"{column}__in": values})
    return Q(commune_id__in=terms.codes("commune_id", Commune.objects.filter(inside).order_by().values("code")))


def _boolean(field: Field, _op: str, value: bool, terms: _Terms) -> Q:
    yes = _SPECIAL_YES[field.code](terms) if field.code in _SPECIAL_YES else _stored_yes(field)
    return yes if value else ~yes


def _stored_yes(field: Field) -> Q:
    if field.code.startswith(EXTRA_PREFIX):
        return Q(allocataire__extra__contains={field.key: True})
    return Q(**{field.key: True})


def _awaited(due: str, received: str, opens_before: timedelta) -> Q:
    """Due, and nothing received since the declaration opened."""
    late = Q(LessThan(F(received), F(due) - opens_before)) | Q(GreaterThanOrEqual(F(received), Never()))
    return Q(LessThan(F(due), Never())) & late


_SPECIAL_YES: Mapping[str, Callable[[_Terms], Q]] = {
    "isolated": lambda terms: Q(family_situation__in=terms.codes("family_situation", ISOLATED_SITUATIONS)),
    "has_email": lambda _: Q(has_email=True),
    "has_mobile": lambda _: Q(has_mobile=True),
    "has_landline": lambda _: Q(has_landline=True),
    "dtr_missing": lambda _: _awaited("dtr_due_on", "dtr_received_on", DTR_OPENS_BEFORE),
    "dar_missing": lambda _: _awaited("dar_due_on", "dar_received_on", DAR_OPENS_BEFORE),
}


def _prestation(field: Field, op: str, value: Any, _terms: _Terms) -> Q:
    if op in ("has_not", "has_none"):
        return ~_prestation(field, "has" if op == "has_not" else "has_any", value, _terms)
    held = Value([value] if op == "has" else value, ArrayField(TextField()))
    return Q(HasAnyBit(F(field.key), PrestationBits(held)))


def _history(_field: Field, op: str, value: Any, terms: _Terms) -> Q:
    """Contacts planned, sent or delivered since local midnight ``days`` days ago; released ones do not count."""
    detail = value if isinstance(value, dict) else {"days": value}
    since = timezone.make_aware(datetime.combine(terms.today - timedelta(days=detail["days"]), time.min))
    facts = ContactFact.objects.filter(allocataire=OuterRef("pk"), at__gte=since, state__in=FactState.counted())
    if detail.get("outcome"):
        facts = facts.filter(_FOLLOWED[detail["outcome"]])
    for key, column in (("plan", "plan_code"), ("theme", "theme"), ("channel", "channel")):
        if detail.get(key):
            facts = facts.filter(**{column: detail[key]})
    return Q(Exists(facts)) if op == "within" else ~Q(Exists(facts))


# A receipt may never come: whoever answered, or called back, has read.
_FOLLOWED: Mapping[str, Q] = {
    ContactOutcome.DELIVERED: Q(state__in=[FactState.DELIVERED, FactState.ANSWERED]),
    ContactOutcome.ANSWERED: Q(answered_at__isnull=False),
    ContactOutcome.SETTLED: Q(settled_on__isnull=False),
}


def _list(_field: Field, op: str, value: Any, _terms: _Terms) -> Q:
    entries = ListEntry.objects.filter(allocataire=OuterRef("pk"), imported_list__code__in=value)
    return Q(Exists(entries)) if op == "in" else ~Q(Exists(entries))


_COMPILERS: Mapping[FieldType, Callable[[Field, str, Any, _Terms], Q]] = {
    FieldType.NUMBER: _number,
    FieldType.AGE: _age,
    FieldType.CHILD_AGE: _child_age,
    FieldType.DATE: _date,
    FieldType.CHOICE: _name,
    FieldType.TEXT: _name,
    FieldType.BOOLEAN: _boolean,
    FieldType.PRESTATION: _prestation,
    FieldType.HISTORY: _history,
    FieldType.LIST: _list,
}
