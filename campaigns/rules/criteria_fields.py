"""The built-in facts that can select: one line each, by the groups in which a page lists them."""

from collections.abc import Iterable, Mapping
from typing import Any

from campaigns.enums import (
    Civility,
    FamilySituation,
    Housing,
    Prestation,
    ProfessionalSituation,
    QuittanceState,
    RibState,
)
from campaigns.rules.criteria_catalogue import SENSITIVE_PRESTATIONS, SINCE_PREFIX, Choices, Field, FieldType


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
PUBLICS = "Segments et listes"

_PRESTATIONS: Choices = tuple((value, label) for value, label in Prestation.choices)

# fmt: off
_FIELDS: tuple[Field, ...] = (
    Field(
        code="age", label="âge", type=FieldType.AGE, group=PERSON, column="born_on",
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
        "civility", "civilité", PERSON, Civility.choices, "dont la civilité est", "dont la civilité n’est pas",
        "le titre de civilité",
    ),
    Field(
        code="language", label="langue", type=FieldType.TEXT, group=PERSON, stem="dont la langue est",
        negative="dont la langue n’est pas",
        wording={"is_set": "dont la langue est connue", "is_not_set": "dont la langue n’est pas connue"},
    ),
    _yes_no("isolated", "isolé", FAMILY, "isolés", "non isolés", column="family_situation"),
    _choice(
        "family_situation", "situation familiale", FAMILY, FamilySituation.choices, "dont la situation familiale est",
        "dont la situation familiale n’est pas", "l’état familial",
    ),
    _date(
        "separated_on", "date de séparation", FAMILY, "séparés", "avec une date de séparation connue",
        "sans date de séparation connue",
    ),
    Field(
        code="children_count", label="enfants à charge", type=FieldType.NUMBER, group=FAMILY,
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
        code="child_age", label="âge d’un enfant", type=FieldType.CHILD_AGE, group=FAMILY, column="children_born_on",
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
        "has_working_child", "enfant salarié signalé", FAMILY, "avec un enfant salarié signalé",
        "sans enfant salarié signalé",
    ),
    _date(
        "birth_expected_on", "naissance attendue", FAMILY, "dont une naissance est attendue",
        "avec une naissance attendue", "sans naissance attendue",
    ),
    _date(
        "event_on", "événement", FAMILY, "dont l’événement est prévu", "avec un événement prévu",
        "sans événement prévu",
    ),
    Field(
        code="epci", label="EPCI", type=FieldType.CHOICE, group=TERRITORY, column="commune_id", stem="habitant",
        negative="n’habitant pas",
        wording={"is_set": "dont l’EPCI est connu", "is_not_set": "dont l’EPCI n’est pas connu"},
    ),
    Field(
        code="commune", label="commune (code Insee)", type=FieldType.TEXT, group=TERRITORY, column="commune_id",
        stem="habitant", negative="n’habitant pas",
        wording={"is_set": "dont la commune est connue", "is_not_set": "dont la commune n’est pas connue"},
    ),
    Field(
        code="department", label="département", type=FieldType.TEXT, group=TERRITORY, column="commune_id",
        stem="habitant le département", negative="n’habitant pas le département",
        wording={
            "is_set": "dont le département est connu",
            "is_not_set": "dont le département n’est pas connu",
        },
    ),
    _choice(
        "housing", "logement", TERRITORY, Housing.choices, "dont le statut d’occupation est",
        "dont le statut d’occupation n’est pas", "le statut d’occupation",
    ),
    _date(
        "mail_returned_on", "courrier revenu", TERRITORY, "dont un courrier est revenu",
        "dont un courrier est revenu", "sans courrier revenu",
    ),
    _yes_no("has_email", "a un e-mail", CONTACT, "ayant un e-mail", "sans e-mail", column="email"),
    _yes_no("email_allowed", "e-mail autorisé", CONTACT, "autorisant l’e-mail", "n’autorisant pas l’e-mail"),
    _yes_no("has_mobile", "a un mobile", CONTACT, "ayant un mobile", "sans mobile", column="mobile"),
    _yes_no("sms_allowed", "SMS autorisé", CONTACT, "autorisant le SMS", "n’autorisant pas le SMS"),
    _yes_no(
        "has_landline", "a un fixe", CONTACT, "ayant un téléphone fixe", "sans téléphone fixe", column="landline",
    ),
    _yes_no("call_allowed", "appel autorisé", CONTACT, "autorisant l’appel", "n’autorisant pas l’appel"),
    Field(
        code="prestation", label="prestation", type=FieldType.PRESTATION, group=RIGHTS, column="prestations",
        choices=_PRESTATIONS, sensitive_values=SENSITIVE_PRESTATIONS,
        wording={
            "has": "percevant {value}",
            "has_not": "sans {value}",
            "has_any": "percevant {value}",
            "has_none": "sans {value}",
        },
    ),
    *(
        _date(
            f"{SINCE_PREFIX}{code}", f"{label} depuis", RIGHTS, f"dont le droit ({label}) a été ouvert",
            f"dont la date d’ouverture ({label}) est connue", f"dont la date d’ouverture ({label}) n’est pas connue",
            is_sensitive=code in SENSITIVE_PRESTATIONS,
        )
        for code, label in _PRESTATIONS
    ),
    _date(
        "prepare_ends_on", "fin de la PreParE", RIGHTS, "dont la PreParE se termine",
        "avec une fin de PreParE connue", "sans fin de PreParE connue",
    ),
    _choice(
        "professional_situation", "situation professionnelle", WORK, ProfessionalSituation.choices,
        "dont la situation professionnelle est", "dont la situation professionnelle n’est pas", "l’emploi",
    ),
    _date(
        "professional_since", "situation professionnelle depuis", WORK,
        "dont la situation professionnelle a commencé",
        "dont la date de début de situation professionnelle est connue",
        "dont la date de début de situation professionnelle n’est pas connue",
    ),
    _yes_no("is_scholar", "boursier", WORK, "boursiers", "non boursiers"),
    _yes_no(
        "dtr_missing", "DTR attendue et non reçue", DECLARATIONS, "dont la DTR attendue n’est pas reçue",
        "sans DTR en attente", column="dtr_due_on",
    ),
    _date(
        "dtr_due_on", "DTR attendue", DECLARATIONS, "dont la DTR est attendue", "avec une DTR attendue",
        "sans DTR attendue",
    ),
    _date(
        "dtr_received_on", "DTR reçue", DECLARATIONS, "dont la DTR a été reçue", "dont une DTR a été reçue",
        "sans DTR reçue",
    ),
    _yes_no(
        "dar_missing", "déclaration annuelle attendue et non reçue", DECLARATIONS,
        "dont la déclaration annuelle attendue n’est pas reçue", "sans déclaration annuelle en attente",
        column="dar_due_on",
    ),
    _date(
        "dar_due_on", "déclaration annuelle attendue", DECLARATIONS, "dont la déclaration annuelle est attendue",
        "avec une déclaration annuelle attendue", "sans déclaration annuelle attendue",
    ),
    _date(
        "dar_received_on", "déclaration annuelle reçue", DECLARATIONS, "dont la déclaration annuelle a été reçue",
        "dont une déclaration annuelle a été reçue", "sans déclaration annuelle reçue",
    ),
    _choice(
        "rib_state", "RIB", DECLARATIONS, RibState.choices, "dont le RIB est", "dont le RIB n’est pas",
        "l’état du RIB",
    ),
    _choice(
        "quittance_state", "quittance de loyer", DECLARATIONS, QuittanceState.choices,
        "dont la quittance de loyer est", "dont la quittance de loyer n’est pas", "l’état de la quittance",
    ),
    _date(
        "documents_missing_since", "pièces manquantes depuis", DECLARATIONS,
        "dont les pièces manquantes ont été demandées", "dont des pièces manquent", "sans pièce manquante",
    ),
    _date(
        "residence_permit_ends_on", "fin du titre de séjour", DECLARATIONS, "dont le titre de séjour se termine",
        "avec une fin de titre de séjour connue", "sans fin de titre de séjour connue", is_sensitive=True,
    ),
    _date(
        "affiliated_on", "affiliation", FILE, "affiliés", "dont la date d’affiliation est connue",
        "dont la date d’affiliation n’est pas connue",
    ),
    _yes_no(
        "is_under_guardianship", "mesure de protection", FILE, "sous mesure de protection",
        "hors mesure de protection", is_sensitive=True,
    ),
    _date(
        "closed_on", "dossier clos", FILE, "dont le dossier a été clos", "dont le dossier est clos",
        "dont le dossier est ouvert",
    ),
    Field(
        code="contacted_within_days", label="contacté dans les derniers jours", type=FieldType.HISTORY, group=HISTORY,
        wording={
            "within": "contactés depuis moins de {value}",
            "not_within": "pas contactés depuis {value}",
        },
    ),
    Field(code="segment", label="segment", type=FieldType.SEGMENT, group=PUBLICS),
    Field(
        code="list", label="liste importée", type=FieldType.LIST, group=PUBLICS,
        wording={"in": "figurant dans {value}", "not_in": "ne figurant pas dans {value}"},
    ),
)
# fmt: on

BUILTIN_FIELDS: Mapping[str, Field] = {each.code: each for each in _FIELDS}
