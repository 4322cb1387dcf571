"""The story of a receipt: stored raw before we answer, then applied in batches, by rank and never by arrival."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected
from psycopg.types.json import Jsonb

from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import CampaignStatus, Channel, OppositionSource
from campaigns.lifecycle import pause_campaign
from campaigns.locks import lock_people
from campaigns.models import Campaign
from campaigns.oppositions import Refusal, hash_destination
from outreach import receipts_sql as sql
from outreach.bounces import note_bounces
from outreach.enums import AttemptStatus, EventKind, TouchStatus
from outreach.refusals import refuse_contacts
from outreach.rules.bounces import blame_of
from outreach.rules.delivery import (
    LATE_TRY_DELAY,
    RANKS,
    TWILIO_STATUSES,
    Action,
    action_for,
    bad_number_reason,
    deserves_late_try,
    fact_of,
    is_known_code,
    may_be_received,
    status_of,
    touch_status,
)

logger = logging.getLogger(__name__)

BATCH_SIZE = 50_000
REFUSALS_AT_ONCE = 500  # each holds a lock of PostgreSQL's shared table, which has some thousands
FINAL_WORDS = sorted(word for word, status in TWILIO_STATUSES.items() if status in AttemptStatus.final())
FILTERED = "L’opérateur filtre les messages de cette campagne (code 30007). Voir avec lui avant de reprendre."
PROBLEMS = {
    "nobody": "Aucun contact ne correspond à cet accusé.",
    "no_word": "État inconnu : l’accusé est gardé, rien n’a changé.",
    "other": "L’opérateur parle d’un autre message que celui connu pour cette tentative : envoi en double ?",
    "no_code": "Code d’erreur inconnu : l’état annoncé a été appliqué.",
}


@dataclass(frozen=True)
class Word:
    """What an operator said and what it means, once for a whole batch. ``key``: empty when nobody knows the word."""

    provider: str
    word: str
    code: str
    key: str
    is_known: bool


def store_event(
    *,
    provider: str,
    kind: EventKind,
    payload: Mapping[str, str],
    provider_ref: str,
    now: datetime | None = None,
    status: str = "",
    error_code: str = "",
    attempt_uuid: UUID | None = None,
) -> int:
    """Keep what an operator said, as it said it; nothing else is done before it is answered. Returns its number.

    ``now`` empty: the database's clock, read by the same statement.
    """
    stored = _rows(
        sql.STORE, provider=provider, kind=kind.value, attempt_uuid=attempt_uuid, provider_ref=provider_ref[:80],
        status=status[:20], error_code=error_code[:40], payload=Jsonb(dict(payload)), now=now,
    )  # fmt: skip
    return int(stored[0][0])


def apply_receipts(*, now: datetime, limit: int = 100_000) -> int:
    """Apply the receipts that wait, the final ones first, oldest first; returns how many. Any number may run at once.

    Attempt, touch, contact fact and receipt change in one transaction a batch. A receipt that matches nothing, or says
    a word or a code that nobody knows, is kept with its problem.
    """
    applied = 0
    for words in (FINAL_WORDS, None):
        after = 0
        while applied < limit:
            size, after = _apply_batch(now, min(BATCH_SIZE, limit - applied), after, words)
            if not size:
                break
            applied += size
    if applied:
        logger.info("receipts applied count=%s", applied)
    return applied


def _apply_batch(now: datetime, size: int, after: int, finals: list[str] | None) -> tuple[int, int]:
    """How many were applied, and the last of them."""
    for tries_left in (2, 1, 0):
        try:
            with transaction.atomic():
                return _apply(now, size, after, finals)
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected) or not tries_left:
                raise
    return 0, after


def _apply(now: datetime, size: int, after: int, finals: list[str] | None) -> tuple[int, int]:
    _execute(sql.MAKE_TABLES)
    taken, last = _rows(sql.TAKE, size=size, after=after, finals=finals)[0]
    if not taken:
        return 0, after
    words = [_understand(*row) for row in _rows(sql.READ_WORDS)]
    if left_from := _record_refusals(words, now):
        taken, last = taken - _execute(sql.LEAVE_FROM, event=left_from), left_from - 1
    if _execute(sql.READ_SAID, **_columns(words)):
        _execute(sql.LOCK_TOUCHES)
        _execute(sql.WRITE_ATTEMPTS, **_columns(words), now=now)
        _write_touches(now)
    _act_on_codes(words, now)
    _execute(sql.TELL_TRIALS, **_columns(words))
    _mark_applied(words, now)
    return taken, last


def _understand(provider: str, word: str, code: str) -> Word:
    status = status_of(word, code)
    return Word(provider, word, code, f"{RANKS[status]:02}{code}" if status else "", is_known_code(code))


def _columns(words: Sequence[Word]) -> dict[str, list[Any]]:
    return {
        "providers": [one.provider for one in words],
        "words": [one.word for one in words],
        "codes": [one.code for one in words],
        "keys": [one.key for one in words],
        "known": [one.is_known for one in words],
    }


def _codes_that(words: Iterable[Word], action: Action) -> list[str]:
    return sorted({one.code for one in words if action_for(one.code) == action})


def _record_refusals(words: Sequence[Word], now: datetime) -> int | None:
    """Unsubscribed at the operator's: a STOP. Done first, for persons are locked before touches everywhere.

    So many are locked at once, no more: the batch then ends before the first event that says another, returned.
    """
    codes = _codes_that(words, Action.OPPOSE)
    told = _rows(sql.READ_REFUSALS, codes=codes, limit=REFUSALS_AT_ONCE + 1) if codes else []
    refused = [(person, to) for _, person, to in told[:REFUSALS_AT_ONCE]]
    if refused:
        lock_people(
            persons=[person for person, _ in refused],
            destinations=[hash_destination(to) for _, to in refused],
            addresses=[to for _, to in refused],
        )
    for channel, is_email in ((Channel.SMS, False), (Channel.EMAIL, True)):
        refusals = [Refusal(frozenset([person]), to) for person, to in refused if ("@" in to) is is_email]
        refuse_contacts(refusals=refusals, channel=channel, source=OppositionSource.OPERATOR, now=now)
    return told[-1][0] if len(told) > REFUSALS_AT_ONCE else None


def _write_touches(now: datetime) -> None:
    """Each touch from all its attempts; an unreachable handset gets its one later try."""
    late_try_at = now + LATE_TRY_DELAY
    _execute(sql.READ_SITUATIONS, late_try_at=late_try_at)
    decided = [move for row in _rows(sql.LIST_SITUATIONS) if (move := _decide(*row))]
    if decided:
        columns = [list(column) for column in zip(*decided, strict=True)]
        values = dict(zip(("kinds", "statuses", "facts", "late"), columns, strict=True))
        _execute(sql.WRITE_TOUCHES, **values, now=now, late_try_at=late_try_at)


def _decide(
    kind: int, current: str, statuses: list[str], codes: list[str], has_time: bool
) -> tuple[int, str, str, bool] | None:
    """Situation, new state, state of its fact, whether it is tried later; None when nothing changes.

    Of a touch that ended while somebody may have received it, a receipt may tell that nobody did: its fact is released.
    """
    status = touch_status(current, statuses)
    if status == current and (not status.is_final or may_be_received(statuses)):
        return None
    is_late = status == TouchStatus.UNDELIVERED and deserves_late_try(codes) and has_time
    if is_late:
        status = TouchStatus.PLANNED
    return kind, status.value, fact_of(status, statuses).value, is_late


def _act_on_codes(words: Sequence[Word], now: datetime) -> None:
    """What a code asks for beyond its state: numbers to correct, campaigns to pause."""
    filtered = _codes_that(words, Action.PAUSE_CAMPAIGN)
    codes = [*(code for code in _codes_that(words, Action.BAD_NUMBER) if not blame_of(code)), *filtered]
    told = _rows(sql.READ_CODES, codes=codes) if codes else []
    findings = [
        Finding(person, destination, Channel.SMS, reason)
        for person, destination, _, code, _ in told
        if (reason := bad_number_reason(code))
    ]
    record_bad_destinations(findings=findings, now=now)
    note_bounces(codes={one.code for one in words}, now=now)
    _pause_filtered({campaign for _, _, campaign, code, is_recent in told if code in filtered and is_recent}, now)


def _pause_filtered(campaigns: Collection[int], now: datetime) -> None:
    """Filtered by the operator (30007): going on would have the sender blocked, so the campaign stops at once."""
    running = Campaign.objects.filter(pk__in=campaigns, status=CampaignStatus.RUNNING)
    for campaign in running.order_by("pk").select_for_update(no_key=True):
        pause_campaign(campaign=campaign, by=None, now=now, reason=FILTERED)
        logger.error("campaign paused campaign=%s: filtered by the operator", campaign.pk)


def _mark_applied(words: Sequence[Word], now: datetime) -> None:
    for problem, count, first in _rows(sql.MARK_APPLIED, **_columns(words), **PROBLEMS, now=now):
        logger.error("receipts with a problem count=%s first_event=%s: %s", count, first, problem)


def _rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _execute(statement: str, **values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return int(cursor.rowcount)
