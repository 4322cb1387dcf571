"""The set-based side of the population import: staged rows, their difference, and the writing of nothing else."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from psycopg import sql
from psycopg.copy import QueuedLibpqWriter

from campaigns.models import Allocataire
from campaigns.models.planner import give_room, take_small_samples
from campaigns.rules.population_values import NULL

TARGET = sql.Identifier(Allocataire._meta.db_table)
STAGING = sql.Identifier("population_staging")
DIFFERENCE = sql.Identifier("population_difference")
KNOWN = sql.Identifier("population_known")
_ABSENT = (
    "a.closed_on IS NULL AND a.matricule <> ALL({present}) "
    "AND NOT EXISTS (SELECT 1 FROM {staging} s WHERE s.matricule = a.matricule) "
    "AND NOT EXISTS (SELECT 1 FROM {known} k WHERE k.allocataire_id = a.id)"
)
# Any number that no other story takes: at most one import at a time, whoever starts it.
_LOCK = 0x0A11E4


_FRESH = 10  # a table this many times smaller than what comes is filled first, indexed after
_LARGE = 10_000  # rows under which rebuilding indexes gains nothing


@dataclass(frozen=True)
class Difference:
    """What the staged rows would change. ``changes``: people by column that differs."""

    created: int
    updated: int
    unchanged: int
    changes: dict[str, int]


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


@contextmanager
def staging_table(fields: Sequence[str]) -> Iterator[None]:
    """Temporary tables, typed as the target: rows of the given columns and the mark of their line, the persons whose
    line needs no reading, and what the rows change. Gone with the block."""
    parts = {"staging": STAGING, "difference": DIFFERENCE, "known": KNOWN}
    drop = sql.SQL("DROP TABLE IF EXISTS {staging}, {difference}, {known}").format(**parts)
    execute(drop)
    execute(
        sql.SQL(
            "CREATE TEMP TABLE {staging} AS "
            "SELECT NULL::bigint AS line, NULL::uuid AS mark, {columns} FROM {target} WITH NO DATA; "
            "CREATE TEMP TABLE {known} (line bigint, allocataire_id bigint)"
        ).format(columns=_columns(fields), target=TARGET, **parts)
    )
    try:
        yield
    finally:
        if connection.is_usable() and not connection.needs_rollback:
            execute(drop)


def copy_rows(fields: Sequence[str], texts: Iterable[bytes]) -> None:
    """COPY lines in PostgreSQL's text format, their number and their mark first; see ``copy_texts``."""
    copy_texts(STAGING, ["line", "mark", *fields], texts)


def copy_texts(table: sql.Identifier, columns: Sequence[str], texts: Iterable[bytes] | Iterable[str]) -> None:
    """Each text, some lines, leaves while the next is prepared: the connection serves nothing else meanwhile."""
    query = sql.SQL("COPY {table} ({columns}) FROM STDIN WITH (NULL {null})").format(
        table=table, columns=_columns(columns), null=sql.Literal(NULL)
    )
    with connection.cursor() as cursor, cursor.cursor.copy(query, writer=QueuedLibpqWriter(cursor.cursor)) as copy:
        for text in texts:
            copy.write(text)


def matricule_width() -> int | None:
    """The one length of all known matricules made of digits; 0 when they have several, None when there are none."""
    lengths = fetch(
        sql.SQL("SELECT DISTINCT length(matricule) FROM {target} WHERE matricule ~ '^[0-9]+$' LIMIT 2").format(
            target=TARGET
        )
    )
    if not lengths:
        return None
    return int(lengths[0][0]) if len(lengths) == 1 else 0


def remove_duplicates() -> list[tuple[int, int]]:
    """Keep the first line of each matricule; returns (line removed, line kept), so that each is told. Within
    ``plan_for_sets``."""
    execute(sql.SQL("ANALYZE {staging} (line, matricule)").format(staging=STAGING))
    return fetch(sql.SQL(_REMOVE_DUPLICATES).format(staging=STAGING, known=KNOWN, target=TARGET))


_REMOVE_DUPLICATES = """
    WITH met AS (
        SELECT matricule, line, NULL::bigint AS allocataire_id FROM {staging}
        UNION ALL
        SELECT a.matricule, k.line, a.id FROM {known} k JOIN {target} a ON a.id = k.allocataire_id
         WHERE a.matricule IN (SELECT matricule FROM {staging})
    ), first AS (
        SELECT matricule, min(line) AS line, min(allocataire_id) AS allocataire_id FROM met
         GROUP BY matricule HAVING count(*) > 1
    ), staged AS (
        DELETE FROM {staging} later USING first
         WHERE later.matricule = first.matricule AND later.line > first.line RETURNING later.line, first.line AS kept
    ), known AS (
        DELETE FROM {known} later USING first
         WHERE later.allocataire_id = first.allocataire_id AND later.line > first.line
        RETURNING later.line, first.line AS kept
    )
    SELECT line, kept FROM staged UNION ALL SELECT line, kept FROM known ORDER BY line
"""


