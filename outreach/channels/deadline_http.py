"""Pooled connections to one operator: no retry, no redirect, one deadline for a whole request."""

import http.client
import io
import socket
import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until an instant. A per-read timeout alone lets an answer of one byte a second last for hours."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("deadline passed")
        self._sock.settimeout(remaining)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        # Detached first: the buffer that http.client made would close the socket when collected.
        reader = _DeadlineReader(self.fp.detach(), sock, deadline)
        self.fp = io.BufferedReader(reader)


class _DeadlineMixin:
    """``deadline_seconds`` runs from the moment the request begins to leave; to open a connection there is as much."""

    deadline_seconds: float
    response_class: Any

    def connect(self) -> None:
        """A name may take a minute to resolve, which no timeout of urllib3 counts: it is then too late to speak."""
        deadline = time.monotonic() + self.deadline_seconds
        super().connect()  # type: ignore[misc]
        if time.monotonic() >= deadline:
            self.close()  # type: ignore[attr-defined]
            raise urllib3.exceptions.ConnectTimeoutError("deadline passed")

    def request(self, *args: Any, **kwargs: Any) -> None:
        deadline = time.monotonic() + self.deadline_seconds
        self.response_class = partial(_DeadlineResponse, deadline=deadline)
        super().request(*args, **kwargs)  # type: ignore[misc]


def _connection_class(scheme: str, deadline_seconds: float) -> type[HTTPConnection]:
    base = HTTPSConnection if scheme == "https" else HTTPConnection
    return type("DeadlineConnection", (_DeadlineMixin, base), {"deadline_seconds": deadline_seconds})


def make_pool(base_url: str, *, connections: int, deadline_seconds: float) -> urllib3.HTTPConnectionPool:
    """Connections to the host of ``base_url``, whatever path it has. Safe to share between threads."""
    address = urlsplit(base_url)
    pool_class = urllib3.HTTPSConnectionPool if address.scheme == "https" else urllib3.HTTPConnectionPool
    pool = pool_class(
        str(address.hostname),
        address.port,
        maxsize=connections,
        retries=False,
        timeout=urllib3.Timeout(total=deadline_seconds),
    )
    pool.ConnectionCls = _connection_class(address.scheme, deadline_seconds)
    return pool


def seconds_of(header: str | None) -> float | None:
    """``Retry-After`` in seconds; None when it says nothing that can be used (a date, for one)."""
    return float(header) if header and header.isascii() and header.isdigit() else None
