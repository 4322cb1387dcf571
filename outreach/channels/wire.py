"""Messages on their way to operators: each leaves at its instant by its own thread, answers are collected together.

Threads rather than one event loop: the same pace here, and any gateway can be used (``docs/adr``, pacing).
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event
from uuid import UUID

from outreach.channels.failover import THROTTLED
from outreach.channels.ports import GIVEN_BACK, Gateway, OutgoingMessage, SendResult
from outreach.rules.pacing import LATEST

Send = Callable[[Gateway, OutgoingMessage], SendResult]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a message. ``result`` None: its instant had passed, nothing was sent."""

    attempt_uuid: UUID
    result: SendResult | None


class Wire:
    """As many messages at once as it has slots."""

    def __init__(self, slots: int, send: Send) -> None:
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="wire")
        self._send = send
        self._arrived: SimpleQueue[Arrival | BaseException] = SimpleQueue()
        self._silent_until = 0.0
        self._waiting = Event()  # never set: to wait with the precision of a lock

    def leave(self, gateway: Gateway, message: OutgoingMessage, at: float) -> None:
        """Send at an instant of ``time.monotonic()``; at once when it is 0. Past its ``leave_by`` it is given back."""
        self._pool.submit(self._carry, gateway, message, at)

    def collect(self, *, patience: float, gather: float) -> list[Arrival]:
        """Wait for an answer during ``patience`` seconds, then for those that come within ``gather``.

        Raises what is not an ``Exception`` and happened on the wire: the process is ending.
        """
        arrived: list[Arrival] = []
        until = time.monotonic() + patience
        while True:
            try:
                one = self._arrived.get(timeout=max(until - time.monotonic(), 0))
            except Empty:
                return arrived
            if isinstance(one, BaseException):
                raise one
            if not arrived:
                until = time.monotonic() + gather
            arrived.append(one)

    def close(self) -> None:
        self._pool.shutdown()

    def _carry(self, gateway: Gateway, message: OutgoingMessage, at: float) -> None:
        try:
            self._arrived.put(Arrival(message.attempt_uuid, self._send_in_time(gateway, message, at)))
        except BaseException as trouble:
            self._arrived.put(trouble)

    def _send_in_time(self, gateway: Gateway, message: OutgoingMessage, at: float) -> SendResult | None:
        if max(at, time.monotonic()) > message.leave_by:
            return GIVEN_BACK
        if at:
            self._waiting.wait(max(at - time.monotonic(), 0))
            if time.monotonic() - at > LATEST or time.monotonic() < self._silent_until:
                return None
        result = self._send(gateway, message)
        if result.error_code in THROTTLED:
            self._silent_until = time.monotonic() + (result.retry_after or 0)
        return result
