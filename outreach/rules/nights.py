"""When a night may begin, and the pauses between its tries."""

from datetime import date, datetime, time, timedelta

# After each try that failed: what passes by itself (a deadlock, a database that restarts) passes in minutes, what lasts
# is not worth the load. Seven tries, in less than the night's six hours.
PAUSES_SECONDS = (60, 300, 900, 1800, 3600, 7200)
BEGINS_WITHIN = timedelta(hours=6)  # later, the day's window is about to open


def may_run(on: date, *, opens: time, local: datetime) -> bool:
    """Whether the night that prepares ``on`` may begin, or be tried again, at ``local``. ``opens``: its local hour."""
    begins = datetime.combine(on, opens, tzinfo=local.tzinfo)
    return begins <= local < begins + BEGINS_WITHIN
