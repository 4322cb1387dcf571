"""After a restore: give back to the database what it forgot, ask the operators, then let a person open again."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection, transaction

from campaigns.models import User
from campaigns.oppositions import replay_journal
from outreach import reopening_sql as sql
from outreach.enums import AttemptStatus, TouchStatus
from outreach.fence import LAST_LINES, may_send
from outreach.models import Attempt, Fence
from outreach.reconciliation import reconcile_unconfirmed
from outreach.sending_journal import JournalUnreadable, Line, append_line, read_last_lines, read_lines, set_aside

logger = logging.getLogger(__name__)

CHUNK = 200  # lines given back at once


class StillClosed(Exception):
    """Sending may not be opened: a French sentence says what misses."""


@dataclass
class Recovery:
    """What was given back to the database, in contacts. ``quarantined``: nobody knows, the journal having a gap."""

    oppositions: int = 0
    uncertain: int = 0  # left since the backup
    confirmed: int = 0  # of which the operator says it holds them
    kept_aside: int = 0  # left, for contacts that the backup had not planned yet
    unknown: int = 0  # left, for campaigns that the backup does not know
    quarantined: int = 0


def read_fence(*, now: datetime) -> Fence | None:
    """The fence once the journal has been looked at. None: the row misses, and nothing is sent."""
    may_send(now=now)
    return Fence.objects.order_by("pk").first()


def recover_departures(*, now: datetime) -> Recovery:
    """Replay the oppositions, then what left since the backup, then ask the operators about it. Idempotent.

    Raises ``StillClosed`` when sending is open: there is nothing to give back.
    """
    fence = read_fence(now=now)
    if fence is None or not fence.closed_at:
        raise StillClosed("Les envois sont ouverts : il n’y a rien à rapprocher.")
    done = Recovery(oppositions=replay_journal(now=now).restored)
    lines = _last_lines()
    is_whole = lines is not None and (lines[-1].seq if lines else 0) >= fence.known_seq
    last = fence.known_seq
    for chunk in _chunks(read_lines(after=last) if lines else iter(())):
        is_whole = is_whole and chunk[-1].seq == last + len(chunk)  # else lines miss: erased since, or lost
        last = chunk[-1].seq
        uncertain, kept, unknown = _execute(sql.RECOVER, now=now, **_columns(chunk))[0]
        done.uncertain += uncertain
        done.kept_aside += kept
        done.unknown += unknown
    if not is_whole:
        done.quarantined = _execute(sql.QUARANTINE_DUE, now=now)[0][0]
    done.confirmed = _ask_operators(now)
    Fence.objects.filter(pk=fence.pk).update(recovered_at=now)
    logger.warning("restore recovered %s", done)
    return done


def reopen_sending(*, by: User, now: datetime) -> None:
    """Let this database send again. Raises ``StillClosed`` before the recovery, or without a journal to write."""
    with transaction.atomic():
        fence = Fence.objects.select_for_update().order_by("pk").first()
        if fence is None or not fence.closed_at:
            raise StillClosed("Les envois sont déjà ouverts.")
        if fence.recovered_at is None:
            raise StillClosed("Lancer d’abord « manage.py reopen_sending » : la base ne sait pas ce qui est parti.")
        if _last_lines() is None:
            set_aside(now)
        try:
            fence.known_seq = append_line([], provider="", at=now, after=fence.known_seq)
        except OSError:
            raise StillClosed("Le journal des envois ne peut pas être écrit (SENDING_JOURNAL).") from None
        fence.closed_at, fence.recovered_at, fence.reason, fence.changed_by = None, None, "", by.get_username()
        fence.save()
    logger.warning("sending opened again user=%s", by.pk)


def _last_lines() -> list[Line] | None:
    """None: the file cannot be read."""
    try:
        return read_last_lines(LAST_LINES)
    except (JournalUnreadable, OSError):
        return None


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, CHUNK)):
        yield chunk


def _columns(lines: Iterable[Line]) -> dict[str, list[Any]]:
    rows = [(line, departure) for line in lines for departure in line.departures]
    return {
        "uuids": [departure.attempt_uuid for _, departure in rows],
        "touches": [departure.touch_id for _, departure in rows],
        "steps": [departure.step_id for _, departure in rows],
        "hashes": [departure.destination_hash for _, departure in rows],
        "providers": [line.provider for line, _ in rows],
        "at": [line.at for line, _ in rows],
    }


def _ask_operators(now: datetime) -> int:
    """Once about each: those it could not ask, or that left a minute ago, are asked again by the usual sweeper."""
    unasked = Attempt.objects.filter(
        status=AttemptStatus.UNCONFIRMED, touch__status=TouchStatus.UNCONFIRMED, looked_up_at=None
    )
    confirmed, left, before = 0, unasked.count(), -1
    while left and left != before:
        confirmed += reconcile_unconfirmed(now=now)
        before, left = left, unasked.count()
    return confirmed


def _execute(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
