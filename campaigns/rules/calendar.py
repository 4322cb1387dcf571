"""When a person may be contacted: hours, days and public holidays of the territory where she lives.

SMS and calls go from Monday to Friday, never on a public holiday; e-mails any day. A day without a known window is a
closed day: nothing is sent by default.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import holidays

from campaigns.enums import Channel

WORKING_DAY_CHANNELS = frozenset({Channel.SMS.value, Channel.CALL.value})
SATURDAY = 5
HORIZON_DAYS = 30  # the longest run of closed days of any territory is far shorter

METROPOLE = "Europe/Paris"
# Department → (zone, subdivision of the ``holidays`` library). Saint-Barthélemy, Saint-Martin: Guadeloupe's hour.
TERRITORIES: dict[str, tuple[str, str]] = {
    "57": (METROPOLE, "57"),
    "67": (METROPOLE, "6AE"),
    "68": (METROPOLE, "6AE"),
    "971": ("America/Guadeloupe", "971"),
    "972": ("America/Martinique", "972"),
    "973": ("America/Cayenne", "973"),
    "974": ("Indian/Reunion", "974"),
    "975": ("America/Miquelon", "PM"),
    "976": ("Indian/Mayotte", "976"),
    "977": ("America/Guadeloupe", "BL"),
    "978": ("America/Guadeloupe", "MF"),
    "986": ("Pacific/Wallis", "WF"),
    "987": ("Pacific/Tahiti", "PF"),
    "988": ("Pacific/Noumea", "NC"),
}


class InvalidHours(ValueError):
    """Contact hours that are not a list of ordered slots."""


class NoContactWindow(Exception):
    """No window opens in the next weeks: the hours or the calendar must be wrong, and nothing may be sent."""


@dataclass(frozen=True)
class Territory:
    """``subdivision``: code of the ``holidays`` library; None where only the national holidays apply."""

    zone: ZoneInfo
    subdivision: str | None


@dataclass(frozen=True)
class Hours:
    """Slots of a day in local time, in order: the opening minute is in, the closing minute is out."""

    slots: tuple[tuple[time, time], ...]


@dataclass(frozen=True)
class Window:
    """Instants between which a contact may be made; ``closes_at`` is already too late."""

    opens_at: datetime
    closes_at: datetime


@lru_cache(maxsize=256)
def _territory_of_department(department: str) -> Territory:
    zone, subdivision = TERRITORIES.get(department, (METROPOLE, None))
    return Territory(ZoneInfo(zone), subdivision)


def territory_of(commune_code: str) -> Territory:
    """Zone and holidays of a commune, from its Insee code (``97411`` → La Réunion)."""
    return _territory_of_department(commune_code[:3] if commune_code.startswith(("97", "98")) else commune_code[:2])


@lru_cache(maxsize=32)
def parse_hours(text: str) -> Hours:
    """Read ``10:00-13:00,14:00-20:00``. Raises ``InvalidHours``."""
    try:
        slots = tuple(_parse_slot(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidHours(f"Horaires illisibles : « {text} ». Écrivez par exemple 10:00-13:00,14:00-20:00.") from error
    bounds = [bound for slot in slots for bound in slot]
    if any(later <= earlier for earlier, later in pairwise(bounds)):
        raise InvalidHours(f"Horaires en désordre : « {text} ». Chaque créneau doit suivre le précédent.")
    return Hours(slots)


def _parse_slot(text: str) -> tuple[time, time]:
    start, end = text.split("-")
    return time.fromisoformat(start.strip()), time.fromisoformat(end.strip())


def local_day(at: datetime, territory: Territory) -> date:
    """The day it is there at that instant."""
    return at.astimezone(territory.zone).date()


def is_working_day(day: date, territory: Territory) -> bool:
    return day.weekday() < SATURDAY and day not in _holidays_of(territory.subdivision, day.year)


@lru_cache(maxsize=128)
def _holidays_of(subdivision: str | None, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("FR", subdiv=subdivision, years=year))


def next_window(at: datetime, *, channel: str, territory: Territory, hours: Hours) -> Window:
    """The window open at that instant (it then opens at ``at``), else the next one. Instants in UTC but ``at`` itself.

    Raises ``NoContactWindow`` when none opens within ``HORIZON_DAYS``.
    """
    first = local_day(at, territory)
    for offset in range(HORIZON_DAYS):
        for window in _windows_of(first + timedelta(days=offset), channel, territory, hours):
            if window.closes_at > at:
                return Window(max(window.opens_at, at), window.closes_at)
    raise NoContactWindow(
        f"Aucun créneau de contact ne s’ouvre dans les {HORIZON_DAYS} jours. Vérifiez les horaires de contact."
    )


def is_open(at: datetime, *, channel: str, territory: Territory, hours: Hours) -> bool:
    """Whether a contact may be made at that very instant."""
    windows = _windows_of(local_day(at, territory), channel, territory, hours)
    return any(window.opens_at <= at < window.closes_at for window in windows)


def _windows_of(day: date, channel: str, territory: Territory, hours: Hours) -> Iterator[Window]:
    if channel in WORKING_DAY_CHANNELS and not is_working_day(day, territory):
        return
    for start, end in hours.slots:
        yield Window(_instant(day, start, territory.zone), _instant(day, end, territory.zone))


def _instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    # In UTC: two instants of one zone would be compared by their wall clocks, wrong around a change of hour.
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
