"""What e-mail providers post, read by anymail and put in the words of receipts. Whoever posts is verified first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from anymail.signals import EventType, RejectReason
from anymail.webhooks.brevo import BrevoTrackingWebhookView
from anymail.webhooks.mailjet import MailjetTrackingWebhookView
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from outreach.rules.bounces import BLOCKED, COMPLAINT, HARD, INVALID, SOFT, UNSUBSCRIBED, find_enhanced_code
from outreach.rules.delivery_reports import clean

VIEWS = {"brevo": BrevoTrackingWebhookView, "mailjet": MailjetTrackingWebhookView}
MAX_EVENTS = 1_000
# What anymail may raise on a body that is not its provider's.
UNREADABLE = (
    AnymailError, ImproperlyConfigured, ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError,
    RecursionError,
)  # fmt: skip
# Anymail's event → (our word, whether it says of the address what a code says).
WORDS = {
    EventType.QUEUED: "queued",
    EventType.SENT: "sent",
    EventType.DEFERRED: "sent",
    EventType.DELIVERED: "delivered",
    EventType.OPENED: "delivered",
    EventType.CLICKED: "delivered",
    EventType.COMPLAINED: "delivered",
    EventType.UNSUBSCRIBED: "delivered",
    EventType.BOUNCED: "undelivered",
    EventType.REJECTED: "undelivered",
    EventType.FAILED: "failed",
}


class UntrustedEvent(Exception):
    """The provider's name and password are missing or wrong, or none were agreed on."""


class UnreadableEvent(Exception):
    """Not what this provider posts."""


@dataclass(frozen=True, slots=True)
class EmailEvent:
    """``word`` empty: one that receipts do not know."""

    attempt_uuid: UUID | None
    word: str
    code: str
    payload: dict[str, str]


def read_email_events(request: HttpRequest, provider: str) -> list[EmailEvent]:
    """What the provider tells, in the words of receipts. Raises ``UntrustedEvent`` or ``UnreadableEvent``."""
    secrets = [one for one in (settings.EMAIL_WEBHOOK_SECRET, settings.EMAIL_WEBHOOK_SECRET_PREVIOUS) if one]
    if not secrets or provider != settings.EMAIL_PROVIDER or provider not in VIEWS:
        raise UntrustedEvent
    view = VIEWS[provider](webhook_secret=secrets)
    try:
        view.run_validators(request)
    except AnymailWebhookValidationFailure as error:
        raise UntrustedEvent from error
    try:
        return [_read(event) for event in view.parse_events(request)[:MAX_EVENTS]]
    except UNREADABLE as error:
        raise UnreadableEvent from error


def _read(event: Any) -> EmailEvent:
    payload = event.esp_event if isinstance(event.esp_event, Mapping) else {}
    return EmailEvent(
        attempt_uuid=_find_attempt([_mapping(event.metadata).get("attempt"), event.message_id]),
        word=WORDS.get(event.event_type, clean(str(payload.get("event", "")), 20)),
        code=_code_of(event, payload),
        payload={clean(str(name), 80): clean(str(value), 500) for name, value in [*payload.items()][:60]},
    )


def _find_attempt(marks: Iterable[object]) -> UUID | None:
    """What we wrote in the e-mail comes back: our own header, else the Message-ID."""
    for mark in marks:
        try:
            return UUID(str(mark).strip("<>").partition("@")[0])
        except ValueError:
            continue
    return None


def _code_of(event: Any, payload: Mapping[str, Any]) -> str:
    match event.event_type:
        case EventType.COMPLAINED:
            return COMPLAINT
        case EventType.UNSUBSCRIBED:
            return UNSUBSCRIBED
        case EventType.BOUNCED | EventType.REJECTED | EventType.FAILED:
            return _failure_code(event, payload)
    return ""


def _failure_code(event: Any, payload: Mapping[str, Any]) -> str:
    """The server's own code; where the provider says none, its word for lasting, invalid or passing."""
    if event.reject_reason == RejectReason.SPAM:  # it will not send to who complained before
        return COMPLAINT
    if code := find_enhanced_code(str(event.mta_response or "")[:2_000]):
        return code
    if event.reject_reason == RejectReason.INVALID:
        return INVALID
    if payload.get("event") == "hard_bounce" or payload.get("hard_bounce") is True:
        return HARD
    return BLOCKED if event.event_type == EventType.REJECTED else SOFT


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
