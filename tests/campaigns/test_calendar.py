"""Contact windows: tables of known days, then a scan minute by minute that knows nothing of the code."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.enums import Channel
from campaigns.rules.calendar import (
    Hours,
    InvalidHours,
    NoContactWindow,
    is_open,
    is_working_day,
    local_day,
    next_window,
    parse_hours,
    territory_of,
)

HOURS = parse_hours("10:00-13:00,14:00-20:00")
PERPIGNAN, METZ, STRASBOURG, SAINT_DENIS, FORT_DE_FRANCE = "66136", "57463", "67482", "97411", "97209"


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Paris"))


@pytest.mark.parametrize(
    ("commune", "zone", "subdivision"),
    [
        (PERPIGNAN, "Europe/Paris", None),
        ("2A004", "Europe/Paris", None),
        (METZ, "Europe/Paris", "57"),
        (STRASBOURG, "Europe/Paris", "6AE"),
        ("68224", "Europe/Paris", "6AE"),
        ("97105", "America/Guadeloupe", "971"),
        (FORT_DE_FRANCE, "America/Martinique", "972"),
        ("97302", "America/Cayenne", "973"),
        (SAINT_DENIS, "Indian/Reunion", "974"),
        ("97502", "America/Miquelon", "PM"),
        ("97611", "Indian/Mayotte", "976"),
        ("97701", "America/Guadeloupe", "BL"),
        ("97801", "America/Guadeloupe", "MF"),
        ("98613", "Pacific/Wallis", "WF"),
        ("98735", "Pacific/Tahiti", "PF"),
        ("98818", "Pacific/Noumea", "NC"),
    ],
)
def test_territory_follows_the_commune(commune, zone, subdivision):
    territory = territory_of(commune)
    assert (territory.zone.key, territory.subdivision) == (zone, subdivision)


@pytest.mark.parametrize(
    ("commune", "day", "expected"),
    [
        (PERPIGNAN, date(2026, 3, 3), True),
        (PERPIGNAN, date(2026, 3, 7), False),  # Saturday
        (PERPIGNAN, date(2026, 7, 14), False),
        (PERPIGNAN, date(2026, 4, 6), False),  # Easter Monday
        (PERPIGNAN, date(2026, 4, 3), True),  # Good Friday: Alsace-Moselle only
        (METZ, date(2026, 4, 3), False),
        (STRASBOURG, date(2026, 4, 3), False),
        (PERPIGNAN, date(2028, 12, 26), True),  # Saint Stephen's day, a Tuesday: Alsace-Moselle only
        (STRASBOURG, date(2028, 12, 26), False),
        (METZ, date(2028, 12, 26), False),
        (FORT_DE_FRANCE, date(2026, 5, 22), False),  # abolition days, each its own
        (PERPIGNAN, date(2026, 5, 22), True),
        (SAINT_DENIS, date(2027, 12, 20), False),
        ("97302", date(2026, 6, 10), False),
        ("97105", date(2026, 5, 27), False),
        ("97611", date(2026, 4, 27), False),
    ],
)
def test_working_days(commune, day, expected):
    assert is_working_day(day, territory_of(commune)) is expected


@pytest.mark.parametrize(
    ("at", "channel", "opens", "closes"),
    [
        ("2026-03-03T01:00", Channel.SMS, "2026-03-03T10:00", "2026-03-03T13:00"),
        ("2026-03-03T10:00", Channel.SMS, "2026-03-03T10:00", "2026-03-03T13:00"),
        ("2026-03-03T12:59", Channel.SMS, "2026-03-03T12:59", "2026-03-03T13:00"),
        ("2026-03-03T13:00", Channel.SMS, "2026-03-03T14:00", "2026-03-03T20:00"),
        ("2026-03-06T20:00", Channel.CALL, "2026-03-09T10:00", "2026-03-09T13:00"),  # over the week-end
        ("2026-12-24T20:00", Channel.SMS, "2026-12-28T10:00", "2026-12-28T13:00"),  # Christmas is a Friday
        ("2026-12-24T20:00", Channel.EMAIL, "2026-12-25T10:00", "2026-12-25T13:00"),
        ("2026-03-27T20:00", Channel.SMS, "2026-03-30T10:00", "2026-03-30T13:00"),  # summer time begins on the 29th
        ("2026-10-23T20:00", Channel.SMS, "2026-10-26T10:00", "2026-10-26T13:00"),  # and ends on the 25th
        ("2026-03-28T20:00", Channel.EMAIL, "2026-03-29T10:00", "2026-03-29T13:00"),
        ("2026-10-24T20:00", Channel.EMAIL, "2026-10-25T10:00", "2026-10-25T13:00"),
    ],
)
def test_next_window_in_metropole(at, channel, opens, closes):
    window = next_window(paris(at), channel=channel, territory=territory_of(PERPIGNAN), hours=HOURS)
    assert (window.opens_at, window.closes_at) == (paris(opens).astimezone(UTC), paris(closes).astimezone(UTC))


def test_hours_are_those_of_the_recipient():
    at = paris("2026-03-03T10:00")  # 13:00 in La Réunion, 05:00 in Martinique
    reunion = next_window(at, channel=Channel.SMS, territory=territory_of(SAINT_DENIS), hours=HOURS)
    martinique = next_window(at, channel=Channel.SMS, territory=territory_of(FORT_DE_FRANCE), hours=HOURS)
    assert reunion.opens_at == paris("2026-03-03T11:00")
    assert martinique.opens_at == paris("2026-03-03T15:00")


def test_local_day_crosses_the_date_line():
    at = datetime(2026, 3, 3, 13, 0, tzinfo=UTC)
    assert local_day(at, territory_of("98818")) == date(2026, 3, 4)
    assert local_day(at, territory_of("98735")) == date(2026, 3, 3)


@pytest.mark.parametrize("text", ["", "10h-12h", "10:00", "13:00-10:00", "10:00-13:00,12:00-20:00", "10:00-25:00"])
def test_unreadable_hours_are_refused(text):
    with pytest.raises(InvalidHours, match="Horaires"):
        parse_hours(text)


def test_no_window_is_an_error_never_an_authorisation():
    with pytest.raises(NoContactWindow):
        next_window(paris("2026-03-03T10:00"), channel=Channel.SMS, territory=territory_of(PERPIGNAN), hours=Hours(()))


# The oracle: fixed holidays written by hand, Easter by Gauss's congruences, and a clock that only adds minutes.
FIXED = {(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)}
LOCAL = {"57463": {(12, 26)}, "67482": {(12, 26)}, "97411": {(12, 20)}, "97302": {(6, 10)}, "97611": {(4, 27)}}
FRIDAY_OFF = {"57463", "67482"}
ZONES = {
    "66136": "Europe/Paris",
    "57463": "Europe/Paris",
    "67482": "Europe/Paris",
    "97411": "Indian/Reunion",
    "97302": "America/Cayenne",
    "97611": "Indian/Mayotte",
    "97502": "America/Miquelon",
}
SLOTS = [(600, 780), (840, 1200)]  # minutes of the day


def easter(year: int) -> date:
    a, b, c = year % 19, year % 4, year % 7
    d = (19 * a + 24) % 30
    e = (2 * b + 4 * c + 6 * d + 5) % 7
    day = 22 + d + e
    if d == 29 and e == 6:
        day -= 7
    if d == 28 and e == 6 and a > 10:
        day -= 7
    return date(year, 3, 1) + timedelta(days=day - 1)


def oracle_is_open(at: datetime, commune: str, channel: str) -> bool:
    local = at.astimezone(ZoneInfo(ZONES[commune]))
    minute = local.hour * 60 + local.minute
    if not any(start <= minute < end for start, end in SLOTS):
        return False
    if channel == "EMAIL":
        return True
    key = (local.month, local.day)
    from_easter = (local.date() - easter(local.year)).days
    moving = {1, 39, 50} | ({-2} if commune in FRIDAY_OFF else set())
    closed = local.isoweekday() > 5 or key in FIXED or key in LOCAL.get(commune, set()) or from_easter in moving
    return not closed


MINUTES = st.integers(0, 11 * 366 * 24 * 60).map(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n))
# Half of the instants fall in the days around a change of hour or a run of holidays, where errors hide.
EDGES = st.builds(
    lambda year, day, minute: datetime(year, *day, tzinfo=UTC) + timedelta(minutes=minute),
    st.integers(2026, 2036),
    st.sampled_from([(3, 24), (10, 24), (5, 1), (12, 23), (12, 30), (4, 1)]),
    st.integers(0, 9 * 24 * 60),
)


@settings(max_examples=150, deadline=None)
@given(at=MINUTES | EDGES, commune=st.sampled_from(sorted(ZONES)), channel=st.sampled_from(Channel.values))
def test_next_window_is_the_first_open_minute_of_a_scan(at, commune, channel):
    territory = territory_of(commune)
    opens = at
    while not oracle_is_open(opens, commune, channel):
        opens += timedelta(minutes=1)
    closes = opens
    while oracle_is_open(closes, commune, channel):
        closes += timedelta(minutes=1)
    window = next_window(at, channel=channel, territory=territory, hours=HOURS)
    assert (window.opens_at, window.closes_at) == (opens, closes)
    assert is_open(at, channel=channel, territory=territory, hours=HOURS) is oracle_is_open(at, commune, channel)
