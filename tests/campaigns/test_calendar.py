"""Contact windows: tables of known days, then a scan minute by minute that knows nothing of the code."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from campaigns.enums import Channel
from campaigns.rules.calendar import (
    Hours,
    InvalidHours,
    NoContactWindow,
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
