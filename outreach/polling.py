"""What the operator could not tell us: receipts that never came, and messages of people whose webhook failed."""

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from campaigns.enums import Channel
from outreach.channels.ports import FoundMessage, Gateway, InboundMessage, LookUpResult
from outreach.channels.registry import gateway_of, gateways_of
from outreach.enums import AttemptStatus, EventKind, TouchStatus
from outreach.models import InboundPoll, ProviderEvent, Reply
from outreach.rules.delivery import merge

logger = logging.getLogger(__name__)

BATCH_SIZE = 64  # asked together; the worker that asks has other work
ASKING_SECONDS = 20.0  # no batch begins later: who was not asked is at the next bell
OVERLAP = timedelta(hours=1)  # a webhook may fail while later ones pass
OLDEST_INBOUND = timedelta(days=7)
INBOUND_LOCK = 4_204

# Asked at 30 minutes, then each time the silence has doubled, for two days.
_IS_SILENT = f"""o.provider_ref <> '' AND o.status IN ('{AttemptStatus.SUBMITTED}', '{AttemptStatus.SENT}')
       AND o.intent_at > %(now)s - interval '2 days'
       AND %(now)s - o.intent_at >= 2 * greatest(o.looked_up_at - o.intent_at, interval '15 minutes')"""
# Once a run: it reads all that is in flight, or all of the last two days. No index names the state of an attempt.
CHOOSE_SILENT = f"""
SELECT o.id FROM outreach_attempt o JOIN outreach_touch t ON t.id = o.touch_id
 WHERE t.status IN ('{TouchStatus.SUBMITTED}', '{TouchStatus.SENT}') AND t.channel = %(channel)s AND {_IS_SILENT}
 ORDER BY o.intent_at LIMIT %(limit)s"""
# Leased by its own date, as look-ups are: who is not asked keeps her turn.
LEASE_SILENT = f"""
WITH silent AS (
    SELECT o.id FROM outreach_attempt o WHERE o.id = ANY(%(attempts)s) AND {_IS_SILENT} FOR UPDATE SKIP LOCKED)
UPDATE outreach_attempt o SET looked_up_at = %(now)s FROM silent WHERE o.id = silent.id
RETURNING o.uuid, o.provider, o.provider_ref, o.status"""


def poll_statuses(*, now: datetime, limit: int = 1_000) -> int:
    """Ask the operator about messages without a final receipt; what it says is kept as receipts are, and applied with
    them. Returns how many there were.

    However slow the operator is, it stops soon after ``ASKING_SECONDS``; the next call goes on where it stopped.
    """
    stop_at = time.monotonic() + ASKING_SECONDS
    asked = news = 0
    chosen = [row[0] for row in _rows(CHOOSE_SILENT, now=now, channel=Channel.SMS.value, limit=limit)]
    for start in range(0, len(chosen), BATCH_SIZE):
        if time.monotonic() >= stop_at:
            break
        silent = _rows(LEASE_SILENT, now=now, attempts=chosen[start : start + BATCH_SIZE])
        asked += len(silent)
        news += _ask_about(silent, now)
    if asked:
        logger.info("operator asked attempts=%s news=%s", asked, news)
    return news


def poll_inbound(*, now: datetime) -> int:
    """Ask the operators for the messages that people wrote lately and keep those we never heard of; returns how many.

    One caller at a time: another one asks nothing. A message told by its webhook at the same moment is kept twice and
    answered once.
    """
    with _only_asker() as is_alone:
        return sum(_poll_inbound_of(gateway, now) for gateway in gateways_of(Channel.SMS)) if is_alone else 0


def _ask_about(silent: Sequence[tuple[Any, ...]], now: datetime) -> int:
    with ThreadPoolExecutor(settings.SMS_CONNECTIONS, thread_name_prefix="poll") as pool:
        answers = list(pool.map(_ask, [provider for _, provider, _, _ in silent], [ref for _, _, ref, _ in silent]))
    events = [
        _receipt(provider, attempt_uuid, found, now)
        for (attempt_uuid, provider, _, status), found in zip(silent, answers, strict=True)
        if found and merge(status, found.status) != status
    ]
    ProviderEvent.objects.bulk_create(events)
    return len(events)


@contextmanager
def _only_asker() -> Iterator[bool]:
    """Whether this session is the only one that asks, until the block ends or the process dies."""
    is_alone = _rows("SELECT pg_try_advisory_lock(%(lock)s)", lock=INBOUND_LOCK)[0][0]
    try:
        yield is_alone
    finally:
        if is_alone and not connection.needs_rollback and connection.is_usable():
            _rows("SELECT pg_advisory_unlock(%(lock)s)", lock=INBOUND_LOCK)


def _poll_inbound_of(gateway: Gateway, now: datetime) -> int:
    heard = partial(_heard, gateway.name)
    answer = gateway.list_inbound(max_age_seconds=_age_to_ask(gateway.name, now).total_seconds(), known=heard)
    known = heard([message.provider_ref for message in answer.messages])
    unheard = [message for message in answer.messages if message.provider_ref not in known]
    ProviderEvent.objects.bulk_create(_inbound(gateway.name, message, now) for message in unheard)
    if answer.is_answered and answer.is_whole:
        InboundPoll.objects.update_or_create(provider=gateway.name, defaults={"heard_until": now})
    if unheard:
        logger.warning("inbound messages that no webhook told provider=%s count=%s", gateway.name, len(unheard))
    return len(unheard)


def _age_to_ask(provider: str, now: datetime) -> timedelta:
    """Since all was last heard: what came since then by another way says nothing of what did not come."""
    last = InboundPoll.objects.filter(provider=provider).first()
    silence = now - last.heard_until if last else OLDEST_INBOUND
    return min(max(silence, timedelta()) + OVERLAP, OLDEST_INBOUND)


def _heard(provider: str, refs: Collection[str]) -> set[str]:
    heard: set[str] = set()
    for told in (ProviderEvent.objects.filter(kind=EventKind.INBOUND), Reply.objects.all()):
        heard |= set(told.filter(provider=provider, provider_ref__in=refs).values_list("provider_ref", flat=True))
    return heard


def _ask(provider: str, provider_ref: str) -> FoundMessage | None:
    """What the operator that took it says of a message; None for nothing."""
    gateway = gateway_of(Channel.SMS, provider)
    answer = gateway.fetch_status(provider_ref) if gateway else LookUpResult(is_answered=False)
    return answer.found[0] if answer.found else None


def _receipt(provider: str, attempt_uuid: UUID, found: FoundMessage, now: datetime) -> ProviderEvent:
    return ProviderEvent(
        provider=provider,
        kind=EventKind.STATUS,
        attempt_uuid=attempt_uuid,
        provider_ref=found.provider_ref,
        status=found.word,
        error_code=found.error_code,
        payload={"polled": "1"},
        received_at=now,
    )


def _inbound(provider: str, message: InboundMessage, now: datetime) -> ProviderEvent:
    return ProviderEvent(
        provider=provider,
        kind=EventKind.INBOUND,
        provider_ref=message.provider_ref,
        status="received",
        payload={"From": message.sender, "Body": message.body, "MessageSid": message.provider_ref, "polled": "1"},
        received_at=now,
    )


def _rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
