"""Contact windows against an oracle that shares nothing with them: every half hour of eleven years, looked at alone.

The oracle knows the Gregorian computus, the Code du travail (L3133-1, L3134-13, L3422-2) and the customs of each
territory, and reads the local clock of each tick: no arithmetic on windows, no library of holidays.
``FULL=1`` runs the whole of it; the suite runs a part.
"""

import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from campaigns.enums import Channel
from campaigns.rules.calendar import is_open, next_window, parse_hours, territory_of
from tests.faults.sizes import size_of

INSTANTS = size_of("window_instants")
TICK = timedelta(minutes=30)  # every bound of hours, and every change of clock, falls on one
BEGINNING, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2037, 1, 1, tzinfo=UTC)
SLOTS = {
    Channel.SMS: [(time(10), time(13)), (time(14), time(20))],
    Channel.EMAIL: [(time(7), time(21))],
}
HOURS = {Channel.SMS: parse_hours("10:00-13:00,14:00-20:00"), Channel.EMAIL: parse_hours("07:00-21:00")}

FIXED = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)]
AFTER_EASTER = [1, 39, 50]  # Easter Monday, Ascension, Whit Monday
PLACES: dict[str, tuple[str, list[tuple[int, int]], list[int]]] = {  # commune: zone, own days, own days after Easter
    "66136": ("Europe/Paris", [], []),
    "57463": ("Europe/Paris", [(12, 26)], [-2]),
    "67482": ("Europe/Paris", [(12, 26)], [-2]),
    "97105": ("America/Guadeloupe", [(5, 27), (7, 21)], [-2, -24]),
    "97209": ("America/Martinique", [(5, 22), (7, 21)], []),
    "97302": ("America/Cayenne", [(6, 10)], []),
    "97411": ("Indian/Reunion", [(12, 20)], []),
    "97608": ("Indian/Mayotte", [(4, 27)], []),
    "98818": ("Pacific/Noumea", [(9, 24)], []),
}


@cache
def easter(year: int) -> date:
    """Meeus, Jones, Butcher (Astronomical Algorithms, ch. 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    (d, e), g = divmod(b, 4), (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    lunar = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * lunar) // 451
    month, day = divmod(h + lunar - 7 * m + 114, 31)
    return date(year, month, day + 1)


@cache
def rests(day: date, commune: str) -> bool:
    _, own, own_after_easter = PLACES[commune]
    since_easter = (day - easter(day.year)).days
    return (
        day.isoweekday() > 5 or (day.month, day.day) in FIXED + own or since_easter in AFTER_EASTER + own_after_easter
    )


def may_contact(at: datetime, commune: str, channel: Channel) -> bool:
    local = at.astimezone(ZoneInfo(PLACES[commune][0]))
    if channel == Channel.SMS and rests(local.date(), commune):
        return False
    return any(start <= local.time() < end for start, end in SLOTS[channel])


def open_intervals(commune: str, channel: Channel) -> Iterator[tuple[datetime, datetime]]:
    opened, at = None, BEGINNING
    while at < END:
        if may_contact(at, commune, channel):
            opened = opened or at
        elif opened:
            yield opened, at
            opened = None
        at += TICK


def all_windows(commune: str, channel: Channel) -> list[tuple[datetime, datetime]]:
    """Every window from the beginning until the eleven years are over, one after the other."""
    found, at = [], BEGINNING
    while at < END:
        window = next_window(at, channel=channel, territory=territory_of(commune), hours=HOURS[channel])
        found.append((window.opens_at, window.closes_at))
        at = window.closes_at
    return found


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.EMAIL])
@pytest.mark.parametrize("commune", PLACES)
def test_windows_agree_with_the_oracle(commune: str, channel: Channel) -> None:
    intervals = list(open_intervals(commune, channel))
    starts = [start for start, _ in intervals]
    draw = random.Random(f"{commune} {channel}")
    territory, hours = territory_of(commune), HOURS[channel]
    seconds = int((END - BEGINNING).total_seconds()) - 40 * 86_400
    assert all_windows(commune, channel)[: len(intervals) - 1] == intervals[:-1]
    share = INSTANTS // (2 * len(PLACES)) + 1
    for _ in range(share):
        at = BEGINNING + timedelta(seconds=draw.randrange(seconds))
        last = bisect_right(starts, at) - 1
        inside = last >= 0 and at < intervals[last][1]
        opens, closes = (at, intervals[last][1]) if inside else intervals[last + 1]
        window = next_window(at, channel=channel, territory=territory, hours=hours)
        assert is_open(at, channel=channel, territory=territory, hours=hours) is inside, at
        assert (window.opens_at, window.closes_at) == (opens, closes), at
