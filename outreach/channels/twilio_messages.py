"""Sending one message by Twilio's API: the request that its own client would make, without what the client costs.

The client spends 1.6 ms of processor time on a message, ten times what the request is worth. The headers come from it,
and a test compares whole requests with those it makes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3

from outreach.channels.lean_http import BrokenAnswer, HttpAnswer, LeanPool, NotConnected, TooLate
from outreach.channels.ports import GIVEN_BACK, SendOutcome, SendResult
from outreach.rules.delivery import Action, action_for, outcome_of_answer

THROTTLED = "20429"


class MessageLine:
    """Where messages are created. Safe to use from several threads."""

    def __init__(
        self, client: Any, base_url: str, *, account_sid: str, auth_token: str, deadline_seconds: float
    ) -> None:
        form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        headers: dict[str, str] = client.get_headers("POST", form)
        headers |= urllib3.make_headers(basic_auth=f"{account_sid}:{auth_token}")
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
        self._path = f"/2010-04-01/Accounts/{account_sid}/Messages.json"
        self._pool = LeanPool(base_url, deadline_seconds=deadline_seconds)

    def create(self, fields: Mapping[str, object], *, leave_by: float) -> SendResult:
        """Create a message from the fields of the API."""
        body = urlencode(fields).encode("ascii")
        try:
            return read_answer(self._pool.post(self._path, self._head, body, leave_by=leave_by))
        except (TooLate, NotConnected, BrokenAnswer, OSError) as trouble:
            return read_trouble(trouble)

    def create_together(
        self, asked: Iterable[tuple[Mapping[str, object], float]]
    ) -> Iterator[tuple[int, SendResult | None]]:
        """Fields of messages, each with its ``leave_by``. See ``LeanPool.post_together``."""
        bodies = ((urlencode(fields).encode("ascii"), leave_by) for fields, leave_by in asked)
        for place, told in self._pool.post_together(self._path, self._head, bodies):
            if told is None:
                yield place, None
            else:
                yield place, read_answer(told) if isinstance(told, HttpAnswer) else read_trouble(told)


def read_answer(answer: HttpAnswer) -> SendResult:
    """What is certain after this answer."""
    told = _read_object(answer.body)
    if answer.status == 429:
        return SendResult(SendOutcome.RETRY, error_code=THROTTLED, retry_after=_seconds(answer.headers))
    if not 200 <= answer.status < 300:
        return _read_refusal(answer.status, str(told.get("code") or ""))
    if not told.get("sid"):
        return SendResult(SendOutcome.UNKNOWN, error_code="NoSid")
    segments = str(told.get("num_segments") or "")
    return SendResult(
        SendOutcome.ACCEPTED, provider_ref=str(told["sid"]), segments=int(segments) if segments.isdecimal() else 0
    )


def read_trouble(trouble: Exception) -> SendResult:
    """What is certain without an answer."""
    if isinstance(trouble, TooLate):
        return GIVEN_BACK
    if isinstance(trouble, NotConnected):
        return SendResult(SendOutcome.RETRY, error_code=str(trouble), is_alert=True)
    return SendResult(SendOutcome.UNKNOWN, error_code=type(trouble).__name__)


def _read_refusal(http_status: int, code: str) -> SendResult:
    outcome = outcome_of_answer(http_status, code)
    is_alert = action_for(code) == Action.ALERT or http_status in {401, 403}
    return SendResult(outcome, error_code=code or f"HTTP {http_status}", is_alert=is_alert)


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _seconds(headers: Mapping[str, str]) -> float | None:
    asked = headers.get("retry-after", "")
    return float(asked) if asked.isdecimal() else None
