"""A person says no: the opposition is recorded and what was about to reach her is taken away, in one transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from campaigns.enums import FactState
from campaigns.locks import lock_people
from campaigns.models import Allocataire, User
from campaigns.oppositions import Refusal, hash_destination, record_oppositions
from campaigns.rules.contact_points import normalise_destination
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
            OR (destination_hash = ANY(%(hashes)s) AND destination_hash <> ''))
    RETURNING id),
facts AS (
    UPDATE campaigns_contactfact f SET state = '{FactState.RELEASED}'
      FROM gone WHERE f.touch_ref = gone.id AND f.state = '{FactState.RESERVED}')
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
    said = [Refusal(frozenset(persons), destination)]
    return refuse_contacts(refusals=said, channel=channel, source=source, now=now, by=by)


def refuse_contacts(
    *, refusals: Sequence[Refusal], channel: str = "", source: str, now: datetime, by: User | None = None
) -> int:
    """The same for many people at the cost of one: all of them locked in one go, all of it in one transaction."""
    if not refusals:
        return 0
    hashes = [hash_destination(one.destination) for one in refusals if one.destination]
    with transaction.atomic(savepoint=False):
        concerned = lock_people(
            persons=frozenset[int]().union(*(one.persons for one in refusals)),
            destinations=hashes,
            addresses=[one.destination for one in refusals],
        )
        record_oppositions(refusals=_with_holders(refusals), channel=channel, source=source, now=now, by=by)
        with connection.cursor() as cursor:
            cursor.execute(
                SUPPRESS, {"persons": sorted(concerned), "hashes": hashes, "channel": channel, "now": now}
            )  # fmt: skip
            return int(cursor.fetchone()[0])


def holders_of(destinations: Collection[str]) -> dict[str, set[int]]:
    """Everybody whose file gives each of these mobiles or e-mails."""
    spelt = {destination: normalise_destination(destination) for destination in destinations if destination}
    wanted = set(spelt.values())
    found: dict[str, set[int]] = {address: set() for address in wanted}
    whose = Q(mobile__in=wanted) | Q(email__in=wanted)
    for pk, *addresses in Allocataire.objects.filter(whose).values_list("pk", "mobile", "email"):
        for address in wanted.intersection(addresses):
            found[address].add(pk)
    return {destination: found.get(spelt.get(destination, ""), set()) for destination in destinations}


def _with_holders(refusals: Sequence[Refusal]) -> list[Refusal]:
    holders = holders_of([one.destination for one in refusals])
    return [Refusal(one.persons | holders[one.destination], one.destination) for one in refusals]
