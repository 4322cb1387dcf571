"""Texts that agents write: Liquid without tags, filters or attributes, and the rules of contact they must obey."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.exceptions import LiquidError, UndefinedError

from campaigns.enums import Channel, Civility
from campaigns.rules.gsm7 import ALPHABET, SmsParts, simplify, sms_parts

__all__ = [
    "VARIABLES",
    "InvalidText",
    "MissingValue",
    "SmsParts",
    "advise_text",
    "check_text",
    "forecast_segments",
    "mark_offending",
    "render",
    "sample_values",
    "simplify_text",
    "sms_parts",
    "values_for",
    "variables_of",
]

SAMPLE_SITE = "https://aller-vers.caf.fr"
# Name → (what it is, an example that is as long as usual).
VARIABLES: Mapping[str, tuple[str, str]] = {
    "civilite": ("Civilité", "Madame"),
    "prenom": ("Prénom", "Dominique"),
    "nom": ("Nom", "MARTIN"),
    "caf": ("Nom de la Caf", "Caf des Pyrénées-Orientales"),
    "telephone_caf": ("Téléphone de la Caf", "3230"),
    "date_limite": ("Échéance à laquelle l’étape se réfère", "31/03/2026"),
    "date_dtr": ("Échéance de la déclaration trimestrielle", "31/03/2026"),
    "date_dar": ("Échéance de la déclaration annuelle", "31/03/2026"),
    "date_evenement": ("Date de l’événement", "31/03/2026"),
    "date_fin_prepare": ("Fin de la PreParE", "31/03/2026"),
    "date_fin_titre": ("Fin du titre de séjour", "31/03/2026"),
    "lien_opposition": ("Adresse de refus des messages", f"{SAMPLE_SITE}/stop/{'0' * 32}:{'x' * 43}/"),
}

# As people are called. « ï » is not in the alphabet of SMS: the whole text is then cut in shorter parts.
SHORTEST = {"civilite": "Madame", "prenom": "Léo", "nom": "LY"}
LONGEST = {"civilite": "Madame, Monsieur", "prenom": "Marie-Anaïs", "nom": "DE LA ROCHEFOUCAULD"}

_DATE_COLUMNS = {
    "date_limite": "anchor_on",
    "date_dtr": "dtr_due_on",
    "date_dar": "dar_due_on",
    "date_evenement": "event_on",
    "date_fin_prepare": "prepare_ends_on",
    "date_fin_titre": "residence_permit_ends_on",
}

MAX_SMS_SEGMENTS = 3
MAX_LENGTH = {Channel.SMS: 600, Channel.EMAIL: 10_000, Channel.CALL: 10_000}
MAX_SUBJECT = 150
LONGEST_TEXT = max(MAX_LENGTH.values())
MAX_VARIABLES = 100  # reading a text of braces never closed takes the square of their number
CAF_HOST = "www.caf.fr"


class MissingValue(LookupError):
    """A text names something that is not known of this person: nothing may be sent."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"Le texte utilise « {name} », qui n’est pas connu pour cette personne.")


class InvalidText(ValueError):
    """A text that cannot be read as a template."""


class _Environment(Environment):
    output_stream_limit = 20_000
    context_depth_limit = 5


def _environment() -> Environment:
    environment = _Environment(undefined=StrictUndefined)
    for tag in set(environment.tags) - {"content", "output", "illegal"}:
        del environment.tags[tag]
    environment.filters.clear()
    return environment


_ENVIRONMENT = _environment()


@lru_cache(maxsize=256)
def _template(text: str) -> BoundTemplate:
    if text.count("{{") > MAX_VARIABLES:
        raise InvalidText(f"Texte refusé : {MAX_VARIABLES} variables au plus.")
    try:
        return _ENVIRONMENT.from_string(text)
    except LiquidError as error:
        raise InvalidText(
            "Texte illisible : seules des variables simples, comme {{ prenom }}, sont permises."
        ) from error


def render(text: str, values: Mapping[str, str]) -> str:
    """The text with its variables replaced.

    Raises ``MissingValue`` when one is not in ``values``, ``InvalidText`` when the text is not a template of ours.
    """
    try:
        return _template(text).render(**{name: values[name] for name in VARIABLES if values.get(name)})
    except UndefinedError as error:
        known = {*VARIABLES} & variables_of(text)
        raise MissingValue(next((name for name in sorted(known) if not values.get(name)), "?")) from error
    except LiquidError as error:
        raise InvalidText("Texte refusé : il dépasse les limites permises.") from error


def variables_of(text: str) -> set[str]:
    """Variables as written, « person.name » included. Raises ``InvalidText``."""
    found = _template(text).analyze().variables
    return {".".join(str(s) for s in use.segments) for uses in found.values() for use in uses}


def sample_values(*, caf: str = "", site: str = "") -> dict[str, str]:
    """One plausible value for each variable, to preview a text and count its parts.

    ``caf``, ``site``: the name and the public address of this installation, where they are known.
    """
    values = {name: example for name, (_, example) in VARIABLES.items()}
    link = values["lien_opposition"].replace(SAMPLE_SITE, site.rstrip("/") or SAMPLE_SITE)
    return {**values, "caf": caf or values["caf"], "lien_opposition": link}


