"""What a gateway is: it takes one message, calls one operator, and answers with data. It knows no model."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol, runtime_checkable
from uuid import UUID

from outreach.enums import AttemptStatus
from outreach.rules.delivery import SendOutcome, attempt_status
from outreach.rules.retry import GIVEN_BACK_CODE

__all__ = [
    "GIVEN_BACK",
    "FoundMessage",
    "Gateway",
    "InboundMessage",
    "InboundResult",
    "Known",
    "LookUpResult",
    "OutgoingMessage",
    "SendOutcome",
    "SendResult",
    "nothing_known",
]


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One attempt, ready to leave. ``destination``: E.164 or e-mail address, shown in no representation."""

    attempt_uuid: UUID  # travels with the message: callback address, Message-ID
    destination: str
    body: str
    subject: str = ""  # e-mail only
    valid_seconds: int = 1800  # remaining window; the operator drops what it could not send by then
    leave_by: float = inf  # instant of time.monotonic(): a connection that opens later must not carry it

    def __repr__(self) -> str:
        return f"OutgoingMessage({self.attempt_uuid})"


@dataclass(frozen=True, slots=True)
class SendResult:
    """The answer of one call, from which the caller writes ``status``."""

    outcome: SendOutcome
    provider_ref: str = ""
    error_code: str = ""  # operator's code, "HTTP 503", or the name of a network trouble
    segments: int = 0
    retry_after: float | None = None  # seconds asked for by the operator, with RETRY
    is_alert: bool = False  # our own configuration is at fault: a person must look

    @property
    def status(self) -> AttemptStatus:
        return attempt_status(self.outcome)


# Nothing was sent: it was decided too long ago.
GIVEN_BACK = SendResult(SendOutcome.RETRY, error_code=GIVEN_BACK_CODE)


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """A message that the operator says it holds."""

    provider_ref: str
    status: AttemptStatus
    error_code: str = ""
    segments: int = 0
    word: str = ""  # its state as the operator says it in receipts


@dataclass(frozen=True, slots=True)
class LookUpResult:
    """``is_answered`` false: the operator could not be asked (nothing learnt). True and ``found`` empty: it holds none.

    Several messages may be found (same text, same person): the caller leaves out the references it already knows.
    """

    is_answered: bool
    found: tuple[FoundMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """What a person wrote. ``sender``: E.164, shown in no representation."""

    provider_ref: str
    sender: str
    body: str

    def __repr__(self) -> str:
        return f"InboundMessage({self.provider_ref})"


@dataclass(frozen=True, slots=True)
class InboundResult:
    """``is_answered`` false: the operator could not be asked, or receives nothing. ``is_whole`` false: some were left,
    for want of time or because they could not be read.
    """

    is_answered: bool
    messages: tuple[InboundMessage, ...] = ()
    is_whole: bool = True


Known = Callable[[Collection[str]], Collection[str]]  # of these references, those that were kept already


def nothing_known(references: Collection[str]) -> Collection[str]:
    return ()


class Gateway(Protocol):
    """Safe to call from several threads at once; never raises for network trouble or for what an operator answers."""

    @property
    def name(self) -> str:
        """The provider's code, stored with each attempt."""

    def send(self, message: OutgoingMessage) -> SendResult:
        """Call the operator once, without any retry, within ``settings.SEND_DEADLINE_SECONDS``."""

    def look_up(self, message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        """Ask whether this message, whose sending began ``max_age_seconds`` ago at most, reached the operator.

        An age and not an instant: the application's clock may be moved, the operator's never is.
        """

    def fetch_status(self, provider_ref: str) -> LookUpResult:
        """Ask what became of a message that the operator took: one found, or none that it knows."""

    def list_inbound(self, *, max_age_seconds: float, known: Known = nothing_known) -> InboundResult:
        """Ask for what people wrote to us since so long; what is ``known`` need not be read again."""

    def is_ready(self) -> bool:
        """Whether the operator answers us and could take a message now. Nothing is sent by asking."""


@runtime_checkable
class SendsTogether(Protocol):
    """A gateway by which one thread may carry several messages at once: a thread for each costs twice as much."""

    def send_together(self, messages: Sequence[OutgoingMessage]) -> Iterator[tuple[OutgoingMessage, SendResult | None]]:
        """As ``Gateway.send`` for each, in the order of the answers. None: no connection is open for that one, of which
        nothing was said; it has to be sent alone.
        """
