"""Every fact of an allocataire that can select: its type, its operators, its French words.

Tables and small value objects only. ``campaigns.segments`` compiles, ``criteria`` checks, ``criteria_french`` speaks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from campaigns.enums import (
    AttributeType,
    FamilySituation,
    Prestation,
)

Choices = tuple[tuple[str, str], ...]

EXTRA_PREFIX = "extra."
SINCE_PREFIX = "prestation_since."

# Living alone, whatever the reason: the word "isolé" of the Caf.
ISOLATED_SITUATIONS = (
    FamilySituation.SINGLE.value,
    FamilySituation.SEPARATED.value,
    FamilySituation.DIVORCED.value,
    FamilySituation.WIDOWED.value,
)
# « percevant le RSA », « sans RSA »: what follows a verb takes its article.
WITH_ARTICLE: Mapping[str, str] = {
    Prestation.RSA: "le RSA",
    Prestation.PPA: "la prime d’activité",
    Prestation.CF: "le complément familial",
    Prestation.AF: "les allocations familiales",
    Prestation.PAJE: "la Paje",
    Prestation.PREPARE: "la PreParE",
}
# Health: selecting on these needs a written justification (domain, rules of contact).
SENSITIVE_PRESTATIONS = frozenset({Prestation.AAH.value, Prestation.AEEH.value})


class FieldType(StrEnum):
    NUMBER = "NUMBER"
    AGE = "AGE"
    CHILD_AGE = "CHILD_AGE"
    DATE = "DATE"
    CHOICE = "CHOICE"
    TEXT = "TEXT"
    BOOLEAN = "BOOLEAN"
    PRESTATION = "PRESTATION"
    HISTORY = "HISTORY"
    SEGMENT = "SEGMENT"
    LIST = "LIST"


ORDERED = ("eq", "gte", "lte", "gt", "lt", "between")
NAMED = ("eq", "ne", "in", "not_in")
PRESENCE = ("is_set", "is_not_set")

OPERATORS: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.NUMBER: (*ORDERED, "ne"),
    FieldType.AGE: ORDERED,
    FieldType.CHILD_AGE: ORDERED,
    FieldType.DATE: (*ORDERED, *PRESENCE),
    FieldType.CHOICE: (*NAMED, *PRESENCE),
    FieldType.TEXT: (*NAMED, *PRESENCE),
    FieldType.BOOLEAN: ("eq",),
    FieldType.PRESTATION: ("has", "has_not", "has_any", "has_none"),
    FieldType.HISTORY: ("within", "not_within"),
    FieldType.SEGMENT: ("in", "not_in"),
    FieldType.LIST: ("in", "not_in"),
}

OPERATOR_LABELS: Mapping[str, str] = {
    "eq": "est",
    "ne": "n’est pas",
    "gte": "au moins",
    "lte": "au plus",
    "gt": "plus de",
    "lt": "moins de",
    "between": "entre",
    "in": "parmi",
    "not_in": "hors de",
    "is_set": "renseigné",
    "is_not_set": "non renseigné",
    "has": "perçoit",
    "has_not": "ne perçoit pas",
    "has_any": "perçoit au moins une de",
    "has_none": "ne perçoit aucune de",
    "within": "contacté depuis moins de",
    "not_within": "pas contacté depuis",
}

# What a page shows to type the value; a builder needs nothing else.
WIDGETS: Mapping[FieldType, str] = {
    FieldType.NUMBER: "number",
    FieldType.AGE: "number",
    FieldType.CHILD_AGE: "number",
    FieldType.DATE: "date",
    FieldType.CHOICE: "choice",
    FieldType.TEXT: "text",
    FieldType.BOOLEAN: "yes_no",
    FieldType.PRESTATION: "choice",
    FieldType.HISTORY: "days",
    FieldType.SEGMENT: "choice",
    FieldType.LIST: "choice",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One fact that can select.

    ``stem`` begins its French fragment (« dont le RIB est »); ``negative`` begins the fragment of its contrary;
    ``wording`` gives a whole fragment for some operators, with ``{value}`` or ``{low}`` and ``{high}``.
    ``column`` is the column it reads when it differs from ``code``.
    """

    code: str
    label: str
    type: FieldType
    group: str = ""
    stem: str = ""
    negative: str = ""
    wording: Mapping[str, str] = field(default_factory=dict)
    choices: Choices = ()
    column: str = ""
    is_sensitive: bool = False
    sensitive_values: frozenset[str] = frozenset()
    origin: str = ""

    @property
    def operators(self) -> tuple[str, ...]:
        return OPERATORS[self.type]

    @property
    def widget(self) -> str:
        return WIDGETS[self.type]

    @property
    def key(self) -> str:
        """What follows the prefix in ``extra.<code>`` and ``prestation_since.<CODE>``; else the column."""
        return self.code.partition(".")[2] or self.column or self.code

    def label_of(self, value: Any) -> str:
        """The French label of a choice; the value itself when the catalogue does not name it."""
        return dict(self.choices).get(str(value), str(value))


@dataclass(frozen=True, slots=True)
class NamedTree:
    """A kept segment, for the trees that name it."""

    name: str
    tree: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The fields that an installation knows: the built-in ones and its own extra attributes.

    ``segments``: the kept ones by identifier, for the criteria that name them; ``own``: the one being written, if any.
    """

    fields: Mapping[str, Field]
    segments: Mapping[str, NamedTree] = field(default_factory=dict)
    own: str = ""

    def get(self, code: str) -> Field | None:
        return self.fields.get(code)

    def groups(self) -> dict[str, list[Field]]:
        """Fields by group, in the order in which a page lists them."""
        groups: dict[str, list[Field]] = {}
        for each in self.fields.values():
            groups.setdefault(each.group, []).append(each)
        return groups

    def without(self, *types: FieldType) -> "Catalogue":
        """The same catalogue less the fields of some types."""
        return replace(self, fields={code: each for code, each in self.fields.items() if each.type not in types})

    def extended(self, more: Iterable[Field]) -> "Catalogue":
        """The same catalogue with fields added, or replaced when they have the same code."""
        return replace(self, fields={**self.fields, **{each.code: each for each in more}})


def extra_field(*, code: str, label: str, kind: str, origin: str = "", is_sensitive: bool = False) -> Field:
    """The field of a declared extra attribute; ``kind`` is a value of ``AttributeType``."""
    types = {
        AttributeType.TEXT: FieldType.TEXT,
        AttributeType.NUMBER: FieldType.NUMBER,
        AttributeType.BOOLEAN: FieldType.BOOLEAN,
        AttributeType.DATE: FieldType.DATE,
    }
    return Field(
        code=EXTRA_PREFIX + code,
        label=label,
        type=types[AttributeType(kind)],
        group="Attributs propres à la Caf",
        stem=f"dont « {label} » est",
        negative=f"dont « {label} » n’est pas",
        wording={
            "true": f"avec l’indication « {label} »",
            "false": f"sans l’indication « {label} »",
            "is_set": f"avec « {label} » renseigné",
            "is_not_set": f"sans « {label} » renseigné",
        },
        is_sensitive=is_sensitive,
        origin=origin,
    )
