"""The statements that sending repeats many times a second: PostgreSQL parses and plans each once a session.

Django's own cursors write the values into the text: the decisive statement then costs twice what it does.
"""

from typing import Any

import psycopg
from django.db import connection

# The status of a touch that is read by its key. Said so, it never leads through the index of what is in flight, which
# seems to hold nothing when sending begins and fills with the dead versions of every contact that leaves.
STATUS = "(t.status || '')"
# A plan made on empty tables serves while they fill: it must be that of full tables, and is made once. Few rows are
# read at a time: compiling (jit), which the cost given to a forbidden scan may start, would never pay.
PLANS = "SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan"


def plan_for_full_tables() -> None:
    """For a session that does nothing but send: the plans of a night or of an import, made so, would be bad ones."""
    with connection.cursor() as cursor:
        cursor.execute(PLANS)


def run_statement(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """Rows of a statement on the session's connection, in its transaction when there is one. Raises Django's errors."""
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    raw: psycopg.Connection[Any] = connection.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = 0  # Django's own cursors never prepare
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        cursor.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []
