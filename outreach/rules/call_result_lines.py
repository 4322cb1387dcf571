"""How one line of a dialler's file is read: number of the call, instant, result, length, note."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.rules.named_columns import Layout, plain, read_header, take
from campaigns.rules.population_values import InvalidValue, parse_date
from outreach.enums import CallResult

REQUIRED = ("appel", "date", "resultat")
OPTIONAL = ("duree", "note")
NOTE_LENGTH = 500
MAX_MINUTES = 240
MAX_AGE = timedelta(days=30)  # as long as rings count

# What diallers write, besides our codes and labels.
_SYNONYMS = {
    "contact": CallResult.REACHED,
    "joint": CallResult.REACHED,
    "jointe": CallResult.REACHED,
    "repondeur": CallResult.VOICEMAIL,
    "messagerie": CallResult.VOICEMAIL,
    "nrp": CallResult.NO_ANSWER,
    "ne repond pas": CallResult.NO_ANSWER,
    "absent": CallResult.NO_ANSWER,
    "occupe": CallResult.NO_ANSWER,
    "rappel": CallResult.CALL_BACK,
    "faux numero": CallResult.WRONG_NUMBER,
    "non attribue": CallResult.WRONG_NUMBER,
    "refus": CallResult.REFUSED,
    "ne veut plus etre contactee": CallResult.OPPOSED,
}
RESULTS = _SYNONYMS | {plain(word): result for result in CallResult for word in (result.value, str(result.label))}

_INSTANT = re.compile(r"(\S+?)[T\s]+(\d{1,2})\s*[h:]\s*(\d{2})(?::(\d{2}))?")


@dataclass(frozen=True)
class CallResultLine:
    call_id: int
    at: datetime
    result: CallResult
    minutes: int
    note: str


def read_layout(header: Sequence[str]) -> Layout:
    """Find the columns, whatever their order, case and accents. Raises ``UnknownColumns``."""
    return read_header(header, REQUIRED, OPTIONAL)


def read_line(cells: Sequence[str], layout: Layout, now: datetime, zone: ZoneInfo) -> CallResultLine:
    """Check one line. Raises ``InvalidLine``, which names the column and the reason, never the value."""
    return CallResultLine(
        call_id=take("appel", cells, layout, _read_number),
        at=take("date", cells, layout, _past_instant(now, zone)),
        result=take("resultat", cells, layout, _read_result),
        minutes=take("duree", cells, layout, _read_minutes),
        note=take("note", cells, layout, lambda text: text[:NOTE_LENGTH]),
    )


def _read_number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise InvalidValue("Le numéro de l’appel est celui de la colonne « appel » du fichier confié.")
    return int(text)


def _past_instant(now: datetime, zone: ZoneInfo) -> Callable[[str], datetime]:
    def read(text: str) -> datetime:
        found = _INSTANT.fullmatch(text)
        if not found:
            raise InvalidValue("Un instant s’écrit JJ/MM/AAAA HH:MM.")
        day, hour, minute, second = found.groups()
        try:
            local = time(int(hour), int(minute), int(second or 0))
        except ValueError:
            raise InvalidValue("Cette heure n’existe pas.") from None
        at = datetime.combine(date.fromisoformat(parse_date(day)), local, tzinfo=zone)
        if not now - MAX_AGE <= at <= now:
            raise InvalidValue("Cet instant n’est pas dans les trente derniers jours.")
        return at

    return read


def _read_result(text: str) -> CallResult:
    try:
        return RESULTS[plain(text)]
    except KeyError:
        known = ", ".join(result.value for result in CallResult)
        raise InvalidValue(f"Ce résultat est inconnu. Ceux qui se lisent : {known}.") from None


def _read_minutes(text: str) -> int:
    """Minutes, or ``MM:SS`` rounded up. Empty is 0."""
    if not text:
        return 0
    found = re.fullmatch(r"(\d{1,3})(?::(\d{2}))?", text)
    minutes = int(found[1]) + (int(found[2] or 0) > 0) if found else MAX_MINUTES + 1
    if minutes > MAX_MINUTES:
        raise InvalidValue(f"Une durée s’écrit en minutes, {MAX_MINUTES} au plus.")
    return minutes
