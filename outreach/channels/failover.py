"""The operators of a channel, in order of preference: new messages go by the first that is not taken for down.

Only new messages. What one of them holds, or may hold, is asked of that one alone: see ``registry.gateway_of``.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from outreach.channels.ports import (
    GIVEN_BACK,
    Gateway,
    InboundResult,
    Known,
    LookUpResult,
    OutgoingMessage,
    SendOutcome,
    SendResult,
    nothing_known,
)
from outreach.rules.circuit import Circuit, weight_of

logger = logging.getLogger(__name__)

THROTTLED = frozenset({"20429", "HTTP 429"})


@dataclass
class WatchedGateway:
    """A gateway whose answers tell whether its operator is down. One of the kind for each process: they find out
    separately, and none has to be told.
    """

    inner: Gateway
    clock: Callable[[], float] = time.monotonic
    circuit: Circuit = field(default_factory=Circuit)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def name(self) -> str:
        return self.inner.name

    def send(self, message: OutgoingMessage) -> SendResult:
        try:
            result = self.inner.send(message)
        except Exception:
            self._hear(SendResult(SendOutcome.UNKNOWN))
            raise
        self._hear(result)
        return result

    def look_up(self, message: OutgoingMessage, *, max_age_seconds: float) -> LookUpResult:
        return self.inner.look_up(message, max_age_seconds=max_age_seconds)

    def fetch_status(self, provider_ref: str) -> LookUpResult:
        return self.inner.fetch_status(provider_ref)

    def list_inbound(self, *, max_age_seconds: float, known: Known = nothing_known) -> InboundResult:
        return self.inner.list_inbound(max_age_seconds=max_age_seconds, known=known)

    def is_ready(self) -> bool:
        """Whether new messages may go by it. One caller a minute asks an operator that was down; nothing is sent."""
        with self._lock:
            if not self.circuit.is_open:
                return True
            at = self.clock()
            if not self.circuit.is_probe_due(at):
                return False
            self.circuit = self.circuit.probing(at)
        is_back = self.inner.is_ready()
        if is_back:
            logger.warning("operator is back provider=%s", self.name)
            with self._lock:
                self.circuit = Circuit()
        return is_back

    def _hear(self, result: SendResult) -> None:
        if result == GIVEN_BACK:
            return  # nothing was asked of it
        weight = weight_of(result.outcome, is_throttled=result.error_code in THROTTLED)
        with self._lock:
            was_open = self.circuit.is_open
            self.circuit = self.circuit.heard(weight, self.clock())
            opens = self.circuit.is_open and not was_open
        if opens:
            logger.error("operator taken for down provider=%s code=%s", self.name, result.error_code)


class Providers:
    """Those of one channel."""

    def __init__(self, gateways: Sequence[Gateway]) -> None:
        self._asked = list(gateways)
        # Alone, it serves whatever its state: there is nothing else to go by.
        self._gateways: list[Gateway] = list(gateways)
        if len(gateways) > 1:
            self._gateways = [WatchedGateway(one) for one in gateways]

    def choose(self) -> Gateway:
        """The first that may be used; the first of all when every one is down."""
        if len(self._gateways) == 1:
            return self._gateways[0]
        return next((one for one in self._gateways if one.is_ready()), self._gateways[0])

    def is_any_ready(self) -> bool:
        """Whether one of them could take a message now: each is asked, whatever was heard of it."""
        return any(one.is_ready() for one in self._asked)

    def all(self) -> list[Gateway]:
        return list(self._gateways)
