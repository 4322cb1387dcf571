"""When a contact is due: the day its step names, then the first open window of the recipient's territory."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from campaigns.rules.calendar import Hours, Territory, next_window


@dataclass(frozen=True)
class Slot:
    """One contact window: it opens, it closes, and after ``expires_at`` the contact is not worth making."""

    opens_at: datetime
    closes_at: datetime
    expires_at: datetime


def slot_of(*, due_on: date, valid_days: int, channel: str, territory: Territory, hours: Hours, now: datetime) -> Slot:
    """The first window from the beginning of ``due_on`` (local), never before ``now``."""
    midnight = datetime.combine(due_on, time.min, tzinfo=territory.zone)
    window = next_window(max(midnight, now), channel=channel, territory=territory, hours=hours)
    # Wall-clock arithmetic on purpose: the delay ends at a local midnight whatever the season.
    expires_at = datetime.combine(due_on + timedelta(days=valid_days + 1), time.min, tzinfo=territory.zone)
    return Slot(window.opens_at, window.closes_at, expires_at)
