from datetime import datetime

from django.db import connection, models, transaction


class ClockShift(models.Model):
    """One row: how far the application's clock is from the machine's. Read only where the connection allows it
    (tests and demo set ``aller_vers.movable_clock``); production never does."""

    shift = models.DurationField()

    def __str__(self) -> str:
        return str(self.shift)


class AppNow(models.Func):
    """``app_now()`` in SQL: the instant at which the statement began, on the application's clock."""

    function = "app_now"
    output_field = models.DateTimeField()


def read_now() -> datetime:
    """The application's clock, for entry points (tasks, commands, pages): everything below them takes ``now``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app_now()")
        return cursor.fetchone()[0]


def set_clock(target: datetime) -> None:
    """Move the application’s clock, at once for everybody, so that it reads ``target`` now (demo and tests)."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM campaigns_clockshift")
        cursor.execute("INSERT INTO campaigns_clockshift (shift) VALUES (%s - clock_timestamp())", [target])
