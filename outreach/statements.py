"""The statements that sending repeats many times a second: PostgreSQL parses and plans each once a session.

Django's own cursors write the values into the text: the decisive statement then costs twice what it does.
"""

from typing import Any

import psycopg
from django.db import connection

PREPARED_AFTER = 2  # uses of a statement in a session; what is said once is not worth keeping


def run_statement(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """Rows of a statement on the session's connection, in its transaction when there is one. Raises Django's errors."""
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    raw: psycopg.Connection[Any] = connection.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = PREPARED_AFTER  # Django's own cursors never prepare: nothing changes for them
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        cursor.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []
