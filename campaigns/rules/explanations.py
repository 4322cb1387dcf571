"""« Pourquoi elle ? »: a criteria tree laid flat, and what a person’s own fact is, said in French and masked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from campaigns.rules.criteria_catalogue import SINCE_PREFIX, Field, FieldType
from campaigns.rules.masking import mask_email, mask_phone
from campaigns.rules.pressure import LONG, SHORT, Contact, Limits

UNKNOWN = "non renseigné"
GROUP_TEXTS = {"all": "Tous ces critères :", "any": "Au moins un de ces critères :", "not": "Sauf :"}
CONTACT_POINTS = {"has_email": "email", "has_mobile": "mobile", "has_landline": "landline"}
AWAITED = {"dtr_missing": ("dtr_due_on", "dtr_received_on"), "dar_missing": ("dar_due_on", "dar_received_on")}


@dataclass(frozen=True)
class Criterion:
    """One line of the answer: a group or a criterion, whether the person meets it, and her fact."""

    depth: int
    text: str
    holds: bool
    value: str = ""
    is_group: bool = False


def lay_flat(node: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every node of a valid tree with its depth, a group before what it holds."""
    yield depth, node
    inner = [node["not"]] if "not" in node else node.get("all") or node.get("any") or []
    for child in inner:
        yield from lay_flat(child, depth + 1)


def group_text(node: Mapping[str, Any]) -> str:
    """The words of a group; empty for a criterion."""
    if "name" in node:
        return f"Segment « {node['name']} » :"
    return next((text for key, text in GROUP_TEXTS.items() if key in node), "")


def say_fact(field: Field, facts: Mapping[str, Any], *, today: date) -> str:
    """What the person’s fact is, as a criterion on ``field`` reads it. ``facts``: her columns, by name.

    Phones and e-mails are masked; an extra attribute or the date of a prestation is found in its own column.
    """
    if field.code in CONTACT_POINTS:
        return _mask(CONTACT_POINTS[field.code], str(facts[CONTACT_POINTS[field.code]]))
    if field.code in AWAITED:
        due, received = (facts[name] for name in AWAITED[field.code])
        return f"attendue : {say_day(due)} ; reçue : {say_day(received)}"
    if field.code.startswith(SINCE_PREFIX):
        return say_day(facts["prestations"].get(field.key))
    if "." in field.code:
        return _say_plain(field, facts["extra"].get(field.key))
    return _say_column(field, facts, today)


def _say_column(field: Field, facts: Mapping[str, Any], today: date) -> str:
    match field.type:
        case FieldType.AGE:
            return _say_ages([facts["born_on"]] if facts["born_on"] else [], today)
        case FieldType.CHILD_AGE:
            return _say_ages(facts["children_born_on"], today)
        case FieldType.PRESTATION:
            return ", ".join(field.label_of(code) for code in sorted(facts["prestations"])) or "aucune"
        case FieldType.HISTORY:
            return facts["contacts"] or "aucun contact"
        case FieldType.LIST:
            return ", ".join(facts["lists"]) or "aucune liste"
    if field.code == "isolated":
        return str(facts["family_situation_label"]) or UNKNOWN
    return _say_plain(field, facts.get(field.code, facts.get(field.key)))


def _say_plain(field: Field, value: Any) -> str:
    if isinstance(value, bool):
        return "oui" if value else "non"
    if value is None or value == "":
        return UNKNOWN
    return say_day(value) if field.type == FieldType.DATE else field.label_of(value)


def _mask(name: str, value: str) -> str:
    return (mask_email(value) if name == "email" else mask_phone(value)) or "aucun"


def _say_ages(births: Sequence[date], today: date) -> str:
    ages = sorted(today.year - day.year - ((today.month, today.day) < (day.month, day.day)) for day in births)
    return ", ".join("à naître" if age < 0 else f"{age} an{'s' if age > 1 else ''}" for age in ages) or UNKNOWN


def say_day(value: Any) -> str:
    """31/12/2026; an ISO text is read as a date, anything else is said not to be known."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return UNKNOWN
    return f"{value:%d/%m/%Y}" if isinstance(value, date) else UNKNOWN


@dataclass(frozen=True)
class CapAnswer:
    """Which cap is reached, the contacts that fill it, and from when the shorter one leaves room."""

    text: str
    filled_by: tuple[Contact, ...]
    free_at: datetime | None = None


def explain_cap(at: datetime, *, campaign: int, contacts: Sequence[Contact], limits: Limits) -> CapAnswer:
    """Say what ``pressure.breaks_cap`` found, with the same rules: other campaigns in 7 days, else all in 30."""
    near = tuple(c for c in contacts if c.campaign != campaign and abs(c.at - at) < SHORT)
    if len({c.campaign for c in near}) >= limits.campaigns_7_days:
        text = f"Contactée par une autre campagne à moins de 7 jours (plafond : {limits.campaigns_7_days})."
        return CapAnswer(text, near, max(c.at for c in near) + SHORT)
    month = tuple(c for c in contacts if abs(c.at - at) < LONG)
    return CapAnswer(f"{len(month)} contacts à moins de 30 jours (plafond : {limits.contacts_30_days}).", month)
