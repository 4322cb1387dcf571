"""Requests to one operator at little cost: kept connections, one try, one deadline for the whole, nothing else.

The general clients spend two to four times the processor time of this on each message (``docs/performance.md``).
"""

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import inf
from urllib.parse import urlsplit

READ_SIZE = 65_536
MOST_BYTES = 1_000_000  # of an answer: beyond, it is not one of ours
MAX_IDLE_SECONDS = 30.0


class NotConnected(Exception):
    """The operator could not be reached: nothing was said to it."""


class TooLate(Exception):
    """The connection opened after the instant until which the request might leave: nothing was said, it is kept."""


class BrokenAnswer(Exception):
    """What came back is no whole answer: the request may have been taken."""


class _Unfinished(Exception):
    """The rest of an answer has not arrived yet."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """``headers`` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class LeanPool:
    """Connections to one address, each used by one thread at a time and kept open for the next message."""

    def __init__(self, base_url: str, *, deadline_seconds: float) -> None:
        address = urlsplit(base_url)
        self._host, self._is_secure = str(address.hostname), address.scheme == "https"
        self._port = address.port or (443 if self._is_secure else 80)
        self._context = ssl.create_default_context() if self._is_secure else None
        self._deadline_seconds = deadline_seconds
        self._idle: deque[tuple[socket.socket, float]] = deque()  # its ends are safe to share between threads
        self.prefix = address.path.rstrip("/")
        self.host = address.netloc.rpartition("@")[2]

    def post(self, path: str, head: bytes, body: bytes, *, leave_by: float = inf) -> HttpAnswer:
        """One request, sent once. ``head``: the header lines that do not change, each ended by CRLF.

        Raises ``NotConnected``, ``TooLate``, ``BrokenAnswer``, or ``OSError`` (deadline, reset)
        once something may have been said.
        """
        deadline = time.monotonic() + self._deadline_seconds
        connection = self._take(deadline) or self._open(deadline)
        if time.monotonic() > leave_by:
            self._keep(connection)
            raise TooLate
        try:
            connection.sendall(self._request(path, head, body))
            answer, may_be_kept = _read_answer(_Reader(partial(_receive, connection, deadline)))
        except BaseException:
            connection.close()
            raise
        self._end(connection, may_be_kept)
        return answer

    def post_together(
        self, path: str, head: bytes, asked: Iterable[tuple[bytes, float]]
    ) -> Iterator[tuple[int, HttpAnswer | Exception | None]]:
        """Several requests by one thread: the place of each and what ``post`` returns or raises, as answers come.

        On kept connections only, one each: None for a request that finds none, of which nothing is said.
        ``asked``: bodies, each with its ``leave_by``.
        """
        deadline = time.monotonic() + self._deadline_seconds
        said: dict[int, _Exchange] = {}
        try:
            for place, (body, leave_by) in enumerate(asked):
                connection = self._take(deadline)
                if connection is None:
                    yield place, None
                elif time.monotonic() > leave_by:
                    self._keep(connection)
                    yield place, TooLate()
                else:
                    said[connection.fileno()] = _Exchange(place, connection)
                    with suppress(OSError):  # to be heard as well
                        connection.sendall(self._request(path, head, body))
            yield from self._hear(said, deadline)
        finally:
            for one in said.values():
                one.connection.close()

    def _hear(self, said: dict[int, "_Exchange"], deadline: float) -> Iterator[tuple[int, HttpAnswer | Exception]]:
        """Whoever answers slowly keeps no other waiting. What got no answer in time is left in ``said``."""
        poll = select.poll()
        for number in said:
            poll.register(number, select.POLLIN)
        while said:
            for number, _ in poll.poll(max(deadline - time.monotonic(), 0) * 1000):
                answer, may_be_kept = said[number].read()
                if answer is None:
                    continue
                poll.unregister(number)
                one = said.pop(number)
                self._end(one.connection, may_be_kept)
                yield one.place, answer
            if time.monotonic() >= deadline:
                yield from ((one.place, TimeoutError("deadline passed")) for one in said.values())
                return

    def _request(self, path: str, head: bytes, body: bytes) -> bytes:
        request = f"POST {self.prefix}{path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\n"
        return request.encode("ascii") + head + b"\r\n" + body

    def _keep(self, connection: socket.socket) -> None:
        self._idle.append((connection, time.monotonic()))

    def _end(self, connection: socket.socket, may_be_kept: bool) -> None:
        if may_be_kept:
            self._keep(connection)
        else:
            connection.close()

    def _take(self, deadline: float) -> socket.socket | None:
        """Of the connections that are kept, the one used last whose other end still listens."""
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                break
            if time.monotonic() - since < MAX_IDLE_SECONDS and not _has_spoken(connection):
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                return connection
            connection.close()
        return None

    def _open(self, deadline: float) -> socket.socket:
        try:
            connection = socket.create_connection((self._host, self._port), max(deadline - time.monotonic(), 0.001))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            if self._context:
                connection = self._context.wrap_socket(connection, server_hostname=self._host)
            connection.settimeout(_remaining(deadline))  # a name that took a minute to resolve: it is too late to speak
        except OSError as trouble:
            raise NotConnected(type(trouble).__name__) from trouble
        return connection


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("deadline passed")
    return remaining


