"""The story of a refusal: recorded under the lock that sending takes, and kept outside the database as well."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
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

__all__ = [
    "OppositionOfNobody",
    "Refusal",
    "hash_destination",
    "lift_opposition",
    "record_opposition",
    "record_oppositions",
    "replay_journal",
]

logger = logging.getLogger(__name__)

_Scope = tuple[str, str, str, str]
_Owned = tuple[int | None, str]  # person, keyed hash of the destination


class OppositionOfNobody(Exception):
    """Neither a known person nor a destination was given."""

    def __init__(self) -> None:
        super().__init__("Aucune personne ni aucune adresse à laquelle rattacher l’opposition : en indiquer une.")


@dataclass(frozen=True)
class Refusal:
    """Who says no: persons, and the phone or e-mail by which it was said (empty: none)."""

    persons: frozenset[int] = frozenset()
    destination: str = ""


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
    one = Refusal(frozenset(allocataire_ids), destination)
    return record_oppositions(
        refusals=[one], channel=channel, theme=theme, source=source, now=now, by=by, note=note
    )  # fmt: skip


def record_oppositions(
    *,
    refusals: Sequence[Refusal],
    channel: str = "",
    theme: str = "",
    source: str,
    now: datetime,
    by: User | None = None,
    note: str = "",
) -> int:
    """The same for many refusals of one scope and source, at the cost of one: locked, recorded and kept together."""
    said = [(one.persons, hash_destination(one.destination) if one.destination else "") for one in refusals]
    with transaction.atomic():
        matricules = lock_people(
            persons=frozenset[int]().union(*(persons for persons, _ in said)),
            destinations=[code for _, code in said],
            addresses=[one.destination for one in refusals if one.destination],
        )
        scopes = [scope for persons, code in said for scope in _scopes(persons, code, matricules)]
        rows = [
            Opposition(
                allocataire_id=owner, channel=channel, theme=theme, source=source, recorded_at=now, recorded_by=by,
                destination_hash=code, note=note,
            )
            for owner, code in _not_yet_said(scopes, channel, theme)
        ]  # fmt: skip
        created = Opposition.objects.bulk_create(rows, batch_size=1_000)
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


def _scopes(persons: Collection[int], destination_hash: str, known: Mapping[int, str]) -> list[_Owned]:
    """Each person with the destination; the destination alone when none of them is here."""
    here: list[int | None] = [pk for pk in sorted(persons) if pk in known]
    if not (here or destination_hash):
        raise OppositionOfNobody
    return [(owner, destination_hash) for owner in here or [None]]


def _not_yet_said(scopes: Sequence[_Owned], channel: str, theme: str) -> list[_Owned]:
    """Without those that are in force; to name a destination as well says more than not to."""
    whose = Q(allocataire_id__in={owner for owner, _ in scopes if owner})
    whose |= Q(allocataire=None, destination_hash__in={code for _, code in scopes if code})
    same = Opposition.objects.active().filter(whose, channel=channel, theme=theme)
    known: set[_Owned] = set(same.values_list("allocataire_id", "destination_hash"))
    known |= {(owner, "") for owner, _ in known}
    return [scope for scope in dict.fromkeys(scopes) if scope not in known]


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
