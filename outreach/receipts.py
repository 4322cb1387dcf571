"""The story of a receipt: stored raw before we answer, then applied in batches, by rank and never by arrival."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected

from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import CampaignStatus, Channel, FactState, OppositionSource
from campaigns.lifecycle import pause_campaign
from campaigns.locks import lock_people
from campaigns.models import Campaign
from campaigns.oppositions import hash_destination
from outreach import receipts_sql as sql
from outreach.enums import AttemptStatus, EventKind, TouchStatus
from outreach.models import ProviderEvent
from outreach.refusals import refuse_contact
from outreach.rules.delivery import (
    LATE_TRY_DELAY,
    Action,
    action_for,
    bad_number_reason,
    deserves_late_try,
    fact_state,
    is_known_code,
    merge,
    status_of,
    touch_status,
)

logger = logging.getLogger(__name__)

BATCH_SIZE = 2_000
FILTERED = "L’opérateur filtre les messages de cette campagne (code 30007). Voir avec lui avant de reprendre."


@dataclass(frozen=True)
class Known:
    """An attempt that receipts speak of, as it stands."""

    id: int
    uuid: UUID
    touch_id: int
    campaign_id: int
    allocataire_id: int
    destination: str
    status: str
    error_code: str
    provider_ref: str


@dataclass
class News:
    """What the receipts of a batch say of one attempt."""

    known: Known
    status: str
    error_code: str
    provider_ref: str

    def hear(self, event: ProviderEvent, status: AttemptStatus, *, is_owner: bool) -> None:
        """The higher rank wins; the code goes with the state that it explains."""
        if merge(self.status, status) != self.status:
            self.status, self.error_code = status, event.error_code
        elif status == self.status:
            self.error_code = max(self.error_code, event.error_code)
        if is_owner:
            self.provider_ref = event.provider_ref


def store_event(
    *,
    provider: str,
    kind: EventKind,
    payload: Mapping[str, str],
    provider_ref: str,
    now: datetime,
    status: str = "",
    error_code: str = "",
    attempt_uuid: UUID | None = None,
) -> ProviderEvent:
    """Keep what an operator said, as it said it. Nothing else is done before it is answered."""
    return ProviderEvent.objects.create(
        provider=provider,
        kind=kind,
        attempt_uuid=attempt_uuid,
        provider_ref=provider_ref[:80],
        status=status[:20],
        error_code=error_code[:40],
        payload=dict(payload),
        received_at=now,
    )


def apply_receipts(*, now: datetime, limit: int = 100_000) -> int:
    """Apply the receipts that wait, oldest first; returns how many. Any number may run at once.

    Attempt, touch and contact fact change together. A receipt that matches nothing, or says a word or a code that
    nobody knows, is kept with its problem.
    """
    applied = 0
    while applied < limit:
        size = _apply_batch(now, min(BATCH_SIZE, limit - applied))
        if not size:
            break
        applied += size
    if applied:
        logger.info("receipts applied count=%s", applied)
    return applied


def _apply_batch(now: datetime, size: int) -> int:
    for tries_left in (2, 1, 0):
        try:
            with transaction.atomic():
                return _apply_events(_take_events(size), now)
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected) or not tries_left:
                raise
    return 0


def _take_events(size: int) -> list[ProviderEvent]:
    waiting = ProviderEvent.objects.unapplied().filter(kind=EventKind.STATUS).order_by("pk")
    return list(waiting.select_for_update(skip_locked=True)[:size])


def _apply_events(events: Sequence[ProviderEvent], now: datetime) -> int:
    if events:
        book = _find_attempts(events)
        _record_refusals(events, book, now)
        news = _read_news(events, _lock_and_read_again(book))
        _write_attempts(news, now)
        _write_touches(sorted({one.known.touch_id for one in news}), now)
        _note_bad_numbers(news, now)
        _pause_filtered(news, now)
        _mark_applied(events, now)
    return len(events)


def _find_attempts(events: Sequence[ProviderEvent]) -> "Book":
    return Book(
        _read(
            uuids=[event.attempt_uuid for event in events if event.attempt_uuid],
            refs=[event.provider_ref for event in events],
            providers=sorted({event.provider for event in events}),
        )
    )


class Book:
    """The attempts of a batch, found by what travelled with the message, else by the operator's reference."""

    def __init__(self, known: Sequence[Known]) -> None:
        self.known = known
        self._by_uuid = {one.uuid: one for one in known}
        self._by_ref = {one.provider_ref: one for one in known if one.provider_ref}
        self._with_ref = {one.id for one in known if one.provider_ref}

    def find(self, event: ProviderEvent) -> Known | None:
        if event.attempt_uuid in self._by_uuid:
            return self._by_uuid[event.attempt_uuid]
        return self._by_ref.get(event.provider_ref)

    def owns(self, one: Known, provider_ref: str) -> bool:
        """Whether the reference is this attempt's; one that nobody has becomes its own, if it has none."""
        owner = self._by_ref.get(provider_ref)
        if owner is None and one.id not in self._with_ref:
            owner = self._by_ref[provider_ref] = one
            self._with_ref.add(one.id)
        return owner is one


