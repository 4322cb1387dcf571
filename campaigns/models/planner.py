"""What PostgreSQL believes of a table that was just filled: left to itself, it plans for the empty one of before."""

from django.db import connection, models

WORTH_ANALYSING = 1_000  # rows; below, autovacuum is soon enough


def refresh_statistics(*tables: type[models.Model], written: int) -> None:
    """Analyse tables after a story wrote many of their rows, or the next join may take minutes (nested loops)."""
    if written < WORTH_ANALYSING:
        return
    names = ", ".join(connection.ops.quote_name(table._meta.db_table) for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {names}")
