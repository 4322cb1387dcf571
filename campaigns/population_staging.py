"""The set-based side of the population import: a temporary table, one upsert that writes only what differs."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from psycopg import sql

from campaigns.models import Allocataire
from campaigns.rules.population_values import NULL

TARGET = sql.Identifier(Allocataire._meta.db_table)
STAGING = sql.Identifier("population_staging")
# Any number that no other story takes: at most one import at a time, whoever starts it.
_LOCK = 0x0A11E4


@dataclass(frozen=True)
class UpsertCounts:
    created: int
    updated: int
    unchanged: int


@contextmanager
def only_importer() -> Iterator[bool]:
    """Whether this session is the only one importing, until the block ends or the process dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        is_alone = cursor.fetchone()[0]
    try:
        yield is_alone
    finally:
        if is_alone and not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def create_staging(fields: Sequence[str]) -> None:
    """A table of the given columns, typed as in the target, that goes with the transaction."""
    _execute(
        sql.SQL(
            "DROP TABLE IF EXISTS {staging}; CREATE TEMP TABLE {staging} ON COMMIT DROP AS "
            "SELECT NULL::bigint AS line, {columns} FROM {target} WITH NO DATA"
        ).format(staging=STAGING, columns=_columns(fields), target=TARGET)
    )


def copy_rows(fields: Sequence[str], rows: Iterable[str]) -> None:
    """COPY lines in PostgreSQL's text format, their number first."""
    query = sql.SQL("COPY {staging} (line, {columns}) FROM STDIN WITH (NULL {null})").format(
        staging=STAGING, columns=_columns(fields), null=sql.Literal(NULL)
    )
    with connection.cursor() as cursor, cursor.cursor.copy(query) as copy:
        for block in _blocks(rows):
            copy.write(block)


def remove_duplicates() -> list[tuple[int, int]]:
    """Keep the first line of each matricule; returns (line removed, line kept), so that each is told."""
    _execute(sql.SQL("CREATE INDEX ON {staging} (matricule); ANALYZE {staging}").format(staging=STAGING))
    return _fetch(
        sql.SQL(
            "DELETE FROM {staging} later USING "
            "(SELECT matricule, min(line) AS line FROM {staging} GROUP BY matricule HAVING count(*) > 1) first "
            "WHERE later.matricule = first.matricule AND later.line > first.line RETURNING later.line, first.line"
        ).format(staging=STAGING)
    )


def upsert(fields: Sequence[str], extra_codes: Sequence[str], now: datetime) -> UpsertCounts:
    """Create who is missing and rewrite who differs, in one statement; columns the file lacks keep their values.

    Rows are taken in the order of their id, as every lock on persons is.
    """
    given = [f for f in fields if f not in {"matricule", "extra"}]
    created, updated, total = _fetch(_UPSERT.format(**_upsert_parts(given, extra_codes)), {"now": now})[0]
    return UpsertCounts(created, updated, total - created - updated)


def close_absent(present: Sequence[str], today: date, now: datetime) -> int:
    """Close the files that a full extract no longer holds. ``present``: matricules of lines that were refused."""
    rows = _fetch(
        sql.SQL(
            "WITH closed AS (UPDATE {target} a SET closed_on = %(today)s, updated_at = %(now)s WHERE closed_on IS NULL "
            "AND NOT (matricule = ANY(%(present)s)) "
            "AND NOT EXISTS (SELECT 1 FROM {staging} s WHERE s.matricule = a.matricule) RETURNING 1) "
            "SELECT count(*) FROM closed"
        ).format(target=TARGET, staging=STAGING),
        {"today": today, "now": now, "present": list(present)},
    )
    return int(rows[0][0])


_UPSERT = sql.SQL(
    """
    WITH candidate AS (
        SELECT s.*, a.id AS known_id, {merged} AS merged_extra
          FROM {staging} s LEFT JOIN {target} a ON a.matricule = s.matricule
         WHERE a.id IS NULL OR ({old}) IS DISTINCT FROM ({new})
    ), written AS (
        INSERT INTO {target} AS a (matricule, {given}, extra, updated_at{absent})
        SELECT matricule, {given}, merged_extra, %(now)s{defaults} FROM candidate ORDER BY known_id
        ON CONFLICT (matricule) DO UPDATE SET {assignments}, extra = EXCLUDED.extra, updated_at = EXCLUDED.updated_at
        RETURNING xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new), (SELECT count(*) FROM {staging})
      FROM written
    """
)


def _upsert_parts(given: Sequence[str], extra_codes: Sequence[str]) -> dict[str, sql.Composable]:
    merged = sql.SQL("COALESCE(a.extra, '{{}}'::jsonb) - {codes}::text[] || s.extra").format(
        codes=sql.Literal(list(extra_codes))
    )
    absent = {c: d for c, d in _DEFAULTS.items() if c not in given}
    return {
        "staging": STAGING,
        "target": TARGET,
        "merged": merged,
        "old": sql.SQL(", ").join([*(sql.Identifier("a", f) for f in given), sql.SQL("a.extra")]),
        "new": sql.SQL(", ").join([*(sql.Identifier("s", f) for f in given), merged]),
        "given": _columns(given),
        "absent": sql.SQL("").join(sql.SQL(", {}").format(sql.Identifier(c)) for c in absent),
        "defaults": sql.SQL("").join(sql.SQL(", {}").format(sql.Literal(d)) for d in absent.values()),
        "assignments": sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(f)) for f in given
        ),
    }  # fmt: skip


def _defaults() -> dict[str, object]:
    """What a new person gets in the columns that the file lacks and the table requires."""
    columns = {}
    for field in Allocataire._meta.concrete_fields:
        if not field.null and not field.primary_key and field.attname not in {"matricule", "extra", "updated_at"}:
            columns[field.column] = {list: "{}", dict: "{}"}.get(field.default, field.get_default())
    return columns


_DEFAULTS = _defaults()


def _columns(fields: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, fields))


def _blocks(rows: Iterable[str]) -> Iterator[str]:
    block: list[str] = []
    for row in rows:
        block.append(row)
        if len(block) == 500:
            yield "".join(block)
            block.clear()
    yield "".join(block)


def _execute(query: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query)


def _fetch(query: sql.Composable, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
