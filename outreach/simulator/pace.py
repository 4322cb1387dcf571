"""Compressed time: the demo moves the application's clock, never its steps; real workers do the work, this waits."""

import time
from collections.abc import Callable
from datetime import date, datetime
from datetime import time as day_time
from zoneinfo import ZoneInfo

from django.conf import settings

from campaigns.models import read_now, set_clock
from outreach.simulator.operator_desk import OperatorDesk

Say = Callable[[str], None]
POLL_SECONDS = 0.25


class DemoStuck(Exception):
    """The workers did not do in time what the demo waits for."""


def local(day: date, hour: str) -> datetime:
    """``hour`` ("10:05") of a day, where the Caf is."""
    return datetime.combine(day, day_time.fromisoformat(hour), tzinfo=ZoneInfo(settings.TIME_ZONE))


def go_to(moment: datetime) -> datetime:
    """Move the clock forward to ``moment``; never back. The operator is told first: it dates what comes after."""
    if read_now() < moment:
        OperatorDesk(settings.TWILIO_API_URL).tell_clock(moment)
        set_clock(moment)
    return read_now()


def wait_until_none(remaining: Callable[[], int], *, label: str, say: Say, timeout_seconds: float = 180) -> None:
    """Wait until ``remaining()`` is 0, showing it as it goes down; raises ``DemoStuck`` when it no longer moves."""
    least, changed_at, shown_at = remaining(), time.monotonic(), 0.0
    while left := remaining():
        now = time.monotonic()
        if left < least:
            least, changed_at = left, now
        if now - changed_at > timeout_seconds:
            raise DemoStuck(f"{label} : {left} en attente depuis {timeout_seconds:.0f} secondes. Voir .local/logs/.")
        if now - shown_at > 5:
            say(f"    {label} : encore {left}")
            shown_at = now
        time.sleep(POLL_SECONDS)
