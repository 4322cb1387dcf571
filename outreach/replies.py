"""The story of an answer: kept once, understood, and acted upon at once when it is a refusal."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction

from campaigns.enums import Channel, FactState, OppositionSource
from campaigns.locks import despite_deadlocks, lock_people
from campaigns.models import User
from campaigns.oppositions import Refusal, hash_destination
from outreach.automatic_answers import plan_answers
from outreach.enums import EventKind, ReplyClass
from outreach.models import Attempt, ProviderEvent, Reply
from outreach.refusals import holders_of, refuse_contact, refuse_contacts
from outreach.rules.replies import classify

logger = logging.getLogger(__name__)

BATCH_SIZE = 200  # people whose contacts wait while their messages are read

LAST_CONTACTS = """
SELECT DISTINCT ON (t.destination_hash) t.destination_hash, t.id, t.allocataire_id
  FROM outreach_touch t JOIN outreach_attempt o ON o.touch_id = t.id
 WHERE t.destination_hash = ANY(%(hashes)s) AND t.destination_hash <> ''
 ORDER BY t.destination_hash, o.intent_at DESC, t.id DESC"""
LOCK_TOUCHES = "SELECT id FROM outreach_touch WHERE id = ANY(%(touches)s) ORDER BY id FOR NO KEY UPDATE"
NOTE_ANSWERS = f"""
UPDATE campaigns_contactfact f SET state = '{FactState.ANSWERED}', answered_at = coalesce(f.answered_at, n.at)
  FROM (SELECT id, min(at) AS at FROM unnest(%(touches)s::bigint[], %(dates)s::timestamptz[]) AS told(id, at)
         GROUP BY id) AS n
 WHERE f.touch_ref = n.id AND f.state <> '{FactState.RELEASED}'"""


class ReplyOfNobody(Exception):
    """Neither the person nor her number is known any more."""

    def __init__(self) -> None:
        super().__init__("Ni la personne ni son numéro ne sont connus : notez la suite donnée, sans opposition.")


@dataclass(frozen=True)
class Heard:
    """A message as it was understood."""

    event: ProviderEvent
    sender: str
    sender_hash: str
    kind: ReplyClass

    @classmethod
    def of(cls, event: ProviderEvent, kind: ReplyClass) -> "Heard":
        sender = str(event.payload.get("From", ""))
        return cls(event, sender, hash_destination(sender), kind)


@dataclass(frozen=True)
class Contact:
    """What a message answers."""

    touch_id: int
    allocataire_id: int


def receive_replies(*, now: datetime, limit: int = 5_000) -> int:
    """Read the messages that wait, oldest first; returns how many. Any number may run at once.

    Replies, oppositions and suppressed contacts of a batch come together, in one transaction, or not at all. When one
    message breaks its batch, all are read one by one; that one is kept with its problem.
    """
    received = 0
    while received < limit:
        size = min(BATCH_SIZE, limit - received)
        try:
            read = _receive_batch(now, size)
        except OperationalError:  # lost connection: they wait for the next round
            raise
        except Exception:
            logger.exception("replies not read together: one by one")
            read = sum(_receive_next(now) for _ in range(size))
        if not read:
            break
        received += read
    return received


def handle_reply(*, reply: Reply, by: User, now: datetime, note: str = "", is_opposition: bool = False) -> None:
    """An agent has read a reply: what it held may go on. ``is_opposition``: she understood a refusal of all contacts.

    The refusal is that of the writer and of whoever holds the number. Raises ``ReplyOfNobody``: nothing is known of
    either any more.
    """
    with transaction.atomic():
        if is_opposition:
            refuse_contact(
                persons=[reply.allocataire_id] if reply.allocataire_id else [],
                destination=_sender_of(reply),
                source=OppositionSource.AGENT,
                now=now,
                by=by,
            )
            reply.kind = ReplyClass.STOP
        elif reply.touch_id:
            _execute(NOTE_ANSWERS, touches=[reply.touch_id], dates=[reply.received_at])
        reply.handled_at, reply.handled_by, reply.note = now, by, note[:300]
        reply.save(update_fields=["kind", "handled_at", "handled_by", "note"])


def _sender_of(reply: Reply) -> str:
    """The number it came from: replies keep its hash only."""
    if reply.touch and reply.touch.destination_hash == reply.sender_hash:
        return reply.touch.destination
    event = ProviderEvent.objects.filter(
        kind=EventKind.INBOUND, provider=reply.provider, provider_ref=reply.provider_ref
    ).first()
    sender = str(event.payload.get("From", "")) if event else ""
    if not (sender or reply.allocataire_id):
        raise ReplyOfNobody
    return sender


def opt_out(*, attempt_uuid: UUID, is_one_click: bool, now: datetime) -> bool:
    """The reader of a message refuses the next ones: by the page, all of them; by her mail program, e-mails.

    False when the message is no longer known (retention has passed): there is nothing left to attach it to.
    """
    attempt = Attempt.objects.select_related("touch").filter(uuid=attempt_uuid).first()
    if attempt is None:
        return False
    refuse = partial(
        refuse_contact,
        persons=[attempt.touch.allocataire_id],
        destination=attempt.touch.destination,
        channel=Channel.EMAIL if is_one_click else "",
        source=OppositionSource.EMAIL if is_one_click else OppositionSource.LINK,
        now=now,
    )
    despite_deadlocks(refuse)
    logger.info("opt-out recorded attempt=%s", attempt.pk)
    return True


def _receive_batch(now: datetime, size: int) -> int:
    def receive() -> int:
        events = _take(size)
        _keep(events, now)
        return len(events)

    return despite_deadlocks(receive)


def _receive_next(now: datetime) -> bool:
    """False when nothing waits that another reader does not hold."""
    with transaction.atomic():
        events = _take(1)
        try:
            with transaction.atomic():
                _keep(events, now)
        except OperationalError:
            raise
        except Exception:
            logger.exception("reply not read event=%s", events[0].pk)
            events[0].problem = "Ce message n’a pas pu être lu : il attend un agent dans les réponses."
            _record([Heard.of(events[0], ReplyClass.AMBIGUOUS)], {}, now)
            _mark_applied(events, now)
    return bool(events)


def _take(size: int) -> list[ProviderEvent]:
    waiting = ProviderEvent.objects.unapplied().filter(kind=EventKind.INBOUND).order_by("pk")
    return list(waiting.select_for_update(skip_locked=True)[:size])


def _keep(events: Sequence[ProviderEvent], now: datetime) -> None:
    """Acting on the same message twice changes nothing: it is kept once all the same."""
    if not events:
        return
    heard = [Heard.of(event, classify(str(event.payload.get("Body", "")))) for event in events]
    contacts = _last_contacts(heard)
    _wait_for_intents(heard, contacts)
    stops = [one for one in heard if one.kind == ReplyClass.STOP]
    gone = refuse_contacts(
        refusals=[Refusal(_writer(one, contacts), one.sender) for one in stops],
        source=OppositionSource.SMS_STOP,
        now=now,
    )
    if stops:
        logger.info("stops recorded count=%s suppressed=%s", len(stops), gone)
    _record(heard, contacts, now)
    _note_answers(heard, contacts)
    _answer(heard, contacts, now)
    _mark_applied(events, now)


def _record(heard: Sequence[Heard], contacts: Mapping[str, Contact], now: datetime) -> None:
    holders = holders_of([one.sender for one in heard])
    replies = [
        Reply(
            allocataire_id=next(iter(_writer(one, contacts) or _alone(holders[one.sender])), None),
            touch_id=contacts[one.sender_hash].touch_id if one.sender_hash in contacts else None,
            sender_hash=one.sender_hash,
            provider=one.event.provider,
            provider_ref=one.event.provider_ref,
            body=str(one.event.payload.get("Body", "")),
            kind=one.kind,
            received_at=one.event.received_at,
            handled_at=now if one.kind == ReplyClass.STOP else None,
        )
        for one in heard
    ]
    Reply.objects.bulk_create(replies, ignore_conflicts=True)


def _wait_for_intents(heard: Sequence[Heard], contacts: Mapping[str, Contact]) -> None:
    """What may be a refusal holds the next contacts: as with a STOP, each intent is strictly before or after.

    All people of the batch in one go, then the contacts that were answered, as receipts lock them.
    """
    held = [one for one in heard if one.kind != ReplyClass.ORDINARY]
    if held:
        lock_people(
            persons=frozenset[int]().union(*(_writer(one, contacts) for one in held)),
            destinations=[one.sender_hash for one in held],
            addresses=[one.sender for one in held],
        )
    _rows(LOCK_TOUCHES, touches=[contact.touch_id for contact in contacts.values()])


def _note_answers(heard: Sequence[Heard], contacts: Mapping[str, Contact]) -> None:
    """What was sent was answered; an answer that refuses nothing has its date."""
    answered = [(contacts[one.sender_hash].touch_id, one) for one in heard if one.sender_hash in contacts]
    _execute(
        NOTE_ANSWERS,
        touches=[touch_id for touch_id, _ in answered],
        dates=[one.event.received_at if one.kind == ReplyClass.ORDINARY else None for _, one in answered],
    )


def _answer(heard: Sequence[Heard], contacts: Mapping[str, Contact], now: datetime) -> None:
    """Only what cannot be a refusal is answered by itself, and nobody who may have refused in the same batch."""
    unsure = {one.sender_hash for one in heard if one.kind != ReplyClass.ORDINARY}
    replied = {one.sender_hash for one in heard} - unsure
    planned = plan_answers(touch_ids={contacts[one].touch_id for one in replied & contacts.keys()}, now=now)
    if planned:
        logger.info("automatic answers planned count=%s", planned)


def _last_contacts(heard: Sequence[Heard]) -> dict[str, Contact]:
    """By sender, the last contact made to this number."""
    rows = _rows(LAST_CONTACTS, hashes=[one.sender_hash for one in heard])
    return {sender_hash: Contact(touch_id, person) for sender_hash, touch_id, person in rows}


def _writer(one: Heard, contacts: Mapping[str, Contact]) -> frozenset[int]:
    contact = contacts.get(one.sender_hash)
    return frozenset([contact.allocataire_id]) if contact else frozenset()


def _alone(holders: Collection[int]) -> Collection[int]:
    """The only holder of a number; nobody when it is shared."""
    return holders if len(holders) == 1 else ()


def _mark_applied(events: Sequence[ProviderEvent], now: datetime) -> None:
    for event in events:
        event.applied_at = now
    ProviderEvent.objects.bulk_update(events, ["applied_at", "problem"])


def _rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _execute(statement: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
