"""What PostgreSQL is told before and after a story that reads or writes a whole population."""

from django.db import connection, models

WORTH_ANALYSING = 1_000  # rows; below, autovacuum is soon enough
ROOM = "64MB"  # for each sort or hash; the default 4 MB sends those of 100,000 people to disk


def give_room() -> None:
    """Let the current transaction sort and hash a population in memory; compiling its statements costs more than it
    saves."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{ROOM}'; SET LOCAL jit = off")


def take_small_samples() -> None:
    """Let the current transaction analyse a tenth of what is usual: enough until autovacuum passes."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL default_statistics_target = 10")


def refresh_statistics(*tables: type[models.Model], written: int) -> None:
    """Analyse tables after a story wrote many of their rows, or the next join may take minutes (nested loops).

    Left to itself, PostgreSQL would plan for the empty table of before. Free text is skipped: no join is planned by it,
    and it is most of the cost. Autovacuum does the whole in its own time. Within a transaction.
    """
    if written < WORTH_ANALYSING:
        return
    take_small_samples()
    named = ", ".join(f"{_quoted(table._meta.db_table)} ({_columns(table)})" for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {named}")


def _columns(table: type[models.Model]) -> str:
    short = [field for field in table._meta.concrete_fields if field.choices or not isinstance(field, models.CharField)]
    return ", ".join(_quoted(field.column) for field in short)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
