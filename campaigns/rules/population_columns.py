"""The columns of a population extract: their French headers, and what no line may hold."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

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

_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ufffd\ufffe\uffff]|[\ud800-\udfff]")
_USUAL = bytes(range(32, 127)) + b"\t\n"  # what a line may hold without being looked at again
# Everything that may stand in a NIR becomes a 1, beyond ASCII included: fewer than 13 in a row, and there is none.
_RUNS = bytes(
    ord("1") if byte > 126 or chr(byte) in "0123456789ABab .-_/" else ord("\n") if byte == 10 else ord("0")
    for byte in range(256)
)
_LONG_RUN = b"1" * 13
_SHAPE = 30  # characters of a shape: enough to recognise a column
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_.]{0,39}")


class InvalidLine(ValueError):
    """A line that cannot be taken: the column, the class of the value and a French reason, never the value."""

    def __init__(self, reason: str, *, column: str = "", value_class: str = "") -> None:
        super().__init__(reason)
        self.reason, self.column, self.value_class = reason, column, value_class


class InvalidHeader(ValueError):
    """The first line does not say where to find what: a French sentence."""


def check_line(text: str) -> None:
    """Refuse what no cell may hold: unreadable bytes, control characters, a NIR."""
    if not (text.isascii() and text.isprintable()) and (found := _FORBIDDEN.search(text)):
        raise InvalidLine(_describe_forbidden(found[0]), value_class="signe interdit")
    if holds_nir(text):
        raise InvalidLine(
            "La ligne contient un numéro de sécurité sociale : l’extraction ne doit pas en porter.", value_class="NIR"
        )


def check_width(cells: Sequence[str], width: int) -> None:
    if len(cells) != width:
        raise InvalidLine(
            f"La ligne compte {len(cells)} colonnes au lieu de {width}.", value_class="nombre de colonnes"
        )


def is_plain(text: str) -> bool:
    """Does every line of a block surely pass ``check_line``? False when one must be looked at alone.

    Bytes are looked at by ``translate``: a regular expression over every character would cost more than the rest.
    """
    data = text.encode("utf-8", "surrogatepass")
    unusual = data.translate(None, _USUAL).decode("utf-8", "surrogatepass")
    return not _FORBIDDEN.search(unusual) and _LONG_RUN not in data.translate(_RUNS)


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


def propose_fields(header: Sequence[str], extras: Mapping[str, str], mapping: Mapping[str, str]) -> list[str]:
    """French header of the field of each column, as ``map_header`` would take it; "" when nothing is proposed."""
    said = {_slug(column): target for column, target in mapping.items()}
    names = [said.get(slug, slug) for slug in map(_slug, header)]
    return [name if _field_of(name, False, extras) else "" for name in names]


def shape_of(text: str) -> str:
    """What a cell looks like without what it says: ``Le Gall 06`` → ``Xx Xxxx 99``."""
    return "".join("9" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in text)[:_SHAPE]


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