def plan_for_sets() -> None:
    """Of this transaction: joins by hash. The statistics of a table that was just emptied or filled would have the
    planner search it once a row."""
    give_room()
    take_small_samples()
    execute(sql.SQL("SET LOCAL enable_nestloop = off"))


def compare(fields: Sequence[str], extra_codes: Sequence[str]) -> Difference:
    """Find who is missing and who differs, and in which columns; a column that the file lacks does not differ."""
    given = _given(fields)
    execute(
        sql.SQL(
            "CREATE TEMP TABLE {difference} AS SELECT s.line, a.id AS allocataire_id, "
            "CASE WHEN a.id IS NOT NULL THEN array_remove(ARRAY[{changed}], NULL) END AS changed "
            "FROM {staging} s LEFT JOIN {target} a ON a.matricule = s.matricule "
            "WHERE a.id IS NULL OR ({old}) IS DISTINCT FROM ({new}); ANALYZE {difference} (line, allocataire_id)"
        ).format(
            difference=DIFFERENCE, staging=STAGING, target=TARGET,
            changed=_joined("CASE WHEN {old} IS DISTINCT FROM {new} THEN {name} END", given, extra_codes),
            old=_joined("{old}", given, extra_codes), new=_joined("{new}", given, extra_codes),
        )
    )  # fmt: skip
    parts = {"difference": DIFFERENCE, "staging": STAGING, "known": KNOWN}
    counts = (
        "SELECT count(*) FILTER (WHERE allocataire_id IS NULL), count(allocataire_id), "
        "(SELECT count(*) FROM {staging}) + (SELECT count(*) FROM {known}) FROM {difference}"
    )
    [(created, updated, total)] = fetch(sql.SQL(counts).format(**parts))
    changes = fetch(sql.SQL("SELECT unnest(changed) AS field, count(*) FROM {difference} GROUP BY 1").format(**parts))
    return Difference(created, updated, total - created - updated, dict(changes))


# Two of these that change at once: another person under a known matricule.
_IDENTITY = {
    "last_name": "a.last_name <> '' AND lower(a.last_name) <> lower(s.last_name)",
    "first_name": "a.first_name <> '' AND lower(a.first_name) <> lower(s.first_name)",
    "born_on": "coalesce(a.born_on <> s.born_on, false)",
}


def strangers(fields: Sequence[str]) -> sql.Composable:
    """Query of (id, line) of the people whom the staged rows would make somebody else of. After ``compare``."""
    given = [f"({differs})::int" for name, differs in _IDENTITY.items() if name in fields]
    query = (
        "SELECT a.id, line FROM {difference} d JOIN {target} a ON a.id = d.allocataire_id "
        "JOIN {staging} s USING (line) "
        f"WHERE {' + '.join(given) or 0} >= 2"
    )
    return sql.SQL(query).format(difference=DIFFERENCE, target=TARGET, staging=STAGING)


def count_strangers(fields: Sequence[str]) -> int:
    """How many ``strangers`` there are."""
    counted = sql.SQL("SELECT count(*) FROM ({strangers}) found").format(strangers=strangers(fields))
    return int(fetch(counted)[0][0])


def write(fields: Sequence[str], extra_codes: Sequence[str], difference: Difference, now: datetime) -> None:
    """Rewrite who differs and create who is missing, nobody else. Persons are locked in the order of their id, as
    every lock on them is."""
    if difference.updated:
        _update(_given(fields), extra_codes, now)
    if difference.created:
        with _indexes_rebuilt_if_fresh(difference.created):
            _insert(fields, now, is_all_new=not (difference.updated or difference.unchanged))


def absent_people(present: Sequence[str]) -> sql.Composable:
    """Condition on ``a``: her open file is not in a full extract. ``present``: matricules of refused lines."""
    return sql.SQL(_ABSENT).format(present=sql.Literal(list(present)), staging=STAGING, known=KNOWN)


def count_absent(present: Sequence[str]) -> tuple[int, int]:
    """Open files that a full extract no longer holds, and all open files; see ``absent_people``."""
    counted = "SELECT count(*) FROM {target} a WHERE {condition}"
    [(known,)] = fetch(sql.SQL(counted).format(target=TARGET, condition=sql.SQL("closed_on IS NULL")))
    [(absent,)] = fetch(sql.SQL(counted).format(target=TARGET, condition=absent_people(present)))
    return absent, known


def lock_population() -> None:
    """Make sending wait until the transaction ends (reading goes on): closing meets persons in no order, and would
    deadlock with who locks them in the order of their id."""
    execute(sql.SQL("LOCK TABLE {target} IN EXCLUSIVE MODE").format(target=TARGET))


