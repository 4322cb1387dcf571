"""E-mail over SMTP: a text part and a plain HTML one, a fixed Message-ID, and a one-click way out (RFC 8058)."""

import smtplib
import threading
from dataclasses import dataclass, field
from email.utils import parseaddr
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.template.loader import render_to_string

from outreach.channels.opt_out import opt_out_url
from outreach.channels.ports import InboundResult, LookUpResult, OutgoingMessage, SendOutcome, SendResult
from outreach.channels.real_addresses import refuse_real_address
from outreach.channels.smtp import StagedBackend
from outreach.rules.delivery import outcome_of_smtp

CLOSED = SendResult(SendOutcome.RETRY, error_code="SMTPServerDisconnected", is_alert=True)


@dataclass
class EmailGateway:
    """One connection for each thread, kept open from one message to the next."""

    sender: str
    name: str = "smtp"
    _local: threading.local = field(default_factory=threading.local, repr=False)

    @classmethod
    def from_settings(cls) -> "EmailGateway":
        if not settings.EMAIL_HOST or not settings.PUBLIC_BASE_URL:
            raise ImproperlyConfigured("Pour envoyer des e-mails, il manque EMAIL_HOST ou PUBLIC_BASE_URL.")
        refuse_real_address(settings.EMAIL_HOST, "EMAIL_HOST")
        return cls(sender=settings.DEFAULT_FROM_EMAIL)

    def send(self, message: OutgoingMessage) -> SendResult:
        """Give the message to the mail server, once. See ``Gateway.send``."""
        try:
            validate_email(message.destination)
        except ValidationError:
            return SendResult(SendOutcome.REFUSED, error_code="ADDRESS")
        letter = compose(message, sender=self.sender)
        # None: the server had closed an idle connection; nothing was said yet, so a fresh one may say it.
        return self._send_once(letter) or self._send_once(letter) or CLOSED

    def look_up(self, message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        """SMTP cannot be asked."""
        return LookUpResult(is_answered=False)

    def fetch_status(self, provider_ref: str) -> LookUpResult:
        return LookUpResult(is_answered=False)

    def list_inbound(self, *, max_age_seconds: float) -> InboundResult:
        """Nobody reads the sender's mailbox here."""
        return InboundResult(is_answered=False)

    def _send_once(self, letter: EmailMultiAlternatives) -> SendResult | None:
        """The answer, or None when a connection kept from before turned out to be closed."""
        backend = self._backend()
        was_open = False
        try:
            was_open = backend.begin()
            backend.send_messages([letter])
        except smtplib.SMTPServerDisconnected as trouble:
            is_idle = was_open and not backend.has_begun_data
            result = None if is_idle else _read_trouble(trouble, has_begun_data=backend.has_begun_data)
            backend.abandon()
            return result
        except (smtplib.SMTPException, OSError) as trouble:
            result = _read_trouble(trouble, has_begun_data=backend.has_begun_data)
            if not isinstance(trouble, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused):
                backend.abandon()
            return result
        return SendResult(SendOutcome.ACCEPTED, provider_ref=str(letter.extra_headers["Message-ID"]), segments=1)

    def _backend(self) -> StagedBackend:
        if not hasattr(self._local, "backend"):
            self._local.backend = StagedBackend()
        backend: StagedBackend = self._local.backend
        return backend


def compose(message: OutgoingMessage, *, sender: str) -> EmailMultiAlternatives:
    """The whole e-mail: headers of one line each, whatever the text holds, and once how to refuse the next."""
    way_out = opt_out_url(message.attempt_uuid)
    foot = "" if way_out in message.body else f"\n\n--\nPour ne plus recevoir ces messages : {way_out}\n"
    letter = EmailMultiAlternatives(
        subject=" ".join(message.subject.split()),
        body=f"{message.body}{foot}",
        from_email=sender,
        to=[message.destination],
        headers={
            "Message-ID": _message_id(message.attempt_uuid, sender),
            "List-Unsubscribe": f"<{way_out}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
            "Content-Language": "fr",
        },
    )
    page = render_to_string(
        "outreach/email.html",
        {
            "subject": letter.subject,
            "body": message.body,
            "way_out": way_out if foot else "",
            "caf_name": settings.CAF_NAME,
        },
    )
    letter.attach_alternative(page, "text/html")
    return letter


def _message_id(attempt_uuid: UUID, sender: str) -> str:
    return f"<{attempt_uuid}@{parseaddr(sender)[1].rpartition('@')[2] or 'localhost'}>"


def _read_trouble(trouble: Exception, *, has_begun_data: bool) -> SendResult:
    """A reply code decides; without one, only what happened before DATA is certain."""
    code = _reply_code(trouble)
    if code:
        is_alert = isinstance(trouble, smtplib.SMTPAuthenticationError | smtplib.SMTPSenderRefused)
        outcome = SendOutcome.RETRY if is_alert else outcome_of_smtp(code)
        return SendResult(outcome, error_code=f"SMTP {code}", is_alert=is_alert)
    outcome = SendOutcome.UNKNOWN if has_begun_data else SendOutcome.RETRY
    return SendResult(outcome, error_code=type(trouble).__name__, is_alert=not has_begun_data)


def _reply_code(trouble: Exception) -> int:
    if isinstance(trouble, smtplib.SMTPRecipientsRefused):
        return max((code for code, _ in trouble.recipients.values()), default=0)
    return trouble.smtp_code if isinstance(trouble, smtplib.SMTPResponseException) else 0
