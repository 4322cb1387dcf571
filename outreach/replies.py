"""The story of an answer: kept once, understood, and acted upon at once when it is a refusal."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from campaigns.enums import Channel, FactState, OppositionSource
from campaigns.models import ContactFact, User
from campaigns.oppositions import hash_destination
from outreach.enums import EventKind, ReplyClass
from outreach.models import Attempt, ProviderEvent, Reply, Touch
from outreach.refusals import holders_of, refuse_contact
from outreach.rules.replies import classify

logger = logging.getLogger(__name__)


def receive_replies(*, now: datetime, limit: int = 5_000) -> int:
    """Read the messages that wait, oldest first; returns how many. Any number may run at once.

    Each is one transaction: reply, opposition and suppressed contacts come together or not at all. One that fails is
    kept with its problem and does not hold the others back.
    """
    received = 0
    while received < limit and (event_id := _next_event()) is not None:
        try:
            received += _receive_one(event_id, now)
        except Exception:
            logger.exception("reply not read event=%s", event_id)
            _set_aside(event_id, now)
    return received


def handle_reply(*, reply: Reply, by: User, now: datetime, note: str = "", is_opposition: bool = False) -> None:
    """An agent has read a reply. ``is_opposition``: she understood a refusal, recorded for all contacts."""
    with transaction.atomic():
        if is_opposition and reply.allocataire_id:
            refuse_contact(
                persons=[reply.allocataire_id],
                destination=reply.touch.destination if reply.touch else "",
                source=OppositionSource.AGENT,
                now=now,
                by=by,
            )
            reply.kind = ReplyClass.STOP
        reply.handled_at, reply.handled_by, reply.note = now, by, note[:300]
        reply.save(update_fields=["kind", "handled_at", "handled_by", "note"])


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


def _next_event() -> int | None:
    waiting = ProviderEvent.objects.unapplied().filter(kind=EventKind.INBOUND).order_by("pk")
    return waiting.values_list("pk", flat=True).first()


@transaction.atomic
def _receive_one(event_id: int, now: datetime) -> int:
    """0 when another reader has just taken it."""
    waiting = ProviderEvent.objects.unapplied().filter(pk=event_id)
    event = waiting.select_for_update().first()
    if event is None:
        return 0
    sender, body = str(event.payload.get("From", "")), str(event.payload.get("Body", ""))
    if not Reply.objects.filter(provider=event.provider, provider_ref=event.provider_ref).exists():
        _keep(event, sender, body, now)
    event.applied_at = now
    event.save(update_fields=["applied_at"])
    return 1


def _keep(event: ProviderEvent, sender: str, body: str, now: datetime) -> Reply:
    kind = classify(body)
    touch = _answered_touch(sender)
    if kind == ReplyClass.STOP:
        gone = refuse_contact(
            persons=[touch.allocataire_id] if touch else [],
            destination=sender,
            source=OppositionSource.SMS_STOP,
            now=now,
        )
        logger.info("stop recorded event=%s suppressed=%s", event.pk, gone)
    if touch:
        ContactFact.objects.filter(touch_ref=touch.pk).exclude(state=FactState.RELEASED).update(
            state=FactState.ANSWERED
        )
    return Reply.objects.create(
        allocataire_id=touch.allocataire_id if touch else _only_holder(sender),
        touch=touch,
        sender_hash=hash_destination(sender),
        provider=event.provider,
        provider_ref=event.provider_ref,
        body=body,
        kind=kind,
        received_at=event.received_at,
        handled_at=now if kind == ReplyClass.STOP else None,
    )


def _answered_touch(sender: str) -> Touch | None:
    """The last contact made to this number."""
    made = Touch.objects.filter(destination_hash=hash_destination(sender), attempts__isnull=False)
    return made.order_by("-attempts__intent_at").first()


def _only_holder(sender: str) -> int | None:
    holders = holders_of(sender)
    return holders.pop() if len(holders) == 1 else None


def _set_aside(event_id: int, now: datetime) -> None:
    problem = "Ce message n’a pas pu être lu : il est gardé tel quel, à lire par un agent."
    ProviderEvent.objects.filter(pk=event_id, applied_at=None).update(applied_at=now, problem=problem)
