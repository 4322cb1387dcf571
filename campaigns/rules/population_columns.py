"""The columns of a population extract: their French headers, and how one line becomes one row."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from campaigns.enums import (
    Civility,
    FamilySituation,
    Housing,
    ProfessionalSituation,
    QuittanceState,
    RibState,
)
from campaigns.rules import population_values as values
from campaigns.rules.contact_points import normalise_email, normalise_landline, normalise_mobile, region_of
from campaigns.rules.nir import holds_nir

FIELD_OF_HEADER = {
    "matricule": "matricule",
    "civilite": "civility",
    "nom": "last_name",
    "prenom": "first_name",
    "date_naissance": "born_on",
    "langue": "language",
    "situation_familiale": "family_situation",
    "date_separation": "separated_on",
    "nb_enfants": "children_count",
    "dates_naissance_enfants": "children_born_on",
    "enfant_salarie": "has_working_child",
    "naissance_attendue_le": "birth_expected_on",
    "evenement_le": "event_on",
    "commune": "commune_id",
    "logement": "housing",
    "courrier_revenu_le": "mail_returned_on",
    "email": "email",
    "email_autorise": "email_allowed",
    "mobile": "mobile",
    "sms_autorise": "sms_allowed",
    "fixe": "landline",
    "appel_autorise": "call_allowed",
    "prestations": "prestations",
    "fin_prepare": "prepare_ends_on",
    "situation_pro": "professional_situation",
    "situation_pro_depuis": "professional_since",
    "dtr_attendue_le": "dtr_due_on",
    "dtr_recue_le": "dtr_received_on",
    "dar_attendue_le": "dar_due_on",
    "dar_recue_le": "dar_received_on",
    "rib": "rib_state",
    "quittance": "quittance_state",
    "pieces_manquantes_depuis": "documents_missing_since",
    "fin_titre_sejour": "residence_permit_ends_on",
    "boursier": "is_scholar",
    "affiliation_le": "affiliated_on",
    "tutelle": "is_under_guardianship",
    "dossier_clos_le": "closed_on",
    "deces_le": "deceased_on",
}
MANDATORY = ("matricule", "nom")
EXTRA = "extra."
IGNORED = ""
MAX_LINE = 32_768  # characters; a real line holds under a thousand

_CIVILITIES = {"MADAME": "MME", "F": "MME", "MONSIEUR": "M", "MR": "M", "H": "M"}
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ufffd\ufffe\uffff]|[\ud800-\udfff]")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_.]{0,39}")
_CONTACTS = {"email": "e-mail", "mobile": "mobile", "landline": "fixe"}


class InvalidLine(ValueError):
    """A line that cannot be taken: the column, the class of the value and a French reason, never the value."""

    def __init__(self, reason: str, *, column: str = "", value_class: str = "") -> None:
        super().__init__(reason)
        self.reason, self.column, self.value_class = reason, column, value_class


class InvalidHeader(ValueError):
    """The first line does not say where to find what: a French sentence."""


@dataclass(frozen=True)
class ParsedLine:
    """``cells`` follow ``LineParser.fields``; ``repaired`` names the contact points that were unusable and emptied."""

    cells: list[str]
    repaired: list[str]


def check_line(text: str) -> None:
    """Refuse what no cell may hold: unreadable bytes, control characters, a NIR."""
    if not (text.isascii() and text.isprintable()) and (found := _FORBIDDEN.search(text)):
        raise InvalidLine(_describe_forbidden(found[0]), value_class="signe interdit")
    if holds_nir(text):
        raise InvalidLine(
            "La ligne contient un numéro de sécurité sociale : l’extraction ne doit pas en porter.", value_class="NIR"
        )


def map_header(header: Sequence[str], extras: Mapping[str, str], mapping: Mapping[str, str] | None = None) -> list[str]:
    """Field of each column of a header line ("" = ignored).

    Names are matched whatever their case, accents and spaces; ``mapping`` says it explicitly, {column: field or French
    header, or "" to ignore}; ``extras`` are the declared attributes, {code: type}. Raises ``InvalidHeader``.
    """
    said = {_slug(column): target for column, target in (mapping or {}).items()}
    fields = [_field_of(said.get(slug, slug), slug in said, extras) for slug in map(_slug, header)]
    known = [field for field in fields if field]
    if missing := [name for name in MANDATORY if FIELD_OF_HEADER[name] not in known]:
        raise InvalidHeader(
            f"Colonne obligatoire absente : {', '.join(missing)}. La première ligne doit nommer les colonnes, séparées "
            "par un point-virgule, une virgule ou une tabulation."
        )
    if unknown := [position for position, field in enumerate(fields) if field is None]:
        raise InvalidHeader(_unknown_columns(unknown, header))
    if twice := sorted({field for field in known if known.count(field) > 1}):
        raise InvalidHeader(f"La même donnée est portée par deux colonnes : {', '.join(twice)}.")
    return [field or IGNORED for field in fields]


class LineParser:
    """Validates the cells of a line and orders them as ``fields``; ``extra`` gathers the attributes of the Caf."""

    def __init__(
        self, header: Sequence[str], columns: Sequence[str], *, extras: Mapping[str, str], communes: Collection[str],
        today: date,
    ) -> None:  # fmt: skip
        self._width = len(columns)
        parsers = _parsers(communes, today)
        positions = {field: position for position, field in enumerate(columns) if field}
        named = [field for field in positions if not field.startswith(EXTRA)]
        self.extra_codes = [field.removeprefix(EXTRA) for field in positions if field.startswith(EXTRA)]
        self.fields = [f for f in named if f not in _CONTACTS] + [f for f in named if f in _CONTACTS] + ["extra"]
        self._plain = [(positions[f], header[positions[f]], parsers[f]) for f in named if f not in _CONTACTS]
        self._contacts = [(positions[f], f) for f in named if f in _CONTACTS]
        self._extras = [
            (positions[EXTRA + code], EXTRA + code, _remember(values.extra_attribute(code, extras[code])))
            for code in self.extra_codes
        ]
        self._commune = positions.get("commune_id")
        self._matricule = positions["matricule"]

    def parse(self, cells: Sequence[str]) -> ParsedLine:
        """Raises ``InvalidLine``."""
        if len(cells) != self._width:
            raise InvalidLine(
                f"La ligne compte {len(cells)} colonnes au lieu de {self._width}.", value_class="nombre de colonnes"
            )
        taken = _take(self._plain, cells)
        repaired = self._append_contacts(taken, cells)
        taken.append("{" + ", ".join(filter(None, _take(self._extras, cells))) + "}")
        return ParsedLine(taken, repaired)

    def matricule_of(self, cells: Sequence[str]) -> str:
        """What stands in the column of the matricule, unchecked; empty when the line is too short."""
        return cells[self._matricule] if len(cells) == self._width else ""

    def _append_contacts(self, taken: list[str], cells: Sequence[str]) -> list[str]:
        """An unusable address empties the cell, the person stays: losing her would lose her other channels too."""
        region = region_of(cells[self._commune].zfill(5)) if self._commune is not None else "FR"
        repaired = []
        for position, field in self._contacts:
            text = cells[position]
            value = _normalise_contact(field, text, region) if text else ""
            if text and not value:
                repaired.append(_CONTACTS[field])
            taken.append(value)
        return repaired


def _take(plan: Sequence[tuple[int, str, values.Parse]], cells: Sequence[str]) -> list[str]:
    taken: list[str] = []
    try:
        for position, _column, parse in plan:
            taken.append(parse(cells[position]))
    except values.InvalidValue as refusal:
        position, column, _parse = plan[len(taken)]
        raise InvalidLine(str(refusal), column=column[:80], value_class=values.class_of(cells[position])) from None
    return taken


def _normalise_contact(field: str, text: str, region: str) -> str:
    if field == "email":
        return normalise_email(text)
    return normalise_mobile(text, region) if field == "mobile" else normalise_landline(text, region)


def _parsers(communes: Collection[str], today: date) -> dict[str, values.Parse]:
    """Every field's parser; those whose values repeat from line to line remember what they read."""
    past = _remember(values.past_date(today))
    day = _remember(values.parse_date)
    boolean = _remember(values.parse_boolean)
    parsers = {field: past if field.endswith(("_on", "_since")) else boolean for field in FIELD_OF_HEADER.values()}
    future = (
        "birth_expected_on",
        "event_on",
        "prepare_ends_on",
        "dtr_due_on",
        "dar_due_on",
        "residence_permit_ends_on",
    )
    enums = {
        "civility": values.choice(values.codes_of(Civility), _CIVILITIES),
        "family_situation": values.choice(values.codes_of(FamilySituation)),
        "housing": values.choice(values.codes_of(Housing)),
        "professional_situation": values.choice(values.codes_of(ProfessionalSituation)),
        "rib_state": values.choice(values.codes_of(RibState)),
        "quittance_state": values.choice(values.codes_of(QuittanceState)),
    }
    return (
        parsers
        | dict.fromkeys(future, day)
        | {field: _remember(parse) for field, parse in enums.items()}
        | {
            "matricule": values.parse_matricule,
            "last_name": values.parse_last_name,
            "first_name": _remember(values.parse_name),
            "language": _remember(values.parse_language),
            "children_count": _remember(values.parse_count),
            "children_born_on": values.past_dates(past),
            "commune_id": _remember(values.commune_among(communes)),
            "prestations": values.parse_prestations,
        }
    )


