"""A person says no: the opposition is recorded and what was about to reach her is taken away, in one transaction."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from campaigns.enums import FactState
from campaigns.locks import lock_people
from campaigns.models import Allocataire, User
from campaigns.oppositions import hash_destination, record_opposition
from outreach.enums import Suppression, TouchStatus

# A claim that is taken away was not a try. What is already SENDING left before the refusal.
SUPPRESS = f"""
WITH gone AS (
    UPDATE outreach_touch
       SET attempt_count = attempt_count - CASE status WHEN '{TouchStatus.CLAIMED}' THEN 1 ELSE 0 END,
           status = '{TouchStatus.SUPPRESSED}', reason = '{Suppression.OPPOSED}', claimed_by = '',
           claimed_until = NULL, status_at = %(now)s
     WHERE status IN ('{TouchStatus.PLANNED}', '{TouchStatus.CLAIMED}') AND %(channel)s IN ('', channel)
       AND (allocataire_id = ANY(%(persons)s)
            OR (%(destination_hash)s <> '' AND destination_hash = %(destination_hash)s))
    RETURNING id),
facts AS (
    UPDATE campaigns_contactfact f SET state = '{FactState.RELEASED}' FROM gone WHERE f.touch_ref = gone.id)
SELECT count(*) FROM gone"""


def refuse_contact(
    *,
    persons: Collection[int],
    destination: str,
    channel: str = "",
    source: str,
    now: datetime,
    by: User | None = None,
) -> int:
    """Record that these persons, and whoever holds the destination, refuse a channel (empty: all of them).

    The locks are those that sending takes: each intent is strictly before or after. Returns how many contacts were
    taken away.
    """
    destination_hash = hash_destination(destination) if destination else ""
    with transaction.atomic(savepoint=False):
        concerned = lock_people(persons=persons, destinations=[destination_hash], addresses=[destination])
        record_opposition(
            allocataire_ids=concerned, channel=channel, source=source, now=now, by=by, destination=destination
        )
        with connection.cursor() as cursor:
            cursor.execute(
                SUPPRESS,
                {
                    "persons": sorted(concerned),
                    "destination_hash": destination_hash,
                    "channel": channel,
                    "now": now,
                },
            )
            return int(cursor.fetchone()[0])


def holders_of(destination: str) -> set[int]:
    """Everybody whose file gives this mobile or e-mail."""
    if not destination:
        return set()
    whose = Q(email=destination) if "@" in destination else Q(mobile=destination)
    return set(Allocataire.objects.filter(whose).values_list("pk", flat=True))
