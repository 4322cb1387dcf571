"""The one order in which people are locked, by whoever contacts them and by whoever records that they refuse."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from campaigns.rules.contact_points import normalise_destination

Told = TypeVar("Told")
TRIES = 3

LOCK_DESTINATIONS = """
SELECT pg_advisory_xact_lock(hashtextextended(h, 0))
  FROM (SELECT DISTINCT unnest(%(destinations)s::text[]) AS h ORDER BY h) AS hashes WHERE h <> ''"""
_LOCK_PERSONS = """
SELECT id, matricule FROM campaigns_allocataire WHERE {whose} ORDER BY id FOR NO KEY UPDATE"""
LOCK_PERSONS = _LOCK_PERSONS.format(whose="id = ANY(%(persons)s)")
# What is empty is not indexed.
LOCK_HOLDERS = _LOCK_PERSONS.format(
    whose="""id = ANY(%(persons)s) OR (mobile = ANY(%(addresses)s) AND mobile <> '')
    OR (email = ANY(%(addresses)s) AND email <> '')"""
)


def lock_people(
    *, persons: Iterable[int], destinations: Iterable[str], addresses: Iterable[str] = ()
) -> dict[int, str]:
    """Lock destinations (keyed hashes), then persons by id, until the transaction ends; matricule of each person.

    ``addresses``: mobiles and e-mails in clear, whose holders are locked with the persons. Nobody may be locked in two
    goes: a transaction that acts on several people names them all in its first call.
    """
    held = [normalise_destination(address) for address in addresses if address]
    with connection.cursor() as cursor:
        cursor.execute(LOCK_DESTINATIONS, {"destinations": list(destinations)})
        cursor.execute(LOCK_HOLDERS if held else LOCK_PERSONS, {"persons": list(persons), "addresses": held})
        return dict(cursor.fetchall())


def despite_deadlocks(act: Callable[[], Told]) -> Told:
    """What ``act`` returns, done in one transaction; done again when PostgreSQL gave it up for another's sake."""
    for _ in range(TRIES - 1):
        try:
            with transaction.atomic():
                return act()
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise
    with transaction.atomic():
        return act()