def forecast_segments(body: str, values: Mapping[str, str]) -> tuple[int, int]:
    """In how many parts an SMS leaves, at least and at most, as people's names are short or long.

    ``values``: those of ``sample_values``. Raises what ``render`` raises.
    """
    shortest, longest = (sms_parts(render(body, {**values, **names})).segments for names in (SHORTEST, LONGEST))
    return shortest, longest


def values_for(
    allocataire_values: Mapping[str, Any], *, caf: str = "Caf", telephone_caf: str = "3230", lien_opposition: str = ""
) -> dict[str, str]:
    """What a text may say of a person, from the columns of her row (plus ``anchor_on``, the date of the step).

    What is not known is left out, so that ``render`` refuses rather than writes a hole.
    """
    values = {
        "civilite": dict(Civility.choices).get(allocataire_values.get("civility", ""), "Madame, Monsieur"),
        "prenom": allocataire_values.get("first_name", ""),
        "nom": str(allocataire_values.get("last_name", "")).upper(),
        "caf": caf,
        "telephone_caf": telephone_caf,
        "lien_opposition": lien_opposition,
    }
    days = {name: allocataire_values.get(column) for name, column in _DATE_COLUMNS.items()}
    values |= {name: f"{day:%d/%m/%Y}" for name, day in days.items() if isinstance(day, date)}
    return {name: str(value) for name, value in values.items() if value}


# --- Rules of contact ---------------------------------------------------------------------------
# Compared with the text in lower case and without accents.

_RIGHTS = (
    r"rsa", r"ppa", r"asf", r"aah", r"aeeh", r"apl", r"als", r"alf", r"paje", r"ars", r"conge parental",
    r"primes? d'activite", r"revenu de solidarite", r"(?<!caisse d')allocations? \w+", r"aides? au logement",
    r"complement familial", r"pensions? alimentaires?",
)  # fmt: skip
_AMOUNTS = (r"\d[\d ,.]*(?:€|euros?)", r"€", r"euros?")
_FAMILY = (
    r"separe\w*", r"separation", r"divorc\w+", r"celibataires?", r"veufs?", r"veuves?", r"conjointe?s?", r"concubin\w*",
    r"en couple", r"vie maritale", r"vie commune", r"parents? isoles?", r"isolee?s?", r"enceinte", r"grossesse",
    r"naissance", r"enfants?", r"pacs\w*", r"marie(?:e|s|es)?", r"mariage",
)  # fmt: skip
_THREATS = (
    r"sanctions?", r"penalites?", r"fraud\w+", r"poursuites?", r"amendes?", r"sous peine", r"huissiers?",
    r"radi(?:e|ation)\w*", r"contentieux", r"suspen(?:du|due|dus|dues|dre|sion|dons|drons)",
    r"supprim(?:e|er|ee|es|ons|erons)", r"mise en demeure", r"tribunal", r"coup(?:er|erons) vos droits",
    r"perd(?:re|rez) vos droits",
)  # fmt: skip
_URGENCY = (
    r"urgen(?:t|te|ts|ce)", r"urgemment", r"immediatement", r"sans delai", r"sans tarder", r"dernier rappel",
    r"derniere chance", r"au plus vite", r"des que possible", r"imperatif", r"imperativement", r"vite",
)  # fmt: skip
_SHORTENERS = (
    r"bit\.ly",
    r"tinyurl",
    r"goo\.gl",
    r"t\.co",
    r"ow\.ly",
    r"lnkd\.in",
    r"is\.gd",
    r"urlr\.me",
    r"cutt\.ly",
)
_LINK = re.compile(
    r"(?:https?|ftp)://\S+|\b(?:www\.)?(?:[\w-]+\.)+(?:fr|com|net|org|eu|info|io|me|ly|gl|co|gd|be|link|app|site)\b(?:/\S*)?",
    re.IGNORECASE,
)
_RECOMMENDED = re.compile(r"deja fait|venez d'|deja (?:ete )?(?:declare|transmis|effectue|depose|envoye)")


def check_text(channel: str, subject: str, body: str) -> list[str]:
    """Every hard rule of contact that a text breaks, in French; empty when it may be sent."""
    try:
        unknown = sorted({name for text in (subject, body) for name in variables_of(text)} - {*VARIABLES})
    except InvalidText as error:
        return [str(error)]
    problems = [f"Variable inconnue « {name} » (connues : {', '.join(VARIABLES)})." for name in unknown]
    problems += _size_problems(channel, subject, body)
    if not unknown:
        problems += _length_as_sent(channel, body)
    return problems + list(_content_problems(channel, f"{subject}\n{body}"))