def _remember(parse: values.Parse) -> values.Parse:
    return lru_cache(maxsize=1 << 14)(parse)


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.strip().lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[\s'-]+", "_", plain)


def _field_of(name: str, is_said: bool, extras: Mapping[str, str]) -> str | None:
    """None: unknown."""
    if is_said and name == IGNORED:
        return IGNORED
    if name in FIELD_OF_HEADER:
        return FIELD_OF_HEADER[name]
    if is_said and name in FIELD_OF_HEADER.values():
        return name
    return name if name.startswith(EXTRA) and name.removeprefix(EXTRA) in extras else None


def _unknown_columns(positions: Sequence[int], header: Sequence[str]) -> str:
    """Names are quoted only when they look like column names: a file without a header starts with somebody's data."""
    names = [
        f"n° {p + 1} ({_slug(header[p])})" if _IDENTIFIER.fullmatch(_slug(header[p])) else f"n° {p + 1}"
        for p in positions
    ]
    return (
        f"Colonne inconnue : {', '.join(names[:10])}. Corriger son nom, la déclarer comme attribut (extra.code) ou "
        "demander de l’ignorer."
    )


def _describe_forbidden(character: str) -> str:
    if "\ud800" <= character <= "\udfff" or character == "\ufffd":
        return "La ligne contient des octets illisibles dans l’encodage du fichier."
    if character == "\x00":
        return "La ligne contient un caractère nul."
    return "La ligne contient un caractère de contrôle."
