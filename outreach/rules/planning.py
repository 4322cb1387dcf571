"""When a contact is due: the day its step names, then the first open window of the recipient's territory."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from campaigns.enums import Channel
from campaigns.rules.calendar import Hours, Territory, local_day, next_window


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


def answer_slot(*, valid_days: int, territory: Territory, hours: Hours, now: datetime) -> Slot:
    """When an automatic answer may leave: the next window for an SMS, its delay counted from the day it opens.

    Somebody who writes on the eve of a long week-end is answered after it.
    """
    window = next_window(now, channel=Channel.SMS, territory=territory, hours=hours)
    day = local_day(window.opens_at, territory)
    return slot_of(
        due_on=day, valid_days=valid_days, channel=Channel.SMS, territory=territory, hours=hours, now=window.opens_at
    )