def close_absent(present: Sequence[str], today: date, now: datetime) -> None:
    """Close the files that a full extract no longer holds; see ``absent_people``."""
    execute(
        sql.SQL("UPDATE {target} a SET closed_on = {today}, updated_at = {now} WHERE {absent}").format(
            target=TARGET, today=sql.Literal(today), now=sql.Literal(now), absent=absent_people(present)
        )
    )


def _insert(fields: Sequence[str], now: datetime, *, is_all_new: bool) -> None:
    absent = {column: default for column, default in _DEFAULTS.items() if column not in fields}
    join = sql.SQL("" if is_all_new else " JOIN {} d ON d.line = s.line AND d.allocataire_id IS NULL")
    execute(
        sql.SQL(
            "INSERT INTO {target} ({names}, updated_at) SELECT {values}, {now} FROM {staging} s{join}"
        ).format(
            target=TARGET, staging=STAGING, now=sql.Literal(now), join=join.format(DIFFERENCE),
            names=_columns([*fields, *absent]),
            values=sql.SQL(", ").join(
                [*(sql.Identifier("s", f) for f in fields), *(sql.Literal(default) for default in absent.values())]
            ),
        )
    )  # fmt: skip


def _update(given: Sequence[str], extra_codes: Sequence[str], now: datetime) -> None:
    parts = {"target": TARGET, "staging": STAGING, "difference": DIFFERENCE}
    execute(
        sql.SQL(
            "SELECT count(*) FROM (SELECT 1 FROM {target} WHERE id IN (SELECT allocataire_id FROM {difference}) "
            "ORDER BY id FOR NO KEY UPDATE) locked"
        ).format(**parts)
    )
    execute(
        sql.SQL(
            "UPDATE {target} a SET {assignments}, updated_at = {now} FROM {difference} d JOIN {staging} s USING (line) "
            "WHERE a.id = d.allocataire_id"
        ).format(now=sql.Literal(now), assignments=_joined("{name_of} = {new}", given, extra_codes), **parts)
    )


@contextmanager
def _indexes_rebuilt_if_fresh(created: int) -> Iterator[None]:
    """Filling indexes row by row is the cost of a first import: they are dropped and built once, with the foreign key,
    in the same transaction. Only for who owns the table, and while it is nearly empty: it is locked until the end."""
    [(known, is_owner)] = fetch(
        sql.SQL(
            "SELECT (SELECT count(*) FROM {target}), pg_has_role(relowner, 'USAGE') "
            "FROM pg_class WHERE oid = {name}::regclass"
        ).format(target=TARGET, name=sql.Literal(Allocataire._meta.db_table))
    )
    if created < _LARGE or known * _FRESH > created or not is_owner:
        yield
        return
    dropped = fetch(_SECONDARY.format(sql.Literal(Allocataire._meta.db_table)))
    # Checks put off until the end of the transaction would keep the table from being altered.
    execute(sql.SQL("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED"))
    for drop, _build in dropped:
        execute(sql.SQL(drop))
    execute(sql.SQL("SET LOCAL maintenance_work_mem = '128MB'"))
    yield
    for _drop, build in dropped:
        execute(sql.SQL(build))
    execute(sql.SQL("ANALYZE {target}").format(target=TARGET))


# How to drop and to build again each index that holds no uniqueness, and each foreign key.
_SECONDARY = sql.SQL(
    """
    SELECT format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid)
      FROM pg_index WHERE indrelid = {0}::regclass AND NOT indisunique
    UNION ALL
    SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
           format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
      FROM pg_constraint WHERE conrelid = {0}::regclass AND contype = 'f'
    """.replace("%%", "%")
)


def _joined(template: str, given: Sequence[str], extra_codes: Sequence[str]) -> sql.Composable:
    """The template for each column that a known person may differ in. Declared attributes that the file gives replace
    hers, the others stay."""
    merged = sql.SQL("COALESCE(a.extra, '{{}}'::jsonb) - {}::text[] || s.extra").format(sql.Literal(list(extra_codes)))
    columns = [(f, sql.Identifier("s", f)) for f in given] + ([("extra", merged)] if extra_codes else [])
    return sql.SQL(", ").join(
        sql.SQL(template).format(
            old=sql.Identifier("a", name), new=new, name=sql.Literal(name), name_of=sql.Identifier(name)
        )
        for name, new in columns
    )


def _given(fields: Sequence[str]) -> list[str]:
    return [field for field in fields if field not in {"matricule", "extra"}]


def _defaults() -> dict[str, object]:
    """What a new person gets in the columns that the file lacks and the table requires."""
    columns = {}
    for field in Allocataire._meta.concrete_fields:
        if not field.null and not field.primary_key and field.attname not in {"matricule", "updated_at"}:
            columns[field.column] = {list: "{}", dict: "{}"}.get(field.default, field.get_default())
    return columns


_DEFAULTS = _defaults()


def _columns(fields: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, fields))


def execute(query: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query)


def fetch(query: sql.Composable) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
