"""The transport under Twilio's own client: our address, pooled connections, no retry, one deadline a request."""

import logging
from urllib.parse import urlencode, urlsplit

import urllib3
from twilio.http import HttpClient
from twilio.http.response import Response

from outreach.channels.deadline_http import make_pool, seconds_of

logger = logging.getLogger(__name__)


class Throttled(Exception):
    """Twilio answered 429: nothing was taken. Raised below its client, which would lose the Retry-After header."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("L’opérateur demande de ralentir.")
        self.retry_after = retry_after


class PooledTransport(HttpClient):  # type: ignore[misc]
    """Sends every request of Twilio's client to ``base_url`` instead of the address it was written with."""

    def __init__(self, base_url: str, *, connections: int, deadline_seconds: float) -> None:
        super().__init__(logger, is_async=False, timeout=deadline_seconds)
        self._prefix = urlsplit(base_url).path.rstrip("/")
        self._pool = make_pool(base_url, connections=connections, deadline_seconds=deadline_seconds)

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
            raise Throttled(seconds_of(answer.headers.get("Retry-After")))
        return Response(answer.status, answer.data.decode("utf-8", "replace"), answer.headers)

    def _target(self, uri: str, params: dict[str, object] | None) -> str:
        asked = urlsplit(uri)
        query = "&".join(part for part in (asked.query, urlencode(params or {}, doseq=True)) if part)
        return f"{self._prefix}{asked.path}" + (f"?{query}" if query else "")
