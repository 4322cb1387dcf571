"""The cap on contacts a person gets, over all campaigns and channels."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

SHORT = timedelta(days=7)
LONG = timedelta(days=30)


@dataclass(frozen=True)
class Limits:
    """At most so many campaigns within 7 days, and so many contacts in any 30 days."""

    campaigns_7_days: int
    contacts_30_days: int


@dataclass(frozen=True)
class Contact:
    """A contact that counts: planned or made, neither suppressed nor exempt."""

    at: datetime
    campaign: int


def breaks_cap(at: datetime, *, campaign: int, contacts: Collection[Contact], limits: Limits) -> bool:
    """Whether one more contact of that campaign at that instant would be too many.

    7 days: other campaigns only, before or after (a campaign's own next steps are exempt).
    30 days: every contact, wherever a window of 30 days that holds the new one is already full.
    """
    near = {c.campaign for c in contacts if c.campaign != campaign and abs(c.at - at) < SHORT}
    return len(near) >= limits.campaigns_7_days or _fills_a_window(at, contacts, limits.contacts_30_days)


def _fills_a_window(at: datetime, contacts: Collection[Contact], limit: int) -> bool:
    instants = sorted(c.at for c in contacts if abs(c.at - at) < LONG)
    runs = zip(instants, instants[limit - 1 :], strict=False)
    return any(max(last, at) - min(first, at) < LONG for first, last in runs)
