"""Messages on their way to operators: each leaves at its instant by a thread, answers are collected together.

Threads rather than one event loop: any gateway can be used. One that can carries several messages by the same thread
(ADR 16).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event
from uuid import UUID

from outreach.channels.failover import THROTTLED
from outreach.channels.ports import GIVEN_BACK, Gateway, OutgoingMessage, SendResult, SendsTogether
from outreach.rules.pacing import LATEST

Told = tuple[OutgoingMessage, SendResult | None]
Send = Callable[[Gateway, OutgoingMessage], SendResult]
SendTogether = Callable[[SendsTogether, Sequence[OutgoingMessage]], Iterator[Told]]
TOGETHER = 16  # messages of one thread
SAME_INSTANT = 0.001


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a message. ``result`` None: its instant had passed, nothing was sent."""

    attempt_uuid: UUID
    result: SendResult | None


class Wire:
    """As many messages at once as it has slots."""

    def __init__(self, slots: int, send: Send, send_together: SendTogether | None = None) -> None:
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="wire")
        self._send, self._send_together = send, send_together
        self._arrived: SimpleQueue[Arrival | BaseException] = SimpleQueue()
        self._carried: set[Future[None]] = set()
        self._silent_until = 0.0
        self._waiting = Event()  # never set: to wait with the precision of a lock

    def leave(self, gateway: Gateway, message: OutgoingMessage, at: float) -> None:
        """Send at an instant of ``time.monotonic()``; at once when it is 0. Past its ``leave_by`` it is given back."""
        self._submit(gateway, [message], at)

    def leave_all(self, gateway: Gateway, messages: Sequence[OutgoingMessage], instants: Sequence[float]) -> None:
        """Each at its instant, in order; by one thread those whose instants are the same, where the gateway can."""
        most = TOGETHER if self._send_together and isinstance(gateway, SendsTogether) else 1
        group: list[OutgoingMessage] = []
        for place, (message, at) in enumerate(zip(messages, instants, strict=True)):
            group.append(message)
            is_last = place + 1 == len(messages)
            if is_last or len(group) == most or instants[place + 1] - at > SAME_INSTANT:
                self._submit(gateway, group, at)
                group = []

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

    @property
    def is_busy(self) -> bool:
        """Whether anything may still be collected. What a signal interrupted may never be: nobody waits for it."""
        return bool(self._carried) or not self._arrived.empty()

    def close(self) -> None:
        self._pool.shutdown()

    def _submit(self, gateway: Gateway, messages: Sequence[OutgoingMessage], at: float) -> None:
        carried = self._pool.submit(self._carry, gateway, messages, at)
        self._carried.add(carried)
        carried.add_done_callback(self._carried.discard)

    def _carry(self, gateway: Gateway, messages: Sequence[OutgoingMessage], at: float) -> None:
        try:
            for message, result in self._send_in_time(gateway, messages, at):
                self._arrived.put(Arrival(message.attempt_uuid, result))
        except BaseException as trouble:
            self._arrived.put(trouble)

    def _send_in_time(self, gateway: Gateway, messages: Sequence[OutgoingMessage], at: float) -> Iterator[Told]:
        on_time = [one for one in messages if max(at, time.monotonic()) <= one.leave_by]
        yield from ((one, GIVEN_BACK) for one in messages if one not in on_time)
        if at and on_time:
            self._waiting.wait(max(at - time.monotonic(), 0))
            if time.monotonic() - at > LATEST or time.monotonic() < self._silent_until:
                yield from ((one, None) for one in on_time)
                return
        for message, result in self._send_all(gateway, on_time):
            if result is None:  # its connection takes time to open
                self._submit(gateway, [message], at)
                continue
            if result.error_code in THROTTLED:
                self._silent_until = time.monotonic() + (result.retry_after or 0)
            yield message, result

    def _send_all(self, gateway: Gateway, messages: Sequence[OutgoingMessage]) -> Iterator[Told]:
        if len(messages) > 1 and self._send_together and isinstance(gateway, SendsTogether):
            return self._send_together(gateway, messages)
        return ((one, self._send(gateway, one)) for one in messages)
