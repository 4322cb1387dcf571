"""SMS through Twilio's API: Twilio itself in production, the operator simulator everywhere else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from outreach.channels.access import refuse_missing, refuse_real_address
from outreach.channels.ports import (
    FoundMessage,
    InboundMessage,
    InboundResult,
    Known,
    LookUpResult,
    OutgoingMessage,
    SendResult,
    nothing_known,
)
from outreach.channels.twilio_messages import MessageLine
from outreach.enums import AttemptStatus
from outreach.rules.delivery import status_of

VALIDITY_MAX_SECONDS = 30 * 60  # longer, the operator's own queue could hold a message until the night
LOOK_UP_LIMIT = 200  # messages to one person: one page
INBOUND_PAGE = 1_000  # the most that the API gives at once
INBOUND_LIMIT = 50_000  # for each of our numbers: more than a week of answers
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
    inbound_numbers: Sequence[str] = ()  # those of the Messaging Service that people answer to
    is_smart_encoded: bool = False
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
            inbound_numbers=tuple(settings.TWILIO_INBOUND_NUMBERS),
            is_smart_encoded=settings.TWILIO_SMART_ENCODING,
            connections=settings.SMS_CONNECTIONS,
            deadline_seconds=settings.SEND_DEADLINE_SECONDS,
        )

    def __post_init__(self) -> None:
        self._lock = Lock()
        refuse_real_address(urlsplit(self.api_url).hostname or "", "TWILIO_API_URL")
        refuse_missing(
            "des SMS",
            {
                "TWILIO_ACCOUNT_SID": self.account_sid,
                "TWILIO_AUTH_TOKEN": self.auth_token,
                "PUBLIC_BASE_URL": self.callback_base_url,
                "TWILIO_MESSAGING_SERVICE_SID ou TWILIO_SENDER": self.messaging_service_sid or self.sender,
            },
        )

    def send(self, message: OutgoingMessage) -> SendResult:
        """Create the message at the operator's, once. See ``Gateway.send``."""
        return self._line.create(self._fields(message), leave_by=message.leave_by)

    def send_together(self, messages: Sequence[OutgoingMessage]) -> Iterator[tuple[OutgoingMessage, SendResult | None]]:
        """See ``SendsTogether.send_together``."""
        for place, result in self._line.create_together((self._fields(one), one.leave_by) for one in messages):
            yield messages[place], result

    def look_up(self, message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        """Search by recipient, age and text: the sender and the sent date can be empty with a Messaging Service."""
        import urllib3
        from twilio.base.exceptions import TwilioException

        from outreach.channels.twilio_http import Throttled

        oldest = datetime.now(UTC) - timedelta(seconds=max_age_seconds) - CLOCK_MARGIN
        try:
            held = self._messages.list(to=message.destination, limit=LOOK_UP_LIMIT)
            recent = [one for one in held if _is_ours(one, oldest)]
            found = tuple(_found(one) for one in recent if one.body == message.body)
            # Its text may have been changed on the way, or be written differently since (its link): what
            # else this person was sent might be this message.
            return LookUpResult(is_answered=bool(found) or not recent, found=found)
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

    def list_inbound(self, *, max_age_seconds: float, known: Known = nothing_known) -> InboundResult:
        """Ask for what was written to each of our numbers; to the whole account's when a Messaging Service does not
        say which are ours. A sender's name receives nothing.
        """
        import urllib3
        from twilio.base.exceptions import TwilioException

        from outreach.channels.twilio_http import Throttled

        oldest = datetime.now(UTC) - timedelta(seconds=max_age_seconds) - CLOCK_MARGIN
        if not (self.inbound_numbers or self.messaging_service_sid or self.sender.startswith("+")):
            return InboundResult(is_answered=False)
        try:
            written = [one for ours in self._places_to_read() for one in self._read_inbound(oldest, ours)]
            return InboundResult(is_answered=True, messages=tuple(written))
        except (Throttled, urllib3.exceptions.HTTPError, TwilioException, OSError, *UNREADABLE):
            return InboundResult(is_answered=False)

    def is_ready(self) -> bool:
        """Whether it answers, to a question that costs nothing: a message that does not exist."""
        return self.fetch_status(NOBODY).is_answered

    def _places_to_read(self) -> Sequence[Mapping[str, str]]:
        if self.inbound_numbers:
            return [{"to": number} for number in self.inbound_numbers]
        return [{}] if self.messaging_service_sid else [{"to": self.sender}]

    def _read_inbound(self, oldest: datetime, ours: Mapping[str, str]) -> Iterable[InboundMessage]:
        """Newest first, page after page. The API cuts its list by the day: the rest of that day is left out here."""
        held = self._messages.stream(date_sent_after=oldest, limit=INBOUND_LIMIT, page_size=INBOUND_PAGE, **ours)
        for one in held:
            is_recent = one.date_created is None or one.date_created >= oldest
            if is_recent and str(one.direction or "") == "inbound":
                yield InboundMessage(one.sid, str(one.from_ or ""), str(one.body or ""))

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

    @cached_property
    def _line(self) -> MessageLine:
        return MessageLine(
            self._client,
            self.api_url,
            account_sid=self.account_sid,
            auth_token=self.auth_token,
            deadline_seconds=self.deadline_seconds,
        )

    def _fields(self, message: OutgoingMessage) -> Mapping[str, object]:
        sender = (
            {"MessagingServiceSid": self.messaging_service_sid} if self.messaging_service_sid else {"From": self.sender}
        )
        return {
            "To": message.destination,
            "StatusCallback": f"{self.callback_base_url.rstrip('/')}/operateur/twilio/etat/{message.attempt_uuid}/",
            "ValidityPeriod": max(1, min(message.valid_seconds, VALIDITY_MAX_SECONDS)),
            "SmartEncoded": str(
                self.is_smart_encoded
            ).lower(),  # said in any case: off, the text approved is the text sent
            **sender,
            "Body": message.body,
        }


def _is_ours(message: Any, oldest: datetime) -> bool:
    is_recent = message.date_created is None or message.date_created >= oldest
    return is_recent and str(message.direction or "").startswith("outbound")


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
