"""What Twilio's official description of its API allows of the three operations that we use, and what our gateway and
our simulator said to each other that it does not allow.

Facts read in ``spec/json/twilio_api_v2010.json`` of github.com/twilio/twilio-oai (MIT licence, commit d50069b, April
2026): names, kinds, patterns and enumerations of ``/Accounts/{AccountSid}/Messages`` (create, list) and its ``/{Sid}``
(fetch).
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

Check = Callable[[Any], bool]


def _matches(pattern: str) -> Check:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _parses(parse: Callable[[str], object]) -> Check:
    def check(value: Any) -> bool:
        try:
            return bool(parse(value))
        except (ValueError, TypeError):
            return False

    return check


def _nullable(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _sid(prefix: str) -> Check:
    return _matches(f"{prefix}[0-9a-fA-F]{{32}}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) is int


URI = _parses(lambda value: urlsplit(value).scheme in {"http", "https"} and urlsplit(value).hostname)
PHONE = _matches(r"\+[1-9]\d{1,14}")
SENDER = _matches(r"\+[1-9]\d{1,14}|[A-Za-z0-9 ]{1,11}")  # a number, or a name
BOOLEAN = _matches("true|false|True|False")
MOMENT = _parses(lambda value: datetime.fromisoformat(value.replace("Z", "+00:00")))
RFC_2822 = _parses(parsedate_to_datetime)
STATUSES = (
    "queued|sending|sent|failed|delivered|undelivered|receiving|received|accepted|scheduled|read|partially_delivered"
    "|canceled"
)
CREATE: dict[str, Check] = {
    "To": PHONE,
    "StatusCallback": URI,
    "ValidityPeriod": lambda value: value.isdigit() and 1 <= int(value) <= 36_000,
    "SmartEncoded": BOOLEAN,
    "From": SENDER,
    "MessagingServiceSid": _sid("MG"),
    "Body": lambda value: 0 < len(value) <= 1_600,
}
LIST: dict[str, Check] = {
    "To": PHONE,
    "From": SENDER,
    "DateSent": MOMENT,
    "DateSent<": MOMENT,
    "DateSent>": MOMENT,
    "PageSize": lambda value: value.isdigit() and 1 <= int(value) <= 1_000,
    "Page": str.isdigit,
    "PageToken": _is_text,
}
MESSAGE: dict[str, Check] = {
    "body": _nullable(_is_text),
    "num_segments": _nullable(_is_text),
    "direction": _matches("inbound|outbound-api|outbound-call|outbound-reply"),
    "from": _nullable(_is_text),
    "to": _nullable(_is_text),
    "date_updated": _nullable(RFC_2822),
    "price": _nullable(_is_text),
    "error_message": _nullable(_is_text),
    "uri": _nullable(_is_text),
    "account_sid": _nullable(_sid("AC")),
    "num_media": _nullable(_is_text),
    "status": _matches(STATUSES),
    "messaging_service_sid": _nullable(_sid("MG")),
    "sid": _nullable(_sid("(SM|MM)")),
    "date_sent": _nullable(RFC_2822),
    "date_created": _nullable(RFC_2822),
    "error_code": _nullable(_is_number),
    "price_unit": _nullable(_matches("[A-Z]{3}")),
    "api_version": _nullable(_is_text),
    "subresource_uris": _nullable(lambda value: isinstance(value, dict)),
}
PAGE: dict[str, Check] = {
    "messages": lambda value: isinstance(value, list),
    "end": _is_number,
    "start": _is_number,
    "page": _is_number,
    "page_size": _is_number,
    "uri": _is_text,
    "first_page_uri": _is_text,
    "next_page_uri": _nullable(_is_text),
    "previous_page_uri": _nullable(_is_text),
}
ERROR: dict[str, Check] = {"code": _is_number, "message": _is_text, "more_info": URI, "status": _is_number}
ROUTES = (
    ("POST", r"/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Messages\.json", CREATE, MESSAGE, 201),
    ("GET", r"/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Messages\.json", LIST, PAGE, 200),
    ("GET", r"/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Messages/(SM|MM)[0-9a-fA-F]{32}\.json", {}, MESSAGE, 200),
)


class Reader:
    """Reads over the operator's shoulder. ``problems``: what the description does not allow; ``count``: exchanges."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.count = 0

    def watch(self, app: web.Application) -> web.Application:
        @web.middleware
        async def read(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            body = await request.text()
            answer = await handler(request)
            if request.path.startswith("/2010-04-01/"):
                self.count += 1
                self.problems += self._judge(request, body, answer)
            return answer

        app.middlewares.insert(0, read)
        return app

    def _judge(self, request: web.Request, body: str, answer: web.StreamResponse) -> Iterator[str]:
        route = next((r for r in ROUTES if r[0] == request.method and re.fullmatch(r[1], request.path)), None)
        if route is None:
            yield f"{request.method} {request.path}: no such operation"
            return
        _, _, parameters, schema, success = route
        pairs = parse_qsl(body if request.method == "POST" else request.query_string, keep_blank_values=True)
        if parameters is CREATE:
            yield from _judge_create(dict(pairs), request.headers.get("Content-Type", ""))
        if len(pairs) != len(dict(pairs)):
            yield "a parameter is given twice"
        yield from _judge_values(dict(pairs), parameters, "parameter")
        if isinstance(answer, web.Response) and answer.body:
            said = json.loads(bytes(answer.body))  # type: ignore[arg-type]
            yield from _judge_answer(said, answer.status, schema, success)


def _judge_create(given: Mapping[str, str], content_type: str) -> Iterator[str]:
    if not content_type.startswith("application/x-www-form-urlencoded"):
        yield f"content type {content_type}"
    if "To" not in given or "Body" not in given:
        yield "To and Body are required"
    if ("From" in given) == ("MessagingServiceSid" in given):
        yield "a sender or a Messaging Service, not both"


def _judge_answer(said: Any, status: int, schema: Mapping[str, Check], success: int) -> Iterator[str]:
    if status >= 400:
        yield from _judge_values(said, ERROR, "error", is_whole=True)
        return
    if status != success:
        yield f"status {status}"
    yield from _judge_values(said, schema, "field", is_whole=True)
    for message in said.get("messages", []):
        yield from _judge_values(message, MESSAGE, "field", is_whole=True)


def _judge_values(
    given: Mapping[str, Any], allowed: Mapping[str, Check], kind: str, *, is_whole: bool = False
) -> Iterator[str]:
    for name, value in given.items():
        if name not in allowed:
            yield f"{kind} {name} does not exist"
        elif not allowed[name](value):
            yield f"{kind} {name} cannot be {value!r}"
    if is_whole:
        yield from (f"{kind} {name} is missing" for name in allowed.keys() - given.keys())
