"""Every fact of an allocataire that can select: its type, its operators, its French words.

Tables and small value objects only. ``campaigns.segments`` compiles, ``criteria`` checks, ``criteria_french`` speaks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from campaigns.enums import (
    AttributeType,
    Civility,
    FamilySituation,
    Housing,
    Prestation,
    ProfessionalSituation,
    QuittanceState,
    RibState,
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
class Catalogue:
    """The fields that an installation knows: the built-in ones and its own extra attributes."""

    fields: Mapping[str, Field]

    def get(self, code: str) -> Field | None:
        return self.fields.get(code)

    def groups(self) -> dict[str, list[Field]]:
        """Fields by group, in the order in which a page lists them."""
        groups: dict[str, list[Field]] = {}
        for each in self.fields.values():
            groups.setdefault(each.group, []).append(each)
        return groups

    def extended(self, more: Iterable[Field]) -> "Catalogue":
        """The same catalogue with fields added, or replaced when they have the same code."""
        return Catalogue({**self.fields, **{each.code: each for each in more}})


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
            "true": f"avec « {label} »",
            "false": f"sans « {label} »",
            "is_set": f"avec « {label} » renseigné",
            "is_not_set": f"sans « {label} » renseigné",
        },
        is_sensitive=is_sensitive,
        origin=origin,
    )


def _choice(code: str, label: str, group: str, choices: Iterable[Any], stem: str, negative: str, unset: str) -> Field:
    return Field(
        code=code,
        label=label,
        type=FieldType.CHOICE,
        group=group,
        choices=tuple((str(value), str(text)) for value, text in choices),
        stem=stem,
        negative=negative,
        wording={"is_set": f"dont {unset} est connu", "is_not_set": f"dont {unset} n’est pas connu"},
    )


def _date(code: str, label: str, group: str, stem: str, is_set: str, is_not_set: str, **more: Any) -> Field:
    wording = {"is_set": is_set, "is_not_set": is_not_set}
    return Field(code=code, label=label, type=FieldType.DATE, group=group, stem=stem, wording=wording, **more)


def _yes_no(code: str, label: str, group: str, yes: str, no: str, **more: Any) -> Field:
    return Field(
        code=code, label=label, type=FieldType.BOOLEAN, group=group, wording={"true": yes, "false": no}, **more
    )


PERSON, FAMILY, TERRITORY = "Personne", "Famille", "Territoire et logement"
CONTACT, RIGHTS, WORK = "Coordonnées", "Prestations", "Situation professionnelle"
DECLARATIONS, FILE, HISTORY = "Déclarations et pièces", "Dossier", "Contacts passés"

_PRESTATIONS: Choices = tuple((value, label) for value, label in Prestation.choices)

_FIELDS: tuple[Field, ...] = (
    Field(
        code="age",
        label="âge",
        type=FieldType.AGE,
        group=PERSON,
        column="born_on",
        wording={
            "eq": "ayant {value} ans",
            "gte": "ayant {value} ans ou plus",
            "lte": "ayant {value} ans au plus",
            "gt": "ayant plus de {value} ans",
            "lt": "ayant moins de {value} ans",
            "between": "ayant de {low} à {high} ans",
        },
    ),
    _choice(
        "civility",
        "civilité",
        PERSON,
        Civility.choices,
        "dont la civilité est",
        "dont la civilité n’est pas",
        "le titre de civilité",
    ),
    Field(
        code="language",
        label="langue",
        type=FieldType.TEXT,
        group=PERSON,
        stem="dont la langue est",
        negative="dont la langue n’est pas",
        wording={"is_set": "dont la langue est connue", "is_not_set": "dont la langue n’est pas connue"},
    ),
    _yes_no("isolated", "isolé", FAMILY, "isolés", "non isolés", column="family_situation"),
    _choice(
        "family_situation",
        "situation familiale",
        FAMILY,
        FamilySituation.choices,
        "dont la situation familiale est",
        "dont la situation familiale n’est pas",
        "l’état familial",
    ),
    _date(
        "separated_on",
        "date de séparation",
        FAMILY,
        "séparés",
        "avec une date de séparation connue",
        "sans date de séparation connue",
    ),
    Field(
        code="children_count",
        label="enfants à charge",
        type=FieldType.NUMBER,
        group=FAMILY,
        wording={
            "eq": "avec {value} enfant(s) à charge",
            "ne": "avec un nombre d’enfants à charge autre que {value}",
            "gte": "avec au moins {value} enfant(s) à charge",
            "lte": "avec au plus {value} enfant(s) à charge",
            "gt": "avec plus de {value} enfant(s) à charge",
            "lt": "avec moins de {value} enfant(s) à charge",
            "between": "avec {low} à {high} enfants à charge",
        },
    ),
    Field(
        code="child_age",
        label="âge d’un enfant",
        type=FieldType.CHILD_AGE,
        group=FAMILY,
        column="children_born_on",
        wording={
            "eq": "avec au moins un enfant de {value} an(s)",
            "gte": "avec au moins un enfant de {value} an(s) ou plus",
            "lte": "avec au moins un enfant de {value} an(s) au plus",
            "gt": "avec au moins un enfant de plus de {value} an(s)",
            "lt": "avec au moins un enfant de moins de {value} an(s)",
            "between": "avec au moins un enfant de {low} à {high} ans",
        },
    ),
    _yes_no(
        "has_working_child",
        "enfant salarié signalé",
        FAMILY,
        "avec un enfant salarié signalé",
        "sans enfant salarié signalé",
    ),
    _date(
        "birth_expected_on",
        "naissance attendue",
        FAMILY,
        "dont une naissance est attendue",
        "avec une naissance attendue",
        "sans naissance attendue",
    ),
    _date(
        "event_on", "événement", FAMILY, "dont l’événement est prévu", "avec un événement prévu", "sans événement prévu"
    ),
    Field(
        code="epci",
        label="EPCI",
        type=FieldType.CHOICE,
        group=TERRITORY,
        column="commune_id",
        stem="habitant",
        negative="n’habitant pas",
        wording={"is_set": "dont l’EPCI est connu", "is_not_set": "dont l’EPCI n’est pas connu"},
    ),
    Field(
        code="commune",
        label="commune (code Insee)",
        type=FieldType.TEXT,
        group=TERRITORY,
        column="commune_id",
        stem="habitant",
        negative="n’habitant pas",
        wording={"is_set": "dont la commune est connue", "is_not_set": "dont la commune n’est pas connue"},
    ),
    Field(
        code="department",
        label="département",
        type=FieldType.TEXT,
        group=TERRITORY,
        column="commune_id",
        stem="habitant le département",
        negative="n’habitant pas le département",
        wording={"is_set": "dont le département est connu", "is_not_set": "dont le département n’est pas connu"},
    ),
    _choice(
        "housing",
        "logement",
        TERRITORY,
        Housing.choices,
        "dont le statut d’occupation est",
        "dont le statut d’occupation n’est pas",
        "le statut d’occupation",
    ),
    _date(
        "mail_returned_on",
        "courrier revenu",
        TERRITORY,
        "dont un courrier est revenu",
        "dont un courrier est revenu",
        "sans courrier revenu",
    ),
    _yes_no("has_email", "a un e-mail", CONTACT, "ayant un e-mail", "sans e-mail", column="email"),
    _yes_no("email_allowed", "e-mail autorisé", CONTACT, "autorisant l’e-mail", "n’autorisant pas l’e-mail"),
    _yes_no("has_mobile", "a un mobile", CONTACT, "ayant un mobile", "sans mobile", column="mobile"),
    _yes_no("sms_allowed", "SMS autorisé", CONTACT, "autorisant le SMS", "n’autorisant pas le SMS"),
    _yes_no("has_landline", "a un fixe", CONTACT, "ayant un téléphone fixe", "sans téléphone fixe", column="landline"),
    _yes_no("call_allowed", "appel autorisé", CONTACT, "autorisant l’appel", "n’autorisant pas l’appel"),
    Field(
        code="prestation",
        label="prestation",
        type=FieldType.PRESTATION,
        group=RIGHTS,
        column="prestations",
        choices=_PRESTATIONS,
        sensitive_values=SENSITIVE_PRESTATIONS,
        wording={
            "has": "percevant {value}",
            "has_not": "sans {value}",
            "has_any": "percevant {value}",
            "has_none": "sans {value}",
        },
    ),
    *(
        _date(
            f"{SINCE_PREFIX}{code}",
            f"{label} depuis",
            RIGHTS,
            f"dont {label} a été ouvert"
            if code in {"RSA", "ASF", "APL", "ALS", "ALF"}
            else f"pour qui le droit {label} est ouvert",
            f"dont la date d’ouverture ({label}) est connue",
            f"dont la date d’ouverture ({label}) n’est pas connue",
            is_sensitive=code in SENSITIVE_PRESTATIONS,
        )
        for code, label in _PRESTATIONS
    ),
    _date(
        "prepare_ends_on",
        "fin de la PreParE",
        RIGHTS,
        "dont la PreParE se termine",
        "avec une fin de PreParE connue",
        "sans fin de PreParE connue",
    ),
    _choice(
        "professional_situation",
        "situation professionnelle",
        WORK,
        ProfessionalSituation.choices,
        "dont la situation professionnelle est",
        "dont la situation professionnelle n’est pas",
        "l’emploi",
    ),
    _date(
        "professional_since",
        "situation professionnelle depuis",
        WORK,
        "dont la situation professionnelle a commencé",
        "dont la date de début de situation professionnelle est connue",
        "dont la date de début de situation professionnelle n’est pas connue",
    ),
    _yes_no("is_scholar", "boursier", WORK, "boursiers", "non boursiers"),
    _yes_no(
        "dtr_missing",
        "DTR attendue et non reçue",
        DECLARATIONS,
        "dont la DTR attendue n’est pas reçue",
        "sans DTR en attente",
        column="dtr_due_on",
    ),
    _date(
        "dtr_due_on",
        "DTR attendue",
        DECLARATIONS,
        "dont la DTR est attendue",
        "avec une DTR attendue",
        "sans DTR attendue",
    ),
    _date(
        "dtr_received_on",
        "DTR reçue",
        DECLARATIONS,
        "dont la DTR a été reçue",
        "dont une DTR a été reçue",
        "sans DTR reçue",
    ),
    _yes_no(
        "dar_missing",
        "déclaration annuelle attendue et non reçue",
        DECLARATIONS,
        "dont la déclaration annuelle attendue n’est pas reçue",
        "sans déclaration annuelle en attente",
        column="dar_due_on",
    ),
    _date(
        "dar_due_on",
        "déclaration annuelle attendue",
        DECLARATIONS,
        "dont la déclaration annuelle est attendue",
        "avec une déclaration annuelle attendue",
        "sans déclaration annuelle attendue",
    ),
    _date(
        "dar_received_on",
        "déclaration annuelle reçue",
        DECLARATIONS,
        "dont la déclaration annuelle a été reçue",
        "dont une déclaration annuelle a été reçue",
        "sans déclaration annuelle reçue",
    ),
    _choice(
        "rib_state", "RIB", DECLARATIONS, RibState.choices, "dont le RIB est", "dont le RIB n’est pas", "l’état du RIB"
    ),
    _choice(
        "quittance_state",
        "quittance de loyer",
        DECLARATIONS,
        QuittanceState.choices,
        "dont la quittance de loyer est",
        "dont la quittance de loyer n’est pas",
        "l’état de la quittance",
    ),
    _date(
        "documents_missing_since",
        "pièces manquantes depuis",
        DECLARATIONS,
        "dont des pièces manquent",
        "dont des pièces manquent",
        "sans pièce manquante",
    ),
    _date(
        "residence_permit_ends_on",
        "fin du titre de séjour",
        DECLARATIONS,
        "dont le titre de séjour se termine",
        "avec une fin de titre de séjour connue",
        "sans fin de titre de séjour connue",
        is_sensitive=True,
    ),
    _date(
        "affiliated_on",
        "affiliation",
        FILE,
        "affiliés",
        "dont la date d’affiliation est connue",
        "dont la date d’affiliation n’est pas connue",
    ),
    _yes_no(
        "is_under_guardianship",
        "mesure de protection",
        FILE,
        "sous mesure de protection",
        "hors mesure de protection",
        is_sensitive=True,
    ),
    _date(
        "closed_on",
        "dossier clos",
        FILE,
        "dont le dossier a été clos",
        "dont le dossier est clos",
        "dont le dossier est ouvert",
    ),
    Field(
        code="contacted_within_days",
        label="contacté dans les derniers jours",
        type=FieldType.HISTORY,
        group=HISTORY,
        wording={
            "within": "contactés depuis moins de {value}",
            "not_within": "pas contactés depuis {value}",
        },
    ),
)

BUILTIN_FIELDS: Mapping[str, Field] = {each.code: each for each in _FIELDS}
