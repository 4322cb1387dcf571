"""Requests to one operator at little cost: kept connections, one try, one deadline for the whole, nothing else.

The general clients spend two to four times the processor time of this on each message (``docs/performance.md``).
"""

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
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
        connection = self._take(deadline)
        if time.monotonic() > leave_by:
            self._idle.append((connection, time.monotonic()))
            raise TooLate
        try:
            request = f"POST {self.prefix}{path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\n"
            connection.sendall(request.encode("ascii") + head + b"\r\n" + body)
            answer, may_be_kept = _read_answer(connection, deadline)
        except BaseException:
            connection.close()
            raise
        if may_be_kept:
            self._idle.append((connection, time.monotonic()))
        else:
            connection.close()
        return answer

    def _take(self, deadline: float) -> socket.socket:
        """The connection used last, if its other end still listens; else a new one."""
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                break
            if time.monotonic() - since < MAX_IDLE_SECONDS and not _has_spoken(connection):
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
                return connection
            connection.close()
        return self._open(deadline)

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


class _Reader:
    """What has arrived on a connection, read until an instant: slow drips do not push it back."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline
        self._held = b""
        self._total = 0

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
        self._connection.settimeout(_remaining(self._deadline))
        read = self._connection.recv(READ_SIZE)
        self._total += len(read)
        if not read or self._total > MOST_BYTES:
            raise BrokenAnswer("the answer ends too soon, or never")
        self._held += read


def _read_answer(connection: socket.socket, deadline: float) -> tuple[HttpAnswer, bool]:
    """The answer, and whether the connection may serve again."""
    reader = _Reader(connection, deadline)
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
