from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.enums import Channel
from campaigns.rules.calendar import Territory, is_working_day, next_window, parse_hours
from outreach.rules.calls import CALL_SPACING, DayPart, day_part, next_ring

PARIS = ZoneInfo("Europe/Paris")
HOURS = parse_hours("10:00-13:00,14:00-20:00")


def rung_until_given_up(first: datetime, zone: ZoneInfo) -> list[datetime]:
    """The rings of somebody who never answers, each at the opening of each window that the rule gives."""
    territory = Territory(zone, None)
    rings = [next_window(first, channel=Channel.CALL, territory=territory, hours=HOURS).opens_at]
    while window := next_ring(rings=rings, territory=territory, hours=HOURS, now=rings[-1]):
        rings.append(window.opens_at)
    return rings


@pytest.mark.parametrize(
    ("hour", "part"),
    [(10, DayPart.MORNING), (12, DayPart.MORNING), (14, DayPart.AFTERNOON), (17, DayPart.EVENING)],
)
def test_the_parts_of_a_day(hour: int, part: DayPart) -> None:
    assert day_part(datetime(2026, 3, 3, hour, tzinfo=PARIS)) == part


def test_who_never_answers_in_the_morning_is_rung_at_other_hours_of_other_days() -> None:
    rings = rung_until_given_up(datetime(2026, 3, 3, 10, tzinfo=PARIS), PARIS)
    assert [ring.astimezone(PARIS).strftime("%d %H:%M") for ring in rings] == [
        "03 10:00",
        "03 14:00",
        "04 17:00",
        "06 14:00",
    ]


@given(
    st.integers(0, 10 * 365 * 24).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)),
    st.sampled_from([PARIS, ZoneInfo("Indian/Reunion"), ZoneInfo("America/Martinique")]),
)
def test_at_most_four_rings_on_several_days_and_in_every_part_of_the_day(first: datetime, zone: ZoneInfo) -> None:
    rings = rung_until_given_up(first, zone)
    local = [ring.astimezone(zone) for ring in rings]
    assert len(rings) == len(CALL_SPACING) + 1 == 4
    assert len({ring.date() for ring in local}) >= 3
    assert all(is_working_day(ring.date(), Territory(zone, None)) for ring in local)
    assert {day_part(ring) for ring in local} == set(DayPart)
    assert all(later - earlier >= timedelta(hours=3) for earlier, later in pairwise(rings))
