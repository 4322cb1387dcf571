"""What PostgreSQL is told before and after a story that reads or writes a whole population."""

from django.db import connection, models

WORTH_ANALYSING = 1_000  # rows; below, autovacuum is soon enough
# Sorts and hashes of 100,000 people go to disk in the default 4 MB. Compiling costs more than it saves; so does a
# second process (5 ms to start) where one reads the table or the index in that time, as it does those of a Caf.
ROOM = """
SET LOCAL work_mem = '64MB';
SET LOCAL jit = off;
SET LOCAL min_parallel_table_scan_size = '64MB';
SET LOCAL min_parallel_index_scan_size = '16MB'
"""


def give_room() -> None:
    """Let the current transaction read, sort and hash a population in memory, alone unless it is a large one."""
    with connection.cursor() as cursor:
        cursor.execute(ROOM)


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
