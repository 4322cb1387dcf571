"""The transport under Twilio's own client: our address, pooled connections, no retry, one deadline a request."""

import http.client
import io
import logging
import socket
import time
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from twilio.http import HttpClient
from twilio.http.response import Response
from urllib3.connection import HTTPConnection, HTTPSConnection

logger = logging.getLogger(__name__)


class Throttled(Exception):
    """Twilio answered 429: nothing was taken. Raised below its client, which would lose the Retry-After header."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("L’opérateur demande de ralentir.")
        self.retry_after = retry_after


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
    """``deadline_seconds`` runs from the moment the request begins to leave."""

    deadline_seconds: float
    response_class: Any

    def request(self, *args: Any, **kwargs: Any) -> None:
        deadline = time.monotonic() + self.deadline_seconds
        self.response_class = partial(_DeadlineResponse, deadline=deadline)
        super().request(*args, **kwargs)  # type: ignore[misc]


def _connection_class(scheme: str, deadline_seconds: float) -> type[HTTPConnection]:
    base = HTTPSConnection if scheme == "https" else HTTPConnection
    return type("DeadlineConnection", (_DeadlineMixin, base), {"deadline_seconds": deadline_seconds})


class PooledTransport(HttpClient):  # type: ignore[misc]
    """Sends every request of Twilio's client to ``base_url`` instead of the address it was written with."""

    def __init__(self, base_url: str, *, connections: int, deadline_seconds: float) -> None:
        super().__init__(logger, is_async=False, timeout=deadline_seconds)
        address = urlsplit(base_url)
        pool_class = urllib3.HTTPSConnectionPool if address.scheme == "https" else urllib3.HTTPConnectionPool
        self._prefix = address.path.rstrip("/")
        self._pool = pool_class(
            str(address.hostname),
            address.port,
            maxsize=connections,
            retries=False,
            timeout=urllib3.Timeout(total=deadline_seconds),
        )
        self._pool.ConnectionCls = _connection_class(address.scheme, deadline_seconds)

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """One call on the wire. Raises ``Throttled``, or what urllib3 raises."""
        sent = {**(headers or {}), **(urllib3.make_headers(basic_auth=":".join(auth)) if auth else {})}
        answer = self._pool.request(
            method,
            self._target(uri, params),
            body=urlencode(data, doseq=True) if data else None,
            headers=sent,
            redirect=False,
        )
        if answer.status == 429:
            raise Throttled(_seconds(answer.headers.get("Retry-After")))
        return Response(answer.status, answer.data.decode("utf-8", "replace"), answer.headers)

    def _target(self, uri: str, params: dict[str, object] | None) -> str:
        asked = urlsplit(uri)
        query = "&".join(part for part in (asked.query, urlencode(params or {}, doseq=True)) if part)
        return f"{self._prefix}{asked.path}" + (f"?{query}" if query else "")


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdigit() else None
