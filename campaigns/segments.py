"""The one compiler: a criteria tree becomes one query. Preview, simulation and freeze all call ``matching``.

Every leaf is two-valued (an unknown fact is false, never NULL), so that « not » is an exact complement.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual
from django.utils import timezone

from campaigns.enums import ContactOutcome, FactState
from campaigns.models import (
    Allocataire,
    Commune,
    ContactFact,
    Epci,
    ExtraAttribute,
    ImportedList,
    ListEntry,
    Segment,
)
from campaigns.models.expressions import AnyDateWithin, JsonNumber, JsonText
from campaigns.rules.criteria import (
    BUILTIN_FIELDS,
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
    NamedTree,
    extra_field,
)

# A DTR may be declared up to 45 days before its due date; what arrived earlier was the previous quarter's.
DTR_OPENS_BEFORE = timedelta(days=45)
DAR_OPENS_BEFORE = timedelta(days=180)


def load_catalogue(*, writing: Segment | None = None) -> Catalogue:
    """The criteria of this installation: built-in facts, its EPCI, declared extra attributes, lists and segments.

    ``writing``: the kept segment whose criteria are being written, so that it is not put inside itself.
    """
    trees = {str(pk): NamedTree(name, tree) for pk, name, tree in Segment.objects.values_list("pk", "name", "criteria")}
    segments = replace(BUILTIN_FIELDS["segment"], choices=tuple((code, kept.name) for code, kept in trees.items()))
    own = str(writing.pk) if writing else ""
    return replace(_load_facts().extended([segments, _lists_field()]), segments=trees, own=own)


def _load_facts() -> Catalogue:
    """The same without segments nor lists."""
    epci = BUILTIN_FIELDS["epci"]
    named = replace(epci, choices=tuple(Epci.objects.values_list("code", "name")))
    extras = [
        extra_field(code=a.code, label=a.label, kind=a.type, origin=a.origin, is_sensitive=a.is_sensitive)
        for a in ExtraAttribute.objects.all()
    ]
    return Catalogue(BUILTIN_FIELDS).extended([named, *extras])


def _load_for(criteria: Any) -> Catalogue:
    """What these criteria need: most name no segment nor list, which are then not read."""
    return load_catalogue() if _names_a_public(criteria) else _load_facts()


def _names_a_public(node: Any) -> bool:
    if isinstance(node, dict):
        return node.get("field") in ("segment", "list") or any(map(_names_a_public, node.values()))
    return isinstance(node, list) and any(map(_names_a_public, node))


def _lists_field() -> Field:
    lists = list(ImportedList.objects.in_use())
    return replace(
        BUILTIN_FIELDS["list"],
        choices=tuple((each.code, each.in_words()) for each in lists),
        sensitive_values=frozenset(each.code for each in lists if each.is_sensitive),
    )


def matching(criteria: Mapping[str, Any], *, today: date) -> QuerySet[Allocataire]:
    """The people who meet the criteria on ``today`` (the Caf’s local day); exclusions (closed files…) come later.

    Raises ``InvalidCriteria`` with every problem.
    """
    catalogue = _load_for(criteria)
    tree = expand_or_refuse(criteria, catalogue)
    return Allocataire.objects.filter(_compile(tree, catalogue, today))


def expand_criteria(criteria: Mapping[str, Any]) -> Mapping[str, Any]:
    """The criteria with those of the segments they name: what a campaign pins. Raises ``InvalidCriteria``."""
    return expand_or_refuse(criteria, _load_for(criteria))


def count_matching(criteria: Mapping[str, Any], *, today: date) -> int:
    """How many people meet the criteria on ``today``."""
    return matching(criteria, today=today).count()


def holding(nodes: Sequence[Mapping[str, Any]], *, allocataire_id: int, today: date) -> list[bool]:
    """Which of these valid, expanded criteria one person meets: what ``matching`` compiles, in one query."""
    catalogue = _load_facts()
    verdicts = {
        f"holds_{place}": Case(When(_compile(node, catalogue, today), then=Value(True)), default=Value(False))
        for place, node in enumerate(nodes)
    }
    return list(Allocataire.objects.order_by().annotate(**verdicts).values_list(*verdicts).get(pk=allocataire_id))


def explain_criteria(criteria: Mapping[str, Any]) -> str:
    """The criteria in one French sentence, with the names of territories. Raises ``InvalidCriteria``."""
    return explain(criteria, catalogue_naming(criteria))


def catalogue_naming(criteria: Mapping[str, Any]) -> Catalogue:
    """The catalogue with the names of the communes that these criteria hold. Raises ``InvalidCriteria``."""
    catalogue = _load_for(criteria)
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


def _compile(node: Mapping[str, Any], catalogue: Catalogue, today: date) -> Q:
    if "not" in node:
        return ~_compile(node["not"], catalogue, today)
    for key, connector in (("all", Q.AND), ("any", Q.OR)):
        if key in node:
            return Q(*(_compile(child, catalogue, today) for child in node[key]), _connector=connector)
    field = catalogue.fields[node["field"]]
    return _COMPILERS[field.type](field, node["op"], node.get("value"), today)


_LOOKUPS = {"gte": GreaterThanOrEqual, "lte": LessThanOrEqual, "gt": GreaterThan, "lt": LessThan}


def _compare(expression: Any, op: str, value: Any) -> Q:
    """A comparison that is false, not unknown, when the fact is absent."""
    if op == "ne":
        return ~_compare(expression, "eq", value)
    if op in ("eq", "between"):
        low, high = value if op == "between" else (value, value)
        return _compare(expression, "gte", low) & _compare(expression, "lte", high)
    return Q(IsNull(expression, False)) & Q(_LOOKUPS[op](expression, value))


def _number(field: Field, op: str, value: Any, _today: date) -> Q:
    is_extra = field.code.startswith(EXTRA_PREFIX)
    return _compare(JsonNumber(F("extra"), field.key) if is_extra else F(field.key), op, value)


def _age(field: Field, op: str, value: Any, today: date) -> Q:
    first, last = _birth_bounds(op, value, today)
    return Q(**{f"{field.key}__isnull": False, f"{field.key}__range": (first, last)})


def _child_age(field: Field, op: str, value: Any, today: date) -> Q:
    first, last = _birth_bounds(op, value, today)
    return Q(AnyDateWithin(F(field.key), Value(first), Value(min(last, today))))  # a child to be born has no age


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


def _date(field: Field, op: str, value: Any, today: date) -> Q:
    expression: Any = F(field.key)
    as_bound: Callable[[Any], Any] = lambda each: _resolve(each, today)  # noqa: E731
    if "." in field.code:
        # ISO dates kept as text compare in the order of time; a value of any other shape never breaks the query.
        expression = JsonText(F("prestations" if field.code.startswith(SINCE_PREFIX) else "extra"), field.key)
        as_bound = lambda each: Value(_resolve(each, today).isoformat())  # noqa: E731
    if op in ("is_set", "is_not_set"):
        return Q(IsNull(expression, op == "is_not_set"))
    return _compare(expression, op, [as_bound(each) for each in value] if op == "between" else as_bound(value))


def _resolve(value: Any, today: date) -> date:
    return today + timedelta(days=value["days"]) if isinstance(value, dict) else date.fromisoformat(value)


def _name(field: Field, op: str, value: Any, today: date) -> Q:
    if op in ("ne", "not_in", "is_not_set"):
        return ~_name(field, {"ne": "eq", "not_in": "in", "is_not_set": "is_set"}[op], value, today)
    if field.column == "commune_id":
        return _territory(field, op, value)
    if field.code.startswith(EXTRA_PREFIX):
        return _extra_text(field, op, value)
    if op == "is_set":
        return ~Q(**{field.key: ""})
    return Q(**{f"{field.key}__in": value if op == "in" else [value]})


def _extra_text(field: Field, op: str, value: Any) -> Q:
    text = JsonText(F("extra"), field.key)
    if op == "is_set":
        return Q(IsNull(text, False)) & Q(GreaterThan(text, Value("")))
    return Q(IsNull(text, False)) & Q(In(text, value if op == "in" else [value]))


def _territory(field: Field, op: str, value: Any) -> Q:
    """By commune code; EPCI and department go through the communes they hold, without a join."""
    known = Q(commune_id__isnull=False)
    if field.code == "commune":
        return known if op == "is_set" else known & Q(commune_id__in=value if op == "in" else [value])
    column = "epci_id" if field.code == "epci" else "department"
    values = value if op == "in" else [value]
    inside = Q(**{f"{column}__isnull": False}) if op == "is_set" else Q(**{f"{column}__in": values})
    return known & Q(commune_id__in=Commune.objects.filter(inside).order_by().values("code"))


def _boolean(field: Field, _op: str, value: bool, _today: date) -> Q:
    yes = _SPECIAL_YES[field.code]() if field.code in _SPECIAL_YES else _stored_yes(field)
    return yes if value else ~yes


def _stored_yes(field: Field) -> Q:
    if field.code.startswith(EXTRA_PREFIX):
        return Q(extra__contains={field.key: True})
    return Q(**{field.key: True})


def _awaited(due: str, received: str, opens_before: timedelta) -> Q:
    """Due, and nothing received since the declaration opened."""
    stale = Q(**{f"{received}__lt": F(due) - opens_before})
    return Q(**{f"{due}__isnull": False}) & (Q(**{f"{received}__isnull": True}) | stale)


_SPECIAL_YES: Mapping[str, Callable[[], Q]] = {
    "isolated": lambda: Q(family_situation__in=ISOLATED_SITUATIONS),
    "has_email": lambda: ~Q(email=""),
    "has_mobile": lambda: ~Q(mobile=""),
    "has_landline": lambda: ~Q(landline=""),
    "dtr_missing": lambda: _awaited("dtr_due_on", "dtr_received_on", DTR_OPENS_BEFORE),
    "dar_missing": lambda: _awaited("dar_due_on", "dar_received_on", DAR_OPENS_BEFORE),
}


def _prestation(field: Field, op: str, value: Any, _today: date) -> Q:
    if op in ("has_not", "has_none"):
        return ~_prestation(field, "has" if op == "has_not" else "has_any", value, _today)
    return Q(prestations__has_key=value) if op == "has" else Q(prestations__has_any_keys=value)


def _history(_field: Field, op: str, value: Any, today: date) -> Q:
    """Contacts planned, sent or delivered since local midnight ``days`` days ago; released ones do not count."""
    detail = value if isinstance(value, dict) else {"days": value}
    since = timezone.make_aware(datetime.combine(today - timedelta(days=detail["days"]), time.min))
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


def _list(_field: Field, op: str, value: Any, _today: date) -> Q:
    entries = ListEntry.objects.filter(allocataire=OuterRef("pk"), imported_list__code__in=value)
    return Q(Exists(entries)) if op == "in" else ~Q(Exists(entries))


_COMPILERS: Mapping[FieldType, Callable[[Field, str, Any, date], Q]] = {
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