def _record_refusals(events: Iterable[ProviderEvent], book: "Book", now: datetime) -> None:
    """Unsubscribed at the operator's: a STOP. Done first, for persons are locked before touches everywhere."""
    refused = {one for event in events if action_for(event.error_code) == Action.OPPOSE and (one := book.find(event))}
    if refused:
        lock_people(
            persons=[one.allocataire_id for one in refused],
            destinations=[hash_destination(one.destination) for one in refused if one.destination],
            addresses=[one.destination for one in refused],
        )
    for one in refused:
        refuse_contact(
            persons=[one.allocataire_id],
            destination=one.destination,
            channel=Channel.SMS,
            source=OppositionSource.OPERATOR,
            now=now,
        )


def _lock_and_read_again(book: "Book") -> "Book":
    """The same attempts once their touches are locked: what was read before may have changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql.LOCK_TOUCHES, {"touches": sorted({one.touch_id for one in book.known})})
    return Book(_read(uuids=[one.uuid for one in book.known], refs=[], providers=[]))


def _read(*, uuids: Sequence[UUID], refs: Sequence[str], providers: Sequence[str]) -> list[Known]:
    with connection.cursor() as cursor:
        cursor.execute(sql.FIND, {"uuids": list(uuids), "refs": list(refs), "providers": list(providers)})
        return [Known(*row) for row in cursor.fetchall()]


def _read_news(events: Iterable[ProviderEvent], book: "Book") -> list[News]:
    """What the events say of each attempt; sets the problem of those that cannot be understood."""
    news: dict[int, News] = {}
    for event in events:
        one = book.find(event)
        status = status_of(event.status, event.error_code)
        event.problem = _problem_of(event, one, status, book)
        if one and status:
            said = news.setdefault(one.id, News(one, one.status, one.error_code, one.provider_ref))
            said.hear(event, status, is_owner=book.owns(one, event.provider_ref))
    return [one for one in news.values() if _is_news(one)]


def _problem_of(event: ProviderEvent, one: Known | None, status: AttemptStatus | None, book: "Book") -> str:
    problem = ""
    if one is None:
        problem = "Aucun contact ne correspond à cet accusé."
    elif status is None:
        problem = "État inconnu : l’accusé est gardé, rien n’a changé."
    elif not book.owns(one, event.provider_ref):
        problem = "L’opérateur parle d’un autre message que celui connu pour cette tentative : envoi en double ?"
    elif not is_known_code(event.error_code):
        problem = "Code d’erreur inconnu : l’état annoncé a été appliqué."
    if problem:
        logger.warning("receipt problem event=%s code=%s", event.pk, event.error_code)
    return problem


def _is_news(one: News) -> bool:
    before = one.known
    return (one.status, one.error_code, one.provider_ref) != (before.status, before.error_code, before.provider_ref)


def _write_attempts(changed: Sequence[News], now: datetime) -> None:
    if changed:
        with connection.cursor() as cursor:
            cursor.execute(
                sql.WRITE_ATTEMPTS,
                {
                    "ids": [one.known.id for one in changed],
                    "statuses": [str(one.status) for one in changed],
                    "codes": [one.error_code for one in changed],
                    "refs": [one.provider_ref for one in changed],
                    "now": now,
                },
            )


def _write_touches(touch_ids: Sequence[int], now: datetime) -> None:
    """Each touch from all its attempts; an unreachable handset gets its one later try."""
    with connection.cursor() as cursor:
        cursor.execute(sql.READ_TOUCHES, {"touches": list(touch_ids)})
        moved = [move for row in cursor.fetchall() if (move := _decide(now, *row))]
        if moved:
            columns = [list(column) for column in zip(*moved, strict=True)]
            values = dict(zip(("ids", "statuses", "facts", "due_at"), columns, strict=True))
            cursor.execute(sql.WRITE_TOUCHES, {**values, "now": now, "answered": FactState.ANSWERED.value})


def _decide(
    now: datetime, touch_id: int, current: str, expires_at: datetime, statuses: list[str], codes: list[str]
) -> tuple[int, str, str, datetime | None] | None:
    """Touch, new state, state of its fact, new due date; None when nothing changes."""
    status, due_at = touch_status(current, statuses), None
    if status == current:
        return None
    if status == TouchStatus.UNDELIVERED and deserves_late_try(codes) and now + LATE_TRY_DELAY < expires_at:
        status, due_at = TouchStatus.PLANNED, now + LATE_TRY_DELAY
    return touch_id, status.value, fact_state(status).value, due_at


def _note_bad_numbers(news: Iterable[News], now: datetime) -> None:
    findings = [
        Finding(one.known.allocataire_id, one.known.destination, Channel.SMS, reason)
        for one in news
        if (reason := bad_number_reason(one.error_code))
    ]
    record_bad_destinations(findings=findings, now=now)


def _pause_filtered(news: Iterable[News], now: datetime) -> None:
    """Filtered by the operator (30007): going on would have the sender blocked, so the campaign stops at once."""
    filtered = {one.known.campaign_id for one in news if action_for(one.error_code) == Action.PAUSE_CAMPAIGN}
    running = Campaign.objects.filter(pk__in=filtered, status=CampaignStatus.RUNNING)
    for campaign in running.order_by("pk").select_for_update(no_key=True):
        pause_campaign(campaign=campaign, by=None, now=now, reason=FILTERED)
        logger.error("campaign paused campaign=%s: filtered by the operator", campaign.pk)


def _mark_applied(events: Sequence[ProviderEvent], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.MARK_APPLIED,
            {
                "ids": [event.pk for event in events],
                "problems": [event.problem for event in events],
                "now": now,
            },
        )
