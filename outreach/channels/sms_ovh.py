"""SMS through OVHcloud: one job for each message, found again by its tag.

Source: the schema of ``/sms`` in OVHcloud's API 1.0 and its guide "API SMS Cookbook". Messages leave without the clause
that OVHcloud may add (``noStopClause``): the text approved is the text sent, and it says itself how to refuse.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import urllib3
from django.conf import settings

from campaigns.rules.messages import sms_parts
from outreach.channels.access import refuse_missing, refuse_real_address
from outreach.channels.ovh_http import ClockUnknown, OvhApi, Refused, Unreadable
from outreach.channels.ports import (
    FoundMessage,
    InboundMessage,
    InboundResult,
    Known,
    LookUpResult,
    OutgoingMessage,
    SendOutcome,
    SendResult,
    nothing_known,
)
from outreach.enums import AttemptStatus
from outreach.rules.delivery import status_of
from outreach.rules.ovh_states import outcome_of_ovh, read_state

VALIDITY_MAX_MINUTES = 30  # longer, the operator's own queue could hold a message until the night
CLOCK_MARGIN = timedelta(minutes=2)  # between our clock and the operator's
TAG_LENGTH = 20  # what the operator keeps of a tag
PENDING_LIMIT = 50  # jobs that a look-up reads one by one: they carry no tag
READ_TOGETHER = 64  # messages of people, which are read one by one as well
READING_SECONDS = 20.0  # no more of them are asked for later: the next call goes on
UNREADABLE = (Unreadable, ValueError, TypeError, KeyError, AttributeError)
UNANSWERED = (Refused, ClockUnknown, urllib3.exceptions.HTTPError, OSError, *UNREADABLE)


@dataclass
class OvhGateway:
    """OVHcloud's SMS API behind our port."""

    api_url: str  # with its version: https://eu.api.ovh.com/1.0
    application_key: str
    application_secret: str = field(repr=False)
    consumer_key: str = field(repr=False)
    service_name: str = ""  # sms-ab12345-1
    sender: str = ""  # empty: a short number, to which people can answer
    connections: int = 16
    deadline_seconds: float = 10.0
    name: str = "ovh"

    @classmethod
    def from_settings(cls) -> "OvhGateway":
        return cls(
            api_url=settings.OVH_API_URL,
            application_key=settings.OVH_APPLICATION_KEY,
            application_secret=settings.OVH_APPLICATION_SECRET,
            consumer_key=settings.OVH_CONSUMER_KEY,
            service_name=settings.OVH_SERVICE_NAME,
            sender=settings.OVH_SENDER,
            connections=settings.SMS_CONNECTIONS,
            deadline_seconds=settings.SEND_DEADLINE_SECONDS,
        )

    def __post_init__(self) -> None:
        refuse_real_address(urlsplit(self.api_url).hostname or "", "OVH_API_URL")
        needed = ("application_key", "application_secret", "consumer_key", "service_name")
        refuse_missing("des SMS par OVHcloud", {f"OVH_{name.upper()}": getattr(self, name) for name in needed})
        self._service = f"/sms/{quote(self.service_name, safe='')}"
        self._api = OvhApi(
            self.api_url,
            application_key=self.application_key,
            application_secret=self.application_secret,
            consumer_key=self.consumer_key,
            connections=self.connections,
            deadline_seconds=self.deadline_seconds,
        )

    def send(self, message: OutgoingMessage) -> SendResult:
        """Ask for one job, once. See ``Gateway.send``."""
        try:
            report = self._api.post(f"{self._service}/jobs", self._job(message))
            if report["ids"]:
                return _read_acceptance(report["ids"], message)
            is_refused = bool(report["invalidReceivers"])
        except Refused as refusal:
            return _read_refusal(refusal)
        except (ClockUnknown, urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as trouble:
            return SendResult(SendOutcome.RETRY, error_code=type(trouble).__name__, is_alert=True)
        except (urllib3.exceptions.HTTPError, OSError, *UNREADABLE) as trouble:
            return SendResult(SendOutcome.UNKNOWN, error_code=type(trouble).__name__)
        if not is_refused:
            return SendResult(SendOutcome.UNKNOWN, error_code="NoId")
        return SendResult(SendOutcome.REFUSED, error_code=self._why_refused(message.destination))

    def look_up(self, message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        """Search what was sent, by its tag; and what still waits, which has none, by recipient and text.

        What waits is read first: a message that leaves meanwhile is then found among those sent.
        """
        try:
            pending = self._api.get(f"{self._service}/jobs")
            sent = self._api.get(f"{self._service}/outgoing", tag=tag_of(message.attempt_uuid))
            if not sent and len(pending) > PENDING_LIMIT:
                return LookUpResult(is_answered=False)  # it may be one of them
            if sent:
                return LookUpResult(is_answered=True, found=tuple(self._read_sent(sent)))
            return self._recognise(pending, message, max_age_seconds)
        except UNANSWERED:
            return LookUpResult(is_answered=False)

    def fetch_status(self, provider_ref: str) -> LookUpResult:
        """Ask for one message, among those sent and those that wait. See ``Gateway.fetch_status``."""
        if not (provider_ref.isascii() and provider_ref.isdigit()):
            return LookUpResult(is_answered=True)
        try:
            for kind in ("outgoing", "jobs", "outgoing"):  # twice: it may leave between the two questions
                if held := self._read(kind, provider_ref):
                    return LookUpResult(is_answered=True, found=(_found(held, is_pending=kind == "jobs"),))
            return LookUpResult(is_answered=True)
        except UNANSWERED:
            return LookUpResult(is_answered=False)

    def list_inbound(self, *, max_age_seconds: float, known: Known = nothing_known) -> InboundResult:
        """Ask for what people answered to the short number; a sender's name receives nothing. One that cannot be read
        keeps no other waiting.
        """
        if self.sender:
            return InboundResult(is_answered=False)
        oldest = datetime.now(UTC) - timedelta(seconds=max_age_seconds) - CLOCK_MARGIN
        since = {"creationDatetime.from": oldest.isoformat(timespec="seconds")}
        try:
            numbers = [str(number) for number in sorted(self._api.get(f"{self._service}/incoming", **since))]
        except UNANSWERED:
            return InboundResult(is_answered=False)
        kept = set(known(numbers))
        return self._read_inbound([number for number in numbers if number not in kept])

    def _read_inbound(self, numbers: Sequence[str]) -> InboundResult:
        messages: list[InboundMessage] = []
        is_whole, stop_at = True, time.monotonic() + READING_SECONDS
        with ThreadPoolExecutor(self.connections, thread_name_prefix="inbound") as pool:
            for start in range(0, len(numbers), READ_TOGETHER):
                if time.monotonic() >= stop_at:
                    is_whole = False
                    break
                for asked in [pool.submit(self._read_written, one) for one in numbers[start : start + READ_TOGETHER]]:
                    try:
                        messages += asked.result()
                    except UNANSWERED:
                        is_whole = False
        return InboundResult(is_answered=True, messages=tuple(messages), is_whole=is_whole)

    def _read_written(self, number: str) -> list[InboundMessage]:
        """One message; none when it does not exist any more."""
        held = self._read("incoming", number)
        return [InboundMessage(str(held["id"]), str(held["sender"] or ""), str(held["message"] or ""))] if held else []

    def is_ready(self) -> bool:
        """Whether it answers us and credits are left."""
        try:
            return float(self._api.get(self._service)["creditsLeft"]) > 0
        except UNANSWERED:
            return False

    def _job(self, message: OutgoingMessage) -> Mapping[str, object]:
        is_plain = sms_parts(message.body).encoding == "GSM-7"
        return {
            "message": message.body,
            "receivers": [message.destination],
            "charset": "UTF-8",
            "coding": "7bit" if is_plain else "8bit",
            "class": "phoneDisplay",
            "priority": "medium",
            "differedPeriod": 0,
            "noStopClause": True,
            "tag": tag_of(message.attempt_uuid),
            "validityPeriod": max(1, min(message.valid_seconds // 60, VALIDITY_MAX_MINUTES)),
            **({"sender": self.sender} if self.sender else {"senderForResponse": True}),
        }

    def _why_refused(self, destination: str) -> str:
        """A receiver that it will not take is either on its list of refusals, or no number for it."""
        try:
            return "OVH-STOP" if self._read("blacklists", destination) else "OVH-INVALID"
        except UNANSWERED:
            return "OVH-REFUSED"

    def _read(self, kind: str, key: object) -> Mapping[str, Any] | None:
        """One object; None when it does not exist (any more)."""
        try:
            held: Mapping[str, Any] = self._api.get(f"{self._service}/{kind}/{quote(str(key), safe='')}")
            return held
        except Refused as refusal:
            if refusal.http_status == 404:
                return None
            raise

    def _read_sent(self, numbers: Sequence[object]) -> Iterable[FoundMessage]:
        return [_found(held) for number in numbers if (held := self._read("outgoing", number))]

    def _recognise(self, numbers: Sequence[object], message: OutgoingMessage, max_age_seconds: float) -> LookUpResult:
        """Nothing certain when another text waits for this person: ours may be written differently since."""
        oldest = datetime.now(UTC) - timedelta(seconds=max_age_seconds) - CLOCK_MARGIN
        waiting = [held for number in numbers if (held := self._read("jobs", number))]
        hers = [
            held
            for held in waiting
            if held["receiver"] == message.destination and datetime.fromisoformat(held["creationDatetime"]) >= oldest
        ]
        found = tuple(_found(held, is_pending=True) for held in hers if held["message"] == message.body)
        return LookUpResult(is_answered=bool(found) or not hers, found=found)


def tag_of(attempt_uuid: UUID) -> str:
    """What travels with the message: as much of the attempt's identifier as a tag holds (80 bits)."""
    return attempt_uuid.hex[:TAG_LENGTH]


def _read_refusal(refusal: Refused) -> SendResult:
    is_throttled = refusal.http_status == 429
    return SendResult(
        outcome_of_ovh(refusal.http_status),
        error_code=f"HTTP {refusal.http_status}",
        retry_after=refusal.retry_after,
        is_alert=refusal.http_status < 500 and not is_throttled,
    )


def _read_acceptance(ids: Sequence[object], message: OutgoingMessage) -> SendResult:
    return SendResult(SendOutcome.ACCEPTED, provider_ref=str(ids[0]), segments=sms_parts(message.body).segments)


def _found(held: Mapping[str, Any], *, is_pending: bool = False) -> FoundMessage:
    word, code = ("queued", "") if is_pending else read_state(ptt=held["ptt"], receipt=held["deliveryReceipt"])
    return FoundMessage(
        provider_ref=str(held["id"]),
        status=status_of(word, code) or AttemptStatus.SUBMITTED,
        error_code=code,
        segments=int(held["numberOfSms"] or 0),
        word=word,
    )
