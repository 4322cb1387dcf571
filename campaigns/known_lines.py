"""Lines that an earlier import took, met again word for word: nothing in them needs to be read a second time.

A line leaves a mark: the keyed hash of its text. The key holds all that decides how a text is read (columns, mapping,
declared attributes, and the very sources of the rules), so that another reading makes other marks. A mark counts only
while the person is as the line left her: PostgreSQL gives each version of a row the number of its transaction (xmin),
and any later writing, whoever does it, changes it. Such numbers mean nothing on another server: the key names this one,
and a copy restored elsewhere reads all once more. Only lines that gave all their cells as they stand leave a mark: one
that was rejected, repaired or half emptied is read, and told, every time.
"""

from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from pathlib import Path

import phonenumbers
from psycopg import sql

from campaigns.population_staging import KNOWN, STAGING, TARGET, copy_texts, execute, fetch

_MARKS = sql.Identifier("campaigns_known_line")
_READ = sql.Identifier("population_marks")
_TABLES = {"marks": _MARKS, "read": _READ, "known": KNOWN, "staging": STAGING, "target": TARGET}
_KEPT = 4  # marks a person, beyond which old ones are forgotten
_SLICE = 1_000_000  # lines whose numbers are fetched at once
_READERS = (
    "csv_source.py",
    "enums.py",
    "rules/population_*.py",
    "rules/column_readers.py",
    "rules/contact_points.py",
    "rules/excel_damage.py",
    "rules/nir.py",
)


def reading_key(*said: object) -> bytes:
    """Key of the marks of one way of reading. ``said``: all that decides it beside the rules themselves."""
    return blake2b(repr(said).encode(), key=_digest_of_rules()).digest()


def server() -> str:
    """Which PostgreSQL server this is, or nothing where that may not be asked."""
    [(may_ask,)] = fetch(sql.SQL("SELECT has_function_privilege('pg_control_system()', 'execute')"))
    return str(fetch(sql.SQL("SELECT system_identifier FROM pg_control_system()"))[0][0]) if may_ask else ""


def marks_of(texts: Sequence[str], key: bytes) -> list[str]:
    """The mark of each line."""
    lines = "\n".join(texts).encode("utf-8", "surrogatepass").split(b"\n") if texts else []
    return [blake2b(line, digest_size=16, key=key).hexdigest() for line in lines]


def has_marks() -> bool:
    return bool(fetch(sql.SQL("SELECT 1 FROM {marks} LIMIT 1").format(**_TABLES)))


def find_known_lines(
    blocks: Iterable[Sequence[str]], key: bytes, *, line_count: int, matricule_width: int
) -> bytearray | None:
    """Fill the table of known lines from all the lines of a file, in their order. Returns, by number of line, 1 for
    those that are to be read; None when all are. Within ``plan_for_sets``.

    ``matricule_width``: a shorter matricule of digits is read again, its first zeros may be given back now.
    """
    execute(sql.SQL("CREATE TEMP TABLE {read} (line bigint, mark uuid)").format(**_TABLES))
    lines = count(1)
    copy_texts(
        _READ,
        ["line", "mark"],
        ("".join(f"{next(lines)}\t{mark}\n" for mark in marks_of(texts, key)) for texts in blocks),
    )
    number = next(lines)
    execute(sql.SQL(_FIND).format(width=sql.Literal(matricule_width), **_TABLES))
    return _select_others(max(number, line_count) + 1)


def remember_lines() -> None:
    """Keep the mark of each staged line that left one. After the writing, in its transaction."""
    [(kept, people)] = fetch(
        sql.SQL("SELECT (SELECT count(*) FROM {marks}), (SELECT count(*) FROM {target})").format(**_TABLES)
    )
    if kept > _KEPT * people:
        execute(sql.SQL(_FORGET).format(**_TABLES))
    execute(sql.SQL(_REMEMBER).format(**_TABLES))


# A line that stands twice is known once: the other is read, and rejected as a duplicate.
_FIND = """
    ANALYZE {read};
    INSERT INTO {known} (line, allocataire_id)
    SELECT min(r.line), a.id
      FROM {read} r JOIN {marks} m USING (mark)
      JOIN {target} a ON a.id = m.allocataire_id AND a.xmin = m.version::text::xid
     WHERE length(a.matricule) >= {width} OR a.matricule !~ '^[0-9]+$'
     GROUP BY a.id;
    ANALYZE {known};
    DROP TABLE {read}
"""
_REMEMBER = """
    INSERT INTO {marks} (mark, allocataire_id, version)
    SELECT s.mark, a.id, a.xmin::text::bigint
      FROM {staging} s JOIN {target} a USING (matricule) WHERE s.mark IS NOT NULL
"""
# The others leave by being read once more.
_FORGET = """
    CREATE TEMP TABLE still_known AS
    SELECT m.* FROM {marks} m JOIN {known} k USING (allocataire_id)
      JOIN {target} a ON a.id = m.allocataire_id AND a.xmin = m.version::text::xid;
    TRUNCATE {marks};
    INSERT INTO {marks} SELECT * FROM still_known;
    DROP TABLE still_known
"""


def _select_others(size: int) -> bytearray | None:
    wanted = bytearray(b"\x01") * size
    is_known = False
    for first in range(0, size, _SLICE):
        query = "SELECT string_agg(int4send(line::int), ''::bytea) FROM {known} WHERE line BETWEEN {first} AND {last}"
        [(numbers,)] = fetch(
            sql.SQL(query).format(first=sql.Literal(first), last=sql.Literal(first + _SLICE - 1), **_TABLES)
        )
        if numbers:
            is_known = True
            for number in _integers(numbers):
                wanted[number] = 0
    return wanted if is_known else None


def _integers(network: bytes) -> "array[int]":
    numbers = array("i", network)
    numbers.byteswap()
    return numbers


@lru_cache(maxsize=1)
def _digest_of_rules() -> bytes:
    here = Path(__file__).parent
    digest = blake2b(phonenumbers.__version__.encode(), digest_size=32)
    for pattern in _READERS:
        for path in sorted(here.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.digest()
