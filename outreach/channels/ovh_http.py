"""Signed requests to OVHcloud's API.

Source: OVHcloud's guide "Premiers pas avec les API": ``$1$`` then the SHA-1 of application secret, consumer key,
method, address, body and timestamp, joined by ``+``. The timestamp follows the API's clock, asked once, and
again after a refusal.
"""

import json
import time
from hashlib import sha1
from threading import Lock
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3

from outreach.channels.deadline_http import make_pool, seconds_of

# So are answered, among others, requests whose timestamp is off: either clock may have moved since it was read.
CLOCK_DOUBTED = (400, 401, 403)


class Refused(Exception):
    """The operator answered with an error; its text is left out, for it may quote what was sent."""

    def __init__(self, http_status: int, retry_after: float | None) -> None:
        super().__init__(f"L’opérateur répond par une erreur HTTP {http_status}.")
        self.http_status, self.retry_after = http_status, retry_after


class Unreadable(Exception):
    """The operator answered something that its schema does not say."""


class ClockUnknown(Exception):
    """The API's clock could not be read: the request was not made."""


class OvhApi:
    """Safe to share between threads. Raises ``Refused``, ``Unreadable``, ``ClockUnknown``, or what urllib3 raises."""

    def __init__(
        self,
        base_url: str,
        *,
        application_key: str,
        application_secret: str,
        consumer_key: str,
        connections: int,
        deadline_seconds: float,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key, self._secret, self._consumer = application_key, application_secret, consumer_key
        self._pool = make_pool(base_url, connections=connections, deadline_seconds=deadline_seconds)
        self._lock = Lock()
        self._clock_delta: float | None = None

    def get(self, path: str, **query: str) -> Any:
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: object) -> Any:
        return self._call("POST", path, json.dumps(body))

    def _call(self, method: str, path: str, body: str = "") -> Any:
        url = f"{self._base_url}{path}"
        timestamp = str(int(time.time() + self._delta()))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-Ovh-Application": self._key,
            "X-Ovh-Consumer": self._consumer,
            "X-Ovh-Timestamp": timestamp,
            "X-Ovh-Signature": sign(self._secret, self._consumer, method, url, body, timestamp),
        }
        return self._request(method, url, body, headers)

    def _request(self, method: str, url: str, body: str, headers: dict[str, str]) -> Any:
        asked = urlsplit(url)
        target = f"{asked.path}?{asked.query}" if asked.query else asked.path
        answer = self._pool.request(method, target, body=body.encode() or None, headers=headers, redirect=False)
        if answer.status in CLOCK_DOUBTED:
            self._clock_delta = None
        if not 200 <= answer.status < 300:
            raise Refused(answer.status, seconds_of(answer.headers.get("Retry-After")))
        try:
            return json.loads(answer.data)
        except ValueError:
            raise Unreadable("Réponse illisible.") from None

    def _delta(self) -> float:
        with self._lock:
            delta = self._clock_delta  # a refusal may forget it meanwhile
            if delta is None:
                try:
                    now = self._request("GET", f"{self._base_url}/auth/time", "", {})
                    self._clock_delta = delta = float(now) - time.time()
                except (Refused, Unreadable, urllib3.exceptions.HTTPError, OSError, TypeError, ValueError) as trouble:
                    raise ClockUnknown(type(trouble).__name__) from None
            return delta


def sign(secret: str, consumer_key: str, method: str, url: str, body: str, timestamp: str) -> str:
    signed = "+".join((secret, consumer_key, method, url, body, timestamp))
    return f"$1${sha1(signed.encode()).hexdigest()}"  # noqa: S324 - what the API asks for
