"""The story of a refusal: recorded under the lock that sending takes, and kept outside the database as well."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import Q

from campaigns.locks import lock_people
from campaigns.models import AccessLog, Allocataire, Opposition, User
from campaigns.opposition_journal import (
    LIFT,
    RECORD,
    Entry,
    append_entries,
    hash_destination,
    hash_person,
    read_entries,
)

__all__ = ["OppositionOfNobody", "hash_destination", "lift_opposition", "record_opposition", "replay_journal"]

logger = logging.getLogger(__name__)

_Scope = tuple[str, str, str, str]


class OppositionOfNobody(Exception):
    """Neither a known person nor a destination was given."""

    def __init__(self) -> None:
        super().__init__("Aucune personne ni aucune adresse à laquelle rattacher l’opposition : en indiquer une.")


@dataclass(frozen=True)
class ReplayReport:
    """``restored`` oppositions put back, ``lifted`` ended again, ``orphaned`` of persons who are no longer here,
    ``caught_up`` written to a journal that lacked them, ``unreadable`` lines."""

    restored: int
    lifted: int
    orphaned: int
    caught_up: int
    unreadable: int


def record_opposition(
    *,
    allocataire_ids: Collection[int],
    channel: str = "",
    theme: str = "",
    source: str,
    now: datetime,
    by: User | None = None,
    destination: str = "",
    note: str = "",
) -> int:
    """Record that these persons (or only this destination) refuse a channel, a theme, or everything (both empty).

    Persons, and whoever else holds the destination, are locked first as sending does: an intent to send is strictly
    before or after. Returns how many rows were new; the same refusal again adds none. Raises ``OppositionOfNobody``.
    """
    destination_hash = hash_destination(destination) if destination else ""
    with transaction.atomic():
        locked = lock_people(
            persons=allocataire_ids,
            destinations=[destination_hash],
            addresses=[destination],
        )
        matricules = {pk: locked[pk] for pk in allocataire_ids if pk in locked}
        refusal = Opposition(
            channel=channel, theme=theme, source=source, recorded_at=now, recorded_by=by,
            destination_hash=destination_hash, note=note,
        )  # fmt: skip
        owners: list[int | None] = [*matricules] if matricules or not destination_hash else [None]
        if not owners:
            raise OppositionOfNobody
        created = Opposition.objects.bulk_create([_copy(refusal, owner) for owner in _without_it(owners, refusal)])
        _journal([_entry(RECORD, row, matricules.get(row.allocataire_id or 0, ""), now) for row in created])
    return len(created)


def lift_opposition(*, opposition: Opposition, by: User, now: datetime) -> None:
    """End a refusal because the person asked for it; already ended, nothing happens.

    The journal learns it after the commit: lost in between, the refusal comes back with a restore, never the contrary.
    """
    with transaction.atomic():
        person_ids = [opposition.allocataire_id] if opposition.allocataire_id else []
        matricules = lock_people(persons=person_ids, destinations=[opposition.destination_hash])
        if not Opposition.objects.active().filter(pk=opposition.pk).update(lifted_at=now):
            return
        opposition.lifted_at = now
        AccessLog.objects.create(
            by=by, at=now, action="levée d’opposition", allocataire_id=opposition.allocataire_id,
            detail=f"opposition n° {opposition.pk}",
        )  # fmt: skip
        entry = _entry(LIFT, opposition, next(iter(matricules.values()), ""), now)
        transaction.on_commit(lambda: _journal([entry]))


def replay_journal(*, now: datetime) -> ReplayReport:
    """Bring the database up to the journal after a restore, and the journal up to the database if a write failed.

    For each scope the last word of the journal stands; an opposition whose person is gone stays by its destination.
    """
    entries = list(read_entries())
    last_word = {entry.scope: entry for entry in entries if entry}
    with transaction.atomic():
        active = _active_by_scope()
        lifted = [e for scope, e in last_word.items() if e.action == LIFT and scope in active]
        lifted = [e for e in lifted if active[e.scope].recorded_at <= datetime.fromisoformat(e.at)]
        missing = [e for scope, e in last_word.items() if e.action == RECORD and scope not in active]
        for entry in lifted:
            Opposition.objects.filter(pk=active[entry.scope].pk).update(lifted_at=datetime.fromisoformat(entry.at))
        restored = _restore(missing)
    ended = {entry.scope for entry in lifted}
    unknown = [
        _entry_of(scope, row, now)
        for scope, row in active.items()
        if scope not in ended and (scope not in last_word or last_word[scope].action == LIFT)
    ]
    append_entries(unknown)
    return ReplayReport(restored, len(lifted), len(missing) - restored, len(unknown), entries.count(None))


def _without_it(owners: list[int | None], refusal: Opposition) -> list[int | None]:
    """Owners who have not refused that yet; to name a destination as well says more than not to."""
    same = Opposition.objects.active().filter(channel=refusal.channel, theme=refusal.theme)
    if refusal.destination_hash:
        same = same.filter(destination_hash=refusal.destination_hash)
    is_known = Q(allocataire_id__in=[o for o in owners if o]) if owners != [None] else Q(allocataire=None)
    known = set(same.filter(is_known).values_list("allocataire_id", flat=True))
    return [owner for owner in owners if owner not in known]


def _copy(refusal: Opposition, owner: int | None) -> Opposition:
    return Opposition(
        allocataire_id=owner,
        destination_hash=refusal.destination_hash,
        channel=refusal.channel,
        theme=refusal.theme,
        source=refusal.source,
        recorded_at=refusal.recorded_at,
        recorded_by=refusal.recorded_by,
        note=refusal.note,
    )


def _entry(action: str, row: Opposition, matricule: str, at: datetime) -> Entry:
    person = hash_person(matricule) if matricule else ""
    return Entry(action, _utc(at), person, row.destination_hash, row.channel, row.theme, row.source)


def _entry_of(scope: _Scope, row: Opposition, now: datetime) -> Entry:
    return Entry(RECORD, _utc(now), *scope, source=row.source)


def _journal(entries: list[Entry]) -> None:
    """A full disk must not undo a refusal: the database keeps it and ``replay_journal`` completes the journal later."""
    try:
        append_entries(entries)
    except OSError as failure:
        logger.error("opposition journal not written (%s), %d entries missing", type(failure).__name__, len(entries))


def _active_by_scope() -> dict[_Scope, Opposition]:
    rows = Opposition.objects.active().select_related("allocataire").only(
        "destination_hash", "channel", "theme", "source", "recorded_at", "allocataire__matricule"
    )  # fmt: skip
    return {
        (
            hash_person(row.allocataire.matricule) if row.allocataire else "",
            row.destination_hash,
            row.channel,
            row.theme,
        ): row
        for row in rows.order_by("pk")
    }


def _restore(missing: list[Entry]) -> int:
    persons = _persons_of({entry.person for entry in missing if entry.person})
    lock_people(persons=persons.values(), destinations=[])
    rows = [
        Opposition(
            allocataire_id=persons.get(entry.person),
            destination_hash=entry.destination,
            channel=entry.channel,
            theme=entry.theme,
            source=entry.source,
            recorded_at=datetime.fromisoformat(entry.at),
            note="Rétablie depuis le journal des oppositions.",
        )
        for entry in missing
        if entry.person in persons or entry.destination
    ]
    return len(Opposition.objects.bulk_create(rows, batch_size=1_000))


def _persons_of(hashes: Iterable[str]) -> dict[str, int]:
    wanted = set(hashes)
    if not wanted:
        return {}
    everybody = Allocataire.objects.values_list("pk", "matricule").iterator(chunk_size=10_000)
    return {code: pk for pk, matricule in everybody if (code := hash_person(matricule)) in wanted}


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
