"""When a contact is tried again, and when it is given up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

CRASHES_BEFORE_QUARANTINE = 3
LOOKUPS_BEFORE_RESEND = 2
SILENCE_BEFORE_RESEND = timedelta(minutes=15)
BETWEEN_LOOKUPS = timedelta(minutes=1)
CLAIM_LEASE = timedelta(minutes=2)
NOT_TRIES = ("PACE", "JOURNAL")  # codes of what was given back before it left: ours to wait for
CRASH_MARGIN = timedelta(seconds=30)  # beyond the deadline of a request, before its worker is held for dead


def next_try_at(*, tried: int, delays_seconds: Sequence[int], now: datetime) -> datetime | None:
    """When to try again after ``tried`` refusals that allow it (the last one just now); None when it is given up."""
    if tried > len(delays_seconds):
        return None
    return now + timedelta(seconds=delays_seconds[tried - 1])


def may_resend(*, allowed: bool, attempts: int, lookups: int, intent_at: datetime, now: datetime) -> bool:
    """Whether an unconfirmed attempt may be followed by the one re-send that its plan allows."""
    return allowed and attempts == 1 and lookups >= LOOKUPS_BEFORE_RESEND and now - intent_at >= SILENCE_BEFORE_RESEND


class Resolution(StrEnum):
    """What a superviseur decides of a contact whose fate nobody knows."""

    RESEND = "RENVOYER"
    CLOSE = "CLORE"
