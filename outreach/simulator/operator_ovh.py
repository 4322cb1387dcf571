"""The other face of the simulated operator: OVHcloud's SMS API. People's answers are read there, never posted to us."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha1, sha256
from typing import Any

from aiohttp import web

from outreach.simulator.operator import Operator, OperatorConfig, Refusal
from outreach.simulator.operator_counter import Handler, answer, fail_before, make_operator_app
from outreach.simulator.operator_ledger import Entry

SERVICE = "/1.0/sms/{service}"
CLOCK_SECONDS = 60  # how far a timestamp may be from the API's clock
SHORT_NUMBER = "38069"
# The fates that behaviours draw, in this operator's codes: its own state, and the receipt's.
PTT = {"": 4, "30003": 24, "30005": 23, "30006": 23, "30007": 28, "30008": 5}
WAITING = ("accepted", "queued")


@dataclass(frozen=True)
class OvhAccount:
    """``callback_url``: called for each receipt, what it says added to its query; empty: receipts must be asked for."""

    application_key: str
    application_secret: str = field(repr=False)
    consumer_key: str = field(repr=False)
    callback_url: str = ""
    credits_left: float = 1e6


class OvhOperator(Operator):
    """The same operator, with numbers for references and receipts that nothing signs."""

    def __init__(self, config: OperatorConfig, account: OvhAccount) -> None:
        super().__init__(config)
        self.account = account

    async def tell(self, entry: Entry) -> None:
        await self.postman.get(self.account.callback_url, _receipt(entry))

    async def lie_about(self, entry: Entry) -> None:
        lie = {**_receipt(entry), "ptt": "23", "description": "2", "cle": "forged"}
        await self.postman.lie(entry.callback.partition("?")[0], query=lie)

    async def _tell_inbound(self, entry: Entry) -> None:
        """Nobody is told: see ``/incoming``."""

    def _next_sid(self, kind: str, number: str) -> str:
        digest = sha256(super()._next_sid(kind, number).encode()).digest()
        return str(10**11 + int.from_bytes(digest[:5], "big"))


OVH = web.AppKey("ovh", OvhOperator)


def _receipt(entry: Entry) -> dict[str, str]:
    ptt, receipt = _state(entry)
    moment = datetime.fromtimestamp(entry.updated_at, UTC).strftime("%Y%m%d%H%M%S")
    return {
        "id": entry.sid,
        "ptt": str(ptt),
        "date": moment,
        "description": str(receipt),
        "descriptionDlr": "Success" if receipt == 1 else "",
    }


def _state(entry: Entry) -> tuple[int, int]:
    if entry.status in {"undelivered", "failed"}:
        return PTT.get(entry.error_code, 5), 2
    return (4, 1) if entry.status == "delivered" else (3, 4)


def _message_json(entry: Entry) -> dict[str, Any]:
    """``sms.Outgoing``; ``sms.Job`` has no tag."""
    ptt, receipt = (0, 0) if entry.status in WAITING else _state(entry)
    job = {
        "creationDatetime": _moment(entry.accepted_at),
        "credits": entry.segments,
        "deliveredAt": _moment(entry.updated_at) if receipt == 1 else None,
        "deliveryReceipt": receipt,
        "differedDelivery": 0,
        "id": int(entry.sid),
        "message": entry.body,
        "messageLength": len(entry.body),
        "numberOfSms": entry.segments,
        "ptt": ptt,
        "receiver": entry.recipient,
        "sender": entry.sender,
        "sentAt": None if entry.status in WAITING else _moment(entry.updated_at),
    }
    return job if entry.status in WAITING else {**job, "tag": entry.attempt_uuid, "tariffCode": "fr"}


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


@web.middleware
async def _speak_ovh(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if request.path.startswith("/1.0/sms"):
            await _authenticate(request)
        return await handler(request)
    except Refusal as refusal:
        kind = "Client" if refusal.http_status < 500 else "Server"
        headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
        body = {"class": f"{kind}::Error", "message": str(refusal)}
        return web.json_response(body, status=refusal.http_status, headers=headers)


async def _authenticate(request: web.Request) -> None:
    operator, account = request.app[OVH], request.app[OVH].account
    stamp = request.headers.get("X-Ovh-Timestamp", "")
    if request.headers.get("X-Ovh-Application") != account.application_key:
        raise Refusal(403, 0, "This application key is invalid")
    if not stamp.isdigit() or abs(int(stamp) - time.time()) > CLOCK_SECONDS:
        raise Refusal(403, 0, "QUERY_TIME_OUT")
    body = (await request.read()).decode("utf-8", "replace")
    signed = (account.application_secret, account.consumer_key, request.method, str(request.url), body, stamp)
    if request.headers.get("X-Ovh-Signature") != "$1$" + sha1("+".join(signed).encode()).hexdigest():  # noqa: S324
        raise Refusal(403, 0, "Invalid signature")
    if request.match_info.get("service") != operator.config.account_sid:
        raise Refusal(404, 0, "This service does not exist")


async def _time(request: web.Request) -> web.Response:
    return web.json_response(int(time.time()))


async def _service(request: web.Request) -> web.Response:
    operator = request.app[OVH]
    spent = sum(entry.segments for entry in operator.ledger.search(direction="outbound-api"))
    return web.json_response(
        {
            "name": operator.config.account_sid,
            "creditsLeft": operator.account.credits_left - spent,
            "callBack": operator.account.callback_url or None,
            "status": "enable",
        }
    )


async def _create_job(request: web.Request) -> web.StreamResponse:
    """One receiver a request, as we do."""
    operator = request.app[OVH]
    asked = json.loads(await request.read())
    [receiver] = asked["receivers"]
    trouble = operator.next_trouble(asked.get("tag", ""), receiver)
    await fail_before(operator, request, trouble, receiver)
    _check(asked)
    try:
        entry = await operator.take(_as_form(asked, receiver, operator.account.callback_url), key=asked.get("tag", ""))
    except Refusal:
        return web.json_response(_report([], receiver, []))
    await asyncio.sleep(operator.behaviour.answer_delay(entry.sid))
    return await answer(operator, request, trouble, _report([int(entry.sid)], receiver, [entry]), status=200)


def _check(asked: Mapping[str, Any]) -> None:
    if not (asked.get("sender") or asked.get("senderForResponse")):
        raise Refusal(400, 0, "A sender is required")
    if asked.get("coding") not in {"7bit", "8bit"} or asked.get("charset") != "UTF-8":
        raise Refusal(400, 0, "Wrong coding or charset")
    if not 1 <= int(asked.get("validityPeriod", 0)) <= 2880:
        raise Refusal(400, 0, "Wrong validity period")
    if len(asked.get("tag", "")) > 20:
        raise Refusal(400, 0, "Tag is too long")


def _as_form(asked: Mapping[str, Any], receiver: str, callback: str) -> dict[str, str]:
    return {
        "To": receiver,
        "Body": asked["message"],
        "From": asked.get("sender") or SHORT_NUMBER,
        "StatusCallback": callback,
        "ValidityPeriod": str(int(asked["validityPeriod"]) * 60),
    }


def _report(ids: list[int], receiver: str, taken: list[Entry]) -> dict[str, Any]:
    return {
        "ids": ids,
        "invalidReceivers": [] if ids else [receiver],
        "totalCreditsRemoved": sum(entry.segments for entry in taken),
        "validReceivers": [receiver] if ids else [],
    }


async def _list(request: web.Request) -> web.Response:
    """Numbers of what waits, of what was sent, or of what people wrote."""
    operator, kind, asked = request.app[OVH], request.match_info["kind"], request.query
    since = (
        datetime.fromisoformat(asked["creationDatetime.from"]).timestamp() if "creationDatetime.from" in asked else 0
    )
    direction = "inbound" if kind == "incoming" else "outbound-api"
    until = time.time() - operator.behaviour.list_lag
    held = operator.ledger.search(
        since=since,
        until=until,
        direction=direction,
        attempt_uuid=asked.get("tag", ""),
        recipient=asked.get("receiver", ""),
    )
    return web.json_response([int(entry.sid) for entry in held if kind == "incoming" or _is_of(kind, entry)])


def _is_of(kind: str, entry: Entry) -> bool:
    return (entry.status in WAITING) == (kind == "jobs")


async def _get_one(request: web.Request) -> web.Response:
    kind, number = request.match_info["kind"], request.match_info["id"]
    entry = request.app[OVH].ledger.get(number)
    if entry is None or (kind == "incoming") != (entry.direction == "inbound"):
        raise Refusal(404, 0, "The requested object does not exist")
    if kind == "incoming":
        return web.json_response(
            {
                "id": int(entry.sid),
                "creationDatetime": _moment(entry.accepted_at),
                "credits": 0,
                "message": entry.body,
                "sender": entry.sender,
                "tag": "",
            }
        )
    if not _is_of(kind, entry):
        raise Refusal(404, 0, "The requested object does not exist")
    return web.json_response(_message_json(entry))


async def _get_refusal(request: web.Request) -> web.Response:
    """Somebody who wrote STOP."""
    number = request.match_info["number"]
    if number not in request.app[OVH].stopped:
        raise Refusal(404, 0, "The requested object does not exist")
    return web.json_response({"number": number, "dateCreation": _moment(time.time())})


def make_ovh_app(config: OperatorConfig, account: OvhAccount) -> web.Application:
    """``config.account_sid`` is the service's name."""
    operator = OvhOperator(config, account)
    kinds = "{kind:jobs|outgoing|incoming}"
    routes = [
        web.get("/1.0/auth/time", _time),
        web.get(SERVICE, _service),
        web.post(f"{SERVICE}/jobs", _create_job),
        web.get(f"{SERVICE}/blacklists/{{number}}", _get_refusal),
        web.get(f"{SERVICE}/{kinds}", _list),
        web.get(f"{SERVICE}/{kinds}/{{id}}", _get_one),
    ]
    app = make_operator_app(operator, routes, _speak_ovh)
    app[OVH] = operator
    return app