def advise_text(channel: str, body: str) -> list[str]:
    """What would make a text better without being obligatory, in French."""
    advice = []
    if not _RECOMMENDED.search(_plain(body)):
        advice.append(
            "Le texte reste-t-il vrai si la personne vient de faire la démarche ? (« si ce n’est pas déjà fait »)"
        )
    if channel == Channel.SMS and (offending := sms_parts(body).offending):
        plainer = ", ".join(f"{_name(simplify(character))} pour {_name(character)}" for character in offending)
        advice.append(f"Certains caractères ramènent chaque SMS de 160 à 70 caractères. Écrivez plutôt {plainer}.")
    return advice


_OUTPUT = re.compile(r"(\{\{.*?\}\})", re.DOTALL)


def simplify_text(body: str) -> str:
    """The same text within the alphabet of SMS, its variables as they were written.

    Unchanged when it cannot be read, or when what is left of it would be read as another variable.
    """
    try:
        written = variables_of(body)
        pieces = _OUTPUT.split(body)
        simpler = "".join(piece if place % 2 else simplify(piece) for place, piece in enumerate(pieces))
        kept = _OUTPUT.findall(simpler) == pieces[1::2] and variables_of(simpler) == written
    except InvalidText:
        return body
    return simpler if kept else body


def mark_offending(text: str) -> list[tuple[str, str]]:
    """The text cut where it leaves the alphabet of SMS: each piece, and what to say of it (nothing: it is within)."""
    pieces = ((is_within, "".join(found)) for is_within, found in groupby(text, key=ALPHABET.__contains__))
    return [(piece, "" if is_within else _say_offending(piece)) for is_within, piece in pieces]


def _say_offending(piece: str) -> str:
    unseen = "" if piece.isprintable() else " et ".join(dict.fromkeys(_name(c) for c in piece)) + ", "
    return f"{unseen}rallonge le SMS"


def _name(character: str) -> str:
    """So that what cannot be seen is told as well."""
    if not character or character == " ":
        return "une espace ordinaire" if character else "rien"
    if character.isspace():
        return "une espace insécable"
    return f"« {character} »" if character.isprintable() else "un caractère invisible"


def _size_problems(channel: str, subject: str, body: str) -> Iterator[str]:
    limit = MAX_LENGTH[Channel(channel)]
    if not body.strip():
        yield "Le texte est vide."
    if len(body) > limit:
        yield f"Le texte fait {len(body)} caractères ; {limit} au plus."
    if channel == Channel.EMAIL and not subject.strip():
        yield "Un e-mail a besoin d’un objet."
    if channel != Channel.EMAIL and subject.strip():
        yield "Seul un e-mail a un objet."
    if len(subject) > MAX_SUBJECT or "\n" in subject or "\r" in subject:
        yield f"L’objet tient sur une ligne de {MAX_SUBJECT} caractères au plus."
    if "\x00" in subject + body:
        yield "Le texte contient un caractère interdit."


def _length_as_sent(channel: str, body: str) -> Iterator[str]:
    if channel != Channel.SMS:
        return
    parts = sms_parts(render(body, sample_values()))
    if parts.segments > MAX_SMS_SEGMENTS:
        yield f"Le SMS serait coupé en {parts.segments} ; {MAX_SMS_SEGMENTS} au plus."


def _content_problems(channel: str, text: str) -> Iterator[str]:
    plain = _plain(text)
    if channel == Channel.SMS:
        yield from _found("ne nomme aucun droit", _RIGHTS, plain)
        yield from _found("n’annonce aucun montant", _AMOUNTS, plain)
        yield from _found("ne dit rien de la situation familiale", _FAMILY, plain)
    yield from _found("ne menace pas", _THREATS, plain)
    yield from _found("ne presse pas", _URGENCY, plain)
    if re.search(r"!\s*!", text):
        yield "Un message ne presse pas : un seul point d’exclamation."
    yield from _link_problems(text)


def _found(rule: str, patterns: Iterable[str], plain: str) -> Iterator[str]:
    for pattern in patterns:
        if match := re.search(rf"(?<!\w){pattern}(?!\w)", plain):
            yield f"Un message {rule} : retirez « {match[0].strip()} »."


def _link_problems(text: str) -> Iterator[str]:
    for match in _LINK.finditer(text):
        link = match[0].rstrip(".,;:!?)»\"'")
        if any(re.search(rf"(?<!\w){shortener}", link.lower()) for shortener in _SHORTENERS):
            yield f"Pas d’adresse raccourcie : « {link} »."
        elif not _is_ours(link):
            yield f"Lien refusé « {link} » : seules les adresses sous https://{CAF_HOST} sont permises."


def _is_ours(link: str) -> bool:
    try:
        parts = urlsplit(link)
        return (parts.scheme, parts.netloc) == ("https", CAF_HOST)
    except ValueError:
        return False


def _plain(text: str) -> str:
    """Lower case, without accents, one kind of apostrophe and of space, variables removed: what rules compare."""
    text = re.sub(r"\{\{.*?\}\}", " ", text.replace("’", "'").lower())
    decomposed = unicodedata.normalize("NFKD", text)
    return re.sub(r"\s+", " ", "".join(c for c in decomposed if not unicodedata.combining(c)))
