"""One face of the simulated operator: Twilio's Messages API."""

import asyncio
import base64
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from outreach.simulator.operator import Operator, OperatorConfig, Refusal
from outreach.simulator.operator_counter import OPERATOR, Handler, answer, fail_before, make_operator_app
from outreach.simulator.operator_ledger import Entry

API = "/2010-04-01/Accounts/{account}"


def message_json(entry: Entry, account_sid: str) -> dict[str, Any]:
    """A message in the shape of Twilio's API."""
    uri = f"{API.format(account=account_sid)}/Messages/{entry.sid}"
    has_left = entry.status not in {"accepted", "queued", "sending"}
    return {
        "account_sid": account_sid,
        "api_version": "2010-04-01",
        "body": entry.body,
        "date_created": _rfc2822(entry.accepted_at),
        "date_sent": _rfc2822(entry.updated_at) if has_left else None,
        "date_updated": _rfc2822(entry.updated_at),
        "direction": entry.direction,
        "error_code": int(entry.error_code) if entry.error_code else None,
        "error_message": None,
        "from": entry.sender or None,
        "messaging_service_sid": entry.service_sid or None,
        "num_media": "0",
        "num_segments": str(entry.segments),
        "price": None,
        "price_unit": "EUR",
        "sid": entry.sid,
        "status": entry.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": entry.recipient,
        "uri": f"{uri}.json",
    }


def _rfc2822(at: float) -> str:
    return format_datetime(datetime.fromtimestamp(at, UTC))


@web.middleware
async def _speak_twilio(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if request.path.startswith("/2010-04-01/"):
            _authenticate(request)
        return await handler(request)
    except Refusal as refusal:
        return _refuse(refusal)


def _refuse(refusal: Refusal) -> web.Response:
    """An error answer in Twilio's shape."""
    body = {
        "code": refusal.code,
        "message": str(refusal),
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.http_status,
    }
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
    return web.json_response(body, status=refusal.http_status, headers=headers)


def _authenticate(request: web.Request) -> None:
    config = request.app[OPERATOR].config
    expected = base64.b64encode(f"{config.account_sid}:{config.auth_token}".encode()).decode()
    if request.headers.get("Authorization") != f"Basic {expected}":
        raise Refusal(401, 20003, "Authenticate")
    if request.match_info.get("account") != config.account_sid:
        raise Refusal(404, 20404, "The requested resource was not found")


async def _create(request: web.Request) -> web.StreamResponse:
    operator = request.app[OPERATOR]
    form = dict(parse_qsl((await request.read()).decode("utf-8", "replace"), keep_blank_values=True))
    trouble = operator.trouble_for(form)
    await fail_before(operator, request, trouble, form.get("To", ""))
    entry = await operator.take(form)
    await asyncio.sleep(operator.behaviour.answer_delay(entry.sid))
    return await answer(operator, request, trouble, message_json(entry, operator.config.account_sid), status=201)


async def _get_one(request: web.Request) -> web.StreamResponse:
    operator = request.app[OPERATOR]
    entry = operator.ledger.get(request.match_info["sid"])
    if entry is None:
        raise Refusal(404, 20404, "The requested resource was not found")
    return web.json_response(message_json(entry, operator.config.account_sid))


async def _get_list(request: web.Request) -> web.StreamResponse:
    """Filters To, From, DateSent (a day), DateSent> and DateSent<; pages of PageSize (50, at most 1,000)."""
    operator = request.app[OPERATOR]
    asked = request.query
    since, until = _dates(asked)
    until = min(until, time.time() - operator.behaviour.list_lag)
    held = operator.ledger.search(recipient=asked.get("To", ""), sender=asked.get("From", ""), since=since, until=until)
    size = min(max(int(asked.get("PageSize") or 50), 1), 1000)
    page = max(int(asked.get("Page") or 0), 0)
    shown = held[page * size : (page + 1) * size]
    uri = f"{API.format(account=operator.config.account_sid)}/Messages.json"
    has_next = len(held) > (page + 1) * size
    return web.json_response(
        {
            "messages": [message_json(entry, operator.config.account_sid) for entry in shown],
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(len(shown) - 1, 0),
            "uri": str(request.rel_url),
            "first_page_uri": str(request.rel_url.update_query(Page=0, PageSize=size)),
            "next_page_uri": str(request.rel_url.update_query(Page=page + 1, PageSize=size)) if has_next else None,
            "previous_page_uri": f"{uri}?Page={page - 1}&PageSize={size}" if page else None,
        }
    )


def _dates(asked: Mapping[str, str]) -> tuple[float, float]:
    def read(text: str) -> float:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()

    try:
        if day := asked.get("DateSent"):
            return read(day), read(day) + 86_400
        since = read(asked["DateSent>"]) if "DateSent>" in asked else 0.0
        until = read(asked["DateSent<"]) + 86_400 if "DateSent<" in asked else 1e12
    except ValueError:
        raise Refusal(400, 20001, "Invalid date") from None
    return since, until


def make_app(config: OperatorConfig) -> web.Application:
    messages = "/2010-04-01/Accounts/{account}/Messages"
    routes = [
        web.post(f"{messages}.json", _create),
        web.get(f"{messages}.json", _get_list),
        web.get(f"{messages}/{{sid}}.json", _get_one),
    ]
    return make_operator_app(Operator(config), routes, _speak_twilio)
