"""E-mail over SMTP: connections kept for many messages, one try each, and what is certain after it."""

import smtplib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from outreach.channels.access import refuse_missing, refuse_real_address
from outreach.channels.letter import Letter, Letterhead
from outreach.channels.ports import (
    GIVEN_BACK,
    InboundResult,
    Known,
    LookUpResult,
    OutgoingMessage,
    SendOutcome,
    SendResult,
    nothing_known,
)
from outreach.channels.smtp import Connection, ConnectionPool
from outreach.rules.smtp import CLOSING, Reply, Stage, judge_reply

AT_ONCE = 0.01  # seconds: a batch on one connection leaves long before it is too late
WRONG_ADDRESS = SendResult(SendOutcome.REFUSED, error_code="ADDRESS")


@dataclass
class EmailGateway:
    """As many connections as threads send at once, each kept open from one message to the next."""

    letterhead: Letterhead
    name: str = "smtp"
    deadline_seconds: float = 10.0
    connections: ConnectionPool = field(default_factory=ConnectionPool, repr=False)
    last_seconds: float = 0.0  # that a message took, its connection included

    @classmethod
    def from_settings(cls) -> "EmailGateway":
        needed = {"EMAIL_HOST": settings.EMAIL_HOST, "PUBLIC_BASE_URL": settings.PUBLIC_BASE_URL}
        refuse_missing("des e-mails", needed)
        refuse_real_address(settings.EMAIL_HOST, "EMAIL_HOST")
        letterhead = Letterhead.make(
            sender=settings.DEFAULT_FROM_EMAIL,
            caf_name=settings.CAF_NAME,
            bounce_address=settings.EMAIL_BOUNCE_ADDRESS,
            provider=settings.EMAIL_PROVIDER,
        )
        return cls(letterhead, deadline_seconds=settings.SEND_DEADLINE_SECONDS)

    def send(self, message: OutgoingMessage) -> SendResult:
        """Give the message to the mail server, once. See ``Gateway.send``."""
        deadline = time.monotonic() + self.deadline_seconds
        try:
            validate_email(message.destination)
            letter = self.letterhead.write(message)
        except (ValidationError, UnicodeError):
            return WRONG_ADDRESS
        # None: the server had closed a kept connection; nothing was said on it, so a fresh one may say it.
        first = self._send(letter, deadline, message.leave_by, may_reuse=True)
        result = first or self._send_afresh(letter, deadline, message.leave_by)
        self.last_seconds = time.monotonic() - deadline + self.deadline_seconds
        return result

    def send_together(self, messages: Sequence[OutgoingMessage]) -> Iterator[tuple[OutgoingMessage, SendResult | None]]:
        """One after the other on one connection while the server answers at once; else each has to be sent alone. See
        ``SendsTogether.send_together``.
        """
        for message in messages:
            yield message, self.send(message) if self.last_seconds < AT_ONCE else None

    def look_up(self, message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        """SMTP cannot be asked."""
        return LookUpResult(is_answered=False)

    def fetch_status(self, provider_ref: str) -> LookUpResult:
        return LookUpResult(is_answered=False)

    def list_inbound(self, *, max_age_seconds: float, known: Known = nothing_known) -> InboundResult:
        """Nobody reads the sender's mailbox here; reports of failure come by ``outreach.bounce_files``."""
        return InboundResult(is_answered=False)

    def is_ready(self) -> bool:
        """See ``Gateway.is_ready``: a command that does nothing is answered."""
        try:
            connection = self.connections.take(deadline=time.monotonic() + self.deadline_seconds)
            code, _ = connection.noop()
        except (smtplib.SMTPException, OSError):
            return False
        self.connections.keep(connection)
        return 200 <= code < 300

    def _send_afresh(self, letter: Letter, deadline: float, leave_by: float) -> SendResult:
        closed = SendResult(SendOutcome.RETRY, error_code="SMTPServerDisconnected", is_alert=True)
        return self._send(letter, deadline, leave_by, may_reuse=False) or closed

    def _send(self, letter: Letter, deadline: float, leave_by: float, *, may_reuse: bool) -> SendResult | None:
        """The answer, or None when a kept connection turned out to be closed."""
        try:
            connection = self.connections.take(deadline=deadline, may_reuse=may_reuse)
        except (smtplib.SMTPException, OSError) as trouble:
            return SendResult(SendOutcome.RETRY, error_code=_name(trouble), is_alert=True)
        if time.monotonic() > leave_by:
            self.connections.keep(connection)
            return GIVEN_BACK
        was_kept = connection.is_fresh
        try:
            reply = connection.deliver(sender=letter.bounces_to, recipient=letter.recipient, content=letter.content)
        except OSError as trouble:  # SMTPServerDisconnected and timeouts are some
            return self._judge_silence(connection, trouble)
        self.connections.keep(connection)
        if was_kept and (reply.stage, reply.code) == (Stage.SENDER, CLOSING):
            return None
        return _read_reply(reply, letter)

    def _judge_silence(self, connection: Connection, trouble: OSError) -> SendResult | None:
        """Without a reply, only what happened before the final dot is certain."""
        connection.close()
        if connection.has_ended_content:
            return SendResult(SendOutcome.UNKNOWN, error_code=_name(trouble))
        if connection.is_fresh and not isinstance(trouble, TimeoutError):
            return None
        return SendResult(SendOutcome.RETRY, error_code=_name(trouble), is_alert=True)


def _read_reply(reply: Reply, letter: Letter) -> SendResult:
    verdict = judge_reply(reply)
    if verdict.outcome is SendOutcome.ACCEPTED:
        return SendResult(SendOutcome.ACCEPTED, provider_ref=letter.message_id[:80], segments=1)
    return SendResult(verdict.outcome, error_code=reply.error_code, is_alert=verdict.is_alert)


def _name(trouble: Exception) -> str:
    code = trouble.smtp_code if isinstance(trouble, smtplib.SMTPResponseException) else 0
    return f"SMTP {code}" if code else type(trouble).__name__
