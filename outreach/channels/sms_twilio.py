"""SMS through Twilio's API: Twilio itself in production, the operator simulator everywhere else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from outreach.channels.ports import (
    FoundMessage,
    InboundMessage,
    InboundResult,
    LookUpResult,
    OutgoingMessage,
    SendOutcome,
    SendResult,
)
from outreach.channels.real_addresses import refuse_real_address
from outreach.enums import AttemptStatus
from outreach.rules.delivery import Action, action_for, outcome_of_answer, status_of

VALIDITY_MAX_SECONDS = 30 * 60  # longer, the operator's own queue could hold a message until the night
LOOK_UP_LIMIT = 200  # messages to one person: one page
INBOUND_LIMIT = 10_000  # ours are among them when a Messaging Service has several numbers
UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
)  # what Twilio's client raises on an answer it cannot read
NOBODY = "SM" + "0" * 32
CLOCK_MARGIN = timedelta(minutes=2)  # between our clock and the operator's


@dataclass
class TwilioGateway:
    """Twilio's Messages API behind our port. The client is made on first use and shared by the threads."""

    api_url: str
    account_sid: str
    auth_token: str = field(repr=False)
    callback_base_url: str
    messaging_service_sid: str = ""
    sender: str = ""
    connections: int = 16
    deadline_seconds: float = 10.0
    name: str = "twilio"

    @classmethod
    def from_settings(cls) -> "TwilioGateway":
        return cls(
            api_url=settings.TWILIO_API_URL,
            account_sid=settings.TWILIO_ACCOUNT_SID,
            auth_token=settings.TWILIO_AUTH_TOKEN,
            callback_base_url=settings.PUBLIC_BASE_URL,
            messaging_service_sid=settings.TWILIO_MESSAGING_SERVICE_SID,
            sender=settings.TWILIO_SENDER,
            connections=settings.SMS_CONNECTIONS,
            deadline_seconds=settings.SEND_DEADLINE_SECONDS,
        )

    def __post_init__(self) -> None:
        self._lock = Lock()
        refuse_real_address(urlsplit(self.api_url).hostname or "", "TWILIO_API_URL")
        missing = [
            name
            for name, value in (
                ("TWILIO_ACCOUNT_SID", self.account_sid),
                ("TWILIO_AUTH_TOKEN", self.auth_token),
                ("PUBLIC_BASE_URL", self.callback_base_url),
                ("TWILIO_MESSAGING_SERVICE_SID ou TWILIO_SENDER", self.messaging_service_sid or self.sender),
            )
            if not value
        ]
        if missing:
            raise ImproperlyConfigured(f"Pour envoyer des SMS, il manque : {', '.join(missing)}.")

    def send(self, message: OutgoingMessage) -> SendResult:
        """Create the message at the operator's, once. See ``Gateway.send``."""
        import urllib3
        from twilio.base.exceptions import TwilioException, TwilioRestException

        from outreach.channels.twilio_http import Throttled

        try:
            created = self._messages.create(to=message.destination, **self._fields(message))
        except Throttled as refusal:
            return SendResult(SendOutcome.RETRY, error_code="20429", retry_after=refusal.retry_after)
        except TwilioRestException as answer:
            return _read_refusal(answer.status, str(answer.code or ""))
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as trouble:
            return SendResult(SendOutcome.RETRY, error_code=type(trouble).__name__, is_alert=True)
        except (urllib3.exceptions.HTTPError, TwilioException, OSError, *UNREADABLE) as trouble:
            return SendResult(SendOutcome.UNKNOWN, error_code=type(trouble).__name__)
        return _read_acceptance(created)

    def look_up(self, message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        """Search by recipient, age and text: the sender and the sent date can be empty with a Messaging Service."""
        import urllib3
        from twilio.base.exceptions import TwilioException

        from outreach.channels.twilio_http import Throttled

        oldest = datetime.now(UTC) - timedelta(seconds=max_age_seconds) - CLOCK_MARGIN
        try:
            held = self._messages.list(to=message.destination, limit=LOOK_UP_LIMIT)
            return LookUpResult(is_answered=True, found=tuple(_recognise(held, message.body, oldest)))
        except (Throttled, urllib3.exceptions.HTTPError, TwilioException, OSError, *UNREADABLE):
            return LookUpResult(is_answered=False)

    def fetch_status(self, provider_ref: str) -> LookUpResult:
        """Ask for one message. See ``Gateway.fetch_status``."""
        import urllib3
        from twilio.base.exceptions import TwilioException, TwilioRestException

        from outreach.channels.twilio_http import Throttled

        try:
            held = self._messages(provider_ref).fetch()
            return LookUpResult(is_answered=True, found=(_found(held),))
        except TwilioRestException as answer:
            return LookUpResult(is_answered=answer.status == 404)
        except (Throttled, urllib3.exceptions.HTTPError, TwilioException, OSError, *UNREADABLE):
            return LookUpResult(is_answered=False)

    def list_inbound(self, *, max_age_seconds: float) -> InboundResult:
        """Ask for what was written to our number, or to any of the account's with a Messaging Service."""
        import urllib3
        from twilio.base.exceptions import TwilioException

        from outreach.channels.twilio_http import Throttled

        oldest = datetime.now(UTC) - timedelta(seconds=max_age_seconds) - CLOCK_MARGIN
        ours = {"to": self.sender} if self.sender.startswith("+") and not self.messaging_service_sid else {}
        try:
            held = self._messages.list(date_sent_after=oldest, limit=INBOUND_LIMIT, page_size=1_000, **ours)
            return InboundResult(is_answered=True, messages=tuple(_written_by_people(held)))
        except (Throttled, urllib3.exceptions.HTTPError, TwilioException, OSError, *UNREADABLE):
            return InboundResult(is_answered=False)

    def is_ready(self) -> bool:
        """Whether it answers, to a question that costs nothing: a message that does not exist."""
        return self.fetch_status(NOBODY).is_answered

    @cached_property
    def _client(self) -> Any:
        from twilio.rest import Client

        from outreach.channels.twilio_http import PooledTransport

        transport = PooledTransport(self.api_url, connections=self.connections, deadline_seconds=self.deadline_seconds)
        return Client(self.account_sid, self.auth_token, http_client=transport, environment={"TWILIO_REGION": ""})

    @property
    def _messages(self) -> Any:
        with self._lock:  # its client makes its parts lazily, without a lock of its own
            return self._client.messages

    def _fields(self, message: OutgoingMessage) -> Mapping[str, object]:
        sender = (
            {"messaging_service_sid": self.messaging_service_sid}
            if self.messaging_service_sid
            else {"from_": self.sender}
        )
        return {
            "body": message.body,
            "status_callback": f"{self.callback_base_url.rstrip('/')}/operateur/twilio/etat/{message.attempt_uuid}/",
            "validity_period": max(1, min(message.valid_seconds, VALIDITY_MAX_SECONDS)),
            "smart_encoded": False,  # the text approved is the text sent, and found again by look_up
            **sender,
        }


def _read_refusal(http_status: int, code: str) -> SendResult:
    outcome = outcome_of_answer(http_status, code)
    is_alert = action_for(code) == Action.ALERT or http_status in {401, 403}
    return SendResult(outcome, error_code=code or f"HTTP {http_status}", is_alert=is_alert)


def _read_acceptance(created: Any) -> SendResult:
    if not created.sid:
        return SendResult(SendOutcome.UNKNOWN, error_code="NoSid")
    segments = str(created.num_segments or "")
    return SendResult(
        SendOutcome.ACCEPTED, provider_ref=created.sid, segments=int(segments) if segments.isdigit() else 0
    )


def _recognise(held: Iterable[Any], body: str, oldest: datetime) -> Iterable[FoundMessage]:
    for message in held:
        is_recent = message.date_created is None or message.date_created >= oldest
        if message.body == body and is_recent and str(message.direction or "").startswith("outbound"):
            yield _found(message)


def _found(message: Any) -> FoundMessage:
    code, word = str(message.error_code or ""), str(message.status)
    segments = str(message.num_segments or "")
    return FoundMessage(
        provider_ref=message.sid,
        status=status_of(word, code) or AttemptStatus.SUBMITTED,
        error_code=code,
        segments=int(segments) if segments.isdigit() else 0,
        word=word,
    )


def _written_by_people(held: Iterable[Any]) -> Iterable[InboundMessage]:
    for message in held:
        if str(message.direction or "") == "inbound":
            yield InboundMessage(message.sid, str(message.from_ or ""), str(message.body or ""))
