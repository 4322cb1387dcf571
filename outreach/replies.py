"""The story of an answer: kept once, understood, and acted upon at once when it is a refusal."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, transaction

from campaigns.enums import Channel, FactState, OppositionSource
from campaigns.locks import lock_people
from campaigns.models import ContactFact, User
from campaigns.oppositions import hash_destination
from outreach.enums import EventKind, ReplyClass
from outreach.models import Attempt, ProviderEvent, Reply, Touch
from outreach.refusals import holders_of, refuse_contact
from outreach.rules.replies import classify

logger = logging.getLogger(__name__)


class ReplyOfNobody(Exception):
    """Neither the person nor her number is known any more."""

    def __init__(self) -> None:
        super().__init__("Ni la personne ni son numéro ne sont connus : notez la suite donnée, sans opposition.")


def receive_replies(*, now: datetime, limit: int = 5_000) -> int:
    """Read the messages that wait, oldest first; returns how many. Any number may run at once.

    Each is one transaction: reply, opposition and suppressed contacts come together or not at all. One that fails is
    kept with its problem and does not hold the others back.
    """
    received = 0
    while received < limit and _receive_next(now):
        received += 1
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
    refuse_contact(
        persons=[attempt.touch.allocataire_id],
        destination=attempt.touch.destination,
        channel=Channel.EMAIL if is_one_click else "",
        source=OppositionSource.EMAIL if is_one_click else OppositionSource.LINK,
        now=now,
    )
    logger.info("opt-out recorded attempt=%s", attempt.pk)
    return True


def _receive_next(now: datetime) -> bool:
    """False when nothing waits that another reader does not hold."""
    with transaction.atomic():
        waiting = ProviderEvent.objects.unapplied().filter(kind=EventKind.INBOUND).order_by("pk")
        event = waiting.select_for_update(skip_locked=True).first()
        if event is None:
            return False
        event.applied_at = now
        try:
            with transaction.atomic():
                _keep(event, now)
        except OperationalError:  # deadlock, lost connection: it waits for the next round
            raise
        except Exception:
            logger.exception("reply not read event=%s", event.pk)
            event.problem = "Ce message n’a pas pu être lu : il attend un agent dans les réponses."
            _record(event, ReplyClass.AMBIGUOUS, None)
        event.save(update_fields=["applied_at", "problem"])
    return True


def _keep(event: ProviderEvent, now: datetime) -> None:
    """Acting on the same message twice changes nothing: it is kept once all the same."""
    sender = str(event.payload.get("From", ""))
    kind, touch = classify(str(event.payload.get("Body", ""))), _answered_touch(sender)
    if kind == ReplyClass.STOP:
        gone = refuse_contact(
            persons=[touch.allocataire_id] if touch else [],
            destination=sender,
            source=OppositionSource.SMS_STOP,
            now=now,
        )
        logger.info("stop recorded event=%s suppressed=%s", event.pk, gone)
    _record(event, kind, touch)
    if touch:
        facts = ContactFact.objects.filter(touch_ref=touch.pk).exclude(state=FactState.RELEASED)
        facts.update(state=FactState.ANSWERED)


def _record(event: ProviderEvent, kind: ReplyClass, touch: Touch | None) -> None:
    sender = str(event.payload.get("From", ""))
    if kind == ReplyClass.AMBIGUOUS:
        _wait_for_intents(sender, touch)
    reply = Reply(
        allocataire_id=touch.allocataire_id if touch else _only_holder(sender),
        touch=touch,
        sender_hash=hash_destination(sender),
        provider=event.provider,
        provider_ref=event.provider_ref,
        body=str(event.payload.get("Body", "")),
        kind=kind,
        received_at=event.received_at,
        handled_at=event.applied_at if kind == ReplyClass.STOP else None,
    )
    Reply.objects.bulk_create([reply], ignore_conflicts=True)


def _wait_for_intents(sender: str, touch: Touch | None) -> None:
    """What may be a refusal holds the next contacts: as with a STOP, each intent is strictly before or after."""
    persons = [touch.allocataire_id] if touch else []
    lock_people(persons=persons, destinations=[hash_destination(sender)], addresses=[sender])


def _answered_touch(sender: str) -> Touch | None:
    """The last contact made to this number."""
    made = Touch.objects.filter(destination_hash=hash_destination(sender), attempts__isnull=False)
    return made.order_by("-attempts__intent_at").first()


def _only_holder(sender: str) -> int | None:
    holders = holders_of([sender])[sender]
    return holders.pop() if len(holders) == 1 else None