def _has_spoken(connection: socket.socket) -> bool:
    """An idle connection has nothing to read, unless its other end closed it."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _receive(connection: socket.socket, deadline: float) -> bytes:
    """Slow drips do not push the deadline back."""
    connection.settimeout(_remaining(deadline))
    return connection.recv(READ_SIZE)


class _Reader:
    """What has arrived on a connection, ``held``, and what ``read`` brings after it: nothing when it has ended."""

    def __init__(self, read: Callable[[], bytes], held: bytes = b"") -> None:
        self._read, self._held = read, held
        self._total = len(held)

    def until(self, mark: bytes) -> bytes:
        """What comes before ``mark``, which is eaten."""
        while mark not in self._held:
            self._more()
        found, _, self._held = self._held.partition(mark)
        return found

    def exactly(self, size: int) -> bytes:
        while len(self._held) < size:
            self._more()
        found, self._held = self._held[:size], self._held[size:]
        return found

    def to_the_end(self) -> bytes:
        try:
            while True:
                self._more()
        except BrokenAnswer:
            return self._held

    @property
    def is_empty(self) -> bool:
        return not self._held

    def _more(self) -> None:
        read = self._read() if self._total <= MOST_BYTES else b""
        self._total += len(read)
        if not read:
            raise BrokenAnswer("the answer ends too soon, or never")
        self._held += read


@dataclass(slots=True)
class _Exchange:
    """A request that was said among others, and what came back so far."""

    place: int
    connection: socket.socket
    held: bytes = b""

    def read(self) -> tuple[HttpAnswer | Exception | None, bool]:
        """What has arrived: the answer, what is wrong with it, or None when more is to come. See ``_read_answer``."""
        try:
            self.connection.settimeout(0)
            received = self.connection.recv(READ_SIZE)
            self.held += received
            return _read_answer(_Reader(partial(_wait_for_more, has_ended=not received), self.held))
        except (_Unfinished, BlockingIOError, ssl.SSLWantReadError):
            return None, True
        except (BrokenAnswer, OSError) as trouble:
            return trouble, False


def _wait_for_more(*, has_ended: bool) -> bytes:
    if has_ended:
        return b""
    raise _Unfinished


def _read_answer(reader: _Reader) -> tuple[HttpAnswer, bool]:
    """The answer, and whether the connection may serve again."""
    status, headers, version = 100, {}, ""
    while 100 <= status < 200:
        first, *lines = reader.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise BrokenAnswer("not HTTP")
        status = int(rest[:3])
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body, has_end = _read_body(reader, status, headers)
    keeps = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return HttpAnswer(status, headers, body), keeps and has_end and reader.is_empty


def _read_body(reader: _Reader, status: int, headers: Mapping[str, str]) -> tuple[bytes, bool]:
    """The body, and whether its end was said otherwise than by closing."""
    if status in {204, 304}:
        return b"", True
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return b"".join(iter(lambda: _read_chunk(reader), b"")), True
    length = headers.get("content-length")
    if length is None:
        return reader.to_the_end(), False
    if not length.isdigit() or int(length) > MOST_BYTES:
        raise BrokenAnswer("unreadable length")
    return reader.exactly(int(length)), True


def _read_chunk(reader: _Reader) -> bytes:
    try:
        size = int(reader.until(b"\r\n").partition(b";")[0], 16)
    except ValueError:
        raise BrokenAnswer("unreadable chunk") from None
    if not size:
        while reader.until(b"\r\n"):  # trailers, then an empty line
            pass
        return b""
    chunk = reader.exactly(size)
    if reader.exactly(2) != b"\r\n":
        raise BrokenAnswer("unreadable chunk")
    return chunk
