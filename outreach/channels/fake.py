"""A gateway in memory: a real one for tests, with a script of answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

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

Script = Callable[[OutgoingMessage], SendResult]


def accept(message: OutgoingMessage) -> SendResult:
    return SendResult(SendOutcome.ACCEPTED, provider_ref=f"FA{message.attempt_uuid.hex}", segments=1)


@dataclass
class FakeGateway:
    """Keeps what it accepted in ``ledger``. ``script`` decides each answer.

    An UNKNOWN answer that carries a ``provider_ref`` means: accepted, but the caller was not told.
    """

    script: Script = accept
    name: str = "fake"
    ledger: list[tuple[str, OutgoingMessage]] = field(default_factory=list)
    inbox: list[InboundMessage] = field(default_factory=list)
    word: str = "delivered"  # what it says of what it took, when asked
    is_reachable: bool = True
    _lock: Lock = field(default_factory=Lock, repr=False)

    def send(self, message: OutgoingMessage) -> SendResult:
        result = self.script(message)
        if result.provider_ref:
            with self._lock:
                self.ledger.append((result.provider_ref, message))
        if result.outcome is SendOutcome.UNKNOWN:
            return SendResult(SendOutcome.UNKNOWN, error_code=result.error_code)
        return result

    def look_up(self, message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        if not self.is_reachable:
            return LookUpResult(is_answered=False)
        with self._lock:
            found = tuple(
                FoundMessage(reference, AttemptStatus.SUBMITTED, segments=1)
                for reference, sent in self.ledger
                if (sent.destination, sent.body) == (message.destination, message.body)
            )
        return LookUpResult(is_answered=True, found=found)

    def fetch_status(self, provider_ref: str) -> LookUpResult:
        if not self.is_reachable:
            return LookUpResult(is_answered=False)
        is_known = any(reference == provider_ref for reference, _ in self.ledger)
        status = status_of(self.word) or AttemptStatus.SUBMITTED
        found = (FoundMessage(provider_ref, status, segments=1, word=self.word),) if is_known else ()
        return LookUpResult(is_answered=True, found=found)

    def list_inbound(self, *, max_age_seconds: float, known: Known = nothing_known) -> InboundResult:
        return InboundResult(self.is_reachable, tuple(self.inbox) if self.is_reachable else ())

    def is_ready(self) -> bool:
        return self.is_reachable

    @property
    def sent(self) -> list[OutgoingMessage]:
        return [message for _, message in self.ledger]
