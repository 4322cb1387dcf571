"""All that contacted or will contact one person, with what she answered and refused, in one list."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time

from django.utils import timezone

from campaigns.enums import CONTROL_ARM
from campaigns.models import Allocataire, Member, Opposition
from outreach.enums import TouchStatus
from outreach.models import CallAttempt, Regularisation, Reply, Touch

WAITING = frozenset({TouchStatus.PLANNED, TouchStatus.CLAIMED})


@dataclass(frozen=True)
class Entry:
    """One line: what happened, or will (``is_coming``). Without a destination nor a text."""

    at: datetime
    kind: str
    title: str
    detail: str = ""
    is_coming: bool = False


def read_timeline(*, allocataire: Allocataire, now: datetime) -> list[Entry]:
    """The latest first, what is planned above. One query for each kind of line."""
    found = [
        *_contacts(allocataire, now),
        *_calls(allocataire),
        *_replies(allocataire),
        *_oppositions(allocataire),
        *_draws(allocataire),
        *_regularisations(allocataire),
    ]
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def _contacts(person: Allocataire, now: datetime) -> Iterator[Entry]:
    touches = Touch.objects.filter(allocataire=person).select_related("campaign", "step").prefetch_related("attempts")
    for touch in touches.order_by("pk"):
        is_coming = touch.status in WAITING
        sent = [attempt.submitted_at for attempt in touch.attempts.all() if attempt.submitted_at]
        at = touch.due_at if is_coming or touch.status_at is None else min(sent, default=touch.status_at)
        reason = f" : {touch.get_reason_display()}" if touch.reason else ""
        tries = f", {touch.attempt_count} tentatives" if touch.attempt_count > 1 else ""
        yield Entry(
            at=at,
            kind=touch.get_channel_display(),
            title=f"{touch.campaign.name} — {touch.step.label}",
            detail=f"{touch.get_status_display()}{reason}{tries}",
            is_coming=is_coming and touch.expires_at > now,
        )


def _calls(person: Allocataire) -> Iterator[Entry]:
    rings = CallAttempt.objects.filter(call__touch__allocataire=person).select_related("call__touch__campaign", "by")
    for ring in rings.order_by("pk"):
        by = f"par {ring.by.get_username()}" if ring.by else ""
        title = f"{ring.call.touch.campaign.name} — tentative {ring.number}"
        yield Entry(ring.at, "Appel", title, f"{ring.get_result_display()} {by}".strip())


def _replies(person: Allocataire) -> Iterator[Entry]:
    for reply in Reply.objects.filter(allocataire=person).select_related("touch__campaign").order_by("pk"):
        title = f"À {reply.touch.campaign.name}" if reply.touch else "Hors campagne"
        handled = "traitée" if reply.handled_at else "à traiter"
        yield Entry(reply.received_at, "Réponse reçue", title, f"{reply.get_kind_display()} ({handled})")


def _oppositions(person: Allocataire) -> Iterator[Entry]:
    for row in Opposition.objects.filter(allocataire=person).order_by("pk"):
        channel = row.get_channel_display() if row.channel else "Tous les canaux"
        scope = f"{channel}, {f'thème « {row.theme} »' if row.theme else 'tous les thèmes'}"
        yield Entry(row.recorded_at, "Opposition", scope, row.get_source_display())
        if row.lifted_at:
            yield Entry(row.lifted_at, "Opposition levée", scope)


def _draws(person: Allocataire) -> Iterator[Entry]:
    members = Member.objects.filter(allocataire=person).select_related("audience", "campaign")
    for member in members.order_by("pk"):
        audience = member.audience
        arm = member.campaign.label_arm(member.arm)
        kept = "Témoin : ne reçoit rien" if member.arm == CONTROL_ARM else f"Retenue, bras « {arm} »"
        detail = f"Laissée de côté : {member.get_exclusion_display()}" if member.exclusion else kept
        replaced = " (vague remplacée)" if audience.superseded_at else ""
        title = f"{member.campaign.name} — vague {audience.number}{replaced}"
        yield Entry(audience.frozen_at, "Tirage au sort", title, detail)


def _regularisations(person: Allocataire) -> Iterator[Entry]:
    for row in Regularisation.objects.filter(allocataire=person).select_related("kind").order_by("pk"):
        at = timezone.make_aware(datetime.combine(row.occurred_on, time.min))
        yield Entry(at, "Démarche", row.kind.label, row.kind.get_stage_display())
