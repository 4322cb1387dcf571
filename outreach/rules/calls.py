"""When a person who did not answer is rung again: at other hours, on other days, and at most four times."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from enum import StrEnum

from campaigns.enums import Channel
from campaigns.rules.calendar import Hours, Territory, Window, next_window

# Later the same day, then another day, then later still.
CALL_SPACING = (timedelta(hours=3), timedelta(hours=20), timedelta(hours=44))
PATIENCE = timedelta(hours=24)  # how much longer a ring may wait for a part of the day not tried yet


class DayPart(StrEnum):
    MORNING = "MATIN"
    AFTERNOON = "APRES_MIDI"
    EVENING = "SOIR"


# Local hours at which parts of a day begin: those who work answer in the evening, others in the day.
_STARTS = ((time(17), DayPart.EVENING), (time(13), DayPart.AFTERNOON), (time(0), DayPart.MORNING))


def day_part(local: datetime) -> DayPart:
    """Which part of the day a local instant is in."""
    return next(part for start, part in _STARTS if local.time() >= start)


def next_ring(*, rings: Sequence[datetime], territory: Territory, hours: Hours, now: datetime) -> Window | None:
    """The window of the next ring after ``rings`` without an answer, in order.

    It opens at least ``CALL_SPACING`` later, in the part of the day least tried of the ``PATIENCE`` that follows. None
    when she has been rung enough.
    """
    if len(rings) > len(CALL_SPACING):
        return None
    tried = Counter(day_part(ring.astimezone(territory.zone)) for ring in rings)
    earliest = max(now, rings[-1] + CALL_SPACING[len(rings) - 1])
    first = next_window(earliest, channel=Channel.CALL, territory=territory, hours=hours)
    later = (
        next_window(at, channel=Channel.CALL, territory=territory, hours=hours)
        for at in _beginnings_after(first.opens_at.astimezone(territory.zone))
    )
    options = [first, *(window for window in later if window.opens_at <= first.opens_at + PATIENCE)]
    return min(options, key=lambda w: (tried[day_part(w.opens_at.astimezone(territory.zone))], w.opens_at))


def _beginnings_after(local: datetime) -> list[datetime]:
    """When each part of that day and of the next begins, after a local instant."""
    days = (local.date(), local.date() + timedelta(days=1))
    begins = [datetime.combine(day, start, tzinfo=local.tzinfo) for day in days for start, _ in _STARTS]
    return [at for at in begins if at > local]
