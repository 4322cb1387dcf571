"""What both faces of the simulated operator share: the troubles of a request, and what tests and the demo ask of it."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime

from aiohttp import web
from aiohttp.typedefs import Middleware

from outreach.simulator.behaviour import Behaviour
from outreach.simulator.operator import Operator, Refusal
from outreach.simulator.operator_ledger import as_json

OPERATOR = web.AppKey("operator", Operator)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DRIP_PAUSE = 0.05


async def fail_before(operator: Operator, request: web.Request, trouble: str, recipient: str) -> None:
    """The troubles that come before anything is taken: raises ``Refusal``."""
    if trouble == "throttled":
        await operator.commits.refuse(20429, recipient)
        raise Refusal(429, 20429, "Too Many Requests", retry_after=operator.behaviour.retry_after)
    if trouble == "reset_before" and request.transport:
        request.transport.abort()
    if trouble in {"error_before", "reset_before"}:
        raise Refusal(500, 20500, "An internal server error has occurred")


async def answer(
    operator: Operator, request: web.Request, trouble: str, body: object, *, status: int
) -> web.StreamResponse:
    """The answer about what was taken, or the trouble that keeps it from us."""
    if trouble == "error_after":
        raise Refusal(500, 20500, "An internal server error has occurred")
    if trouble == "reset_after" and request.transport:
        request.transport.abort()
    if trouble == "slow_drip":
        return await _drip(request, json.dumps(body).encode(), status, operator.behaviour.drip_seconds)
    return web.json_response(body, status=status)


async def _drip(request: web.Request, body: bytes, status: int, seconds: float) -> web.StreamResponse:
    """A byte at a time: each read of ours succeeds, the whole comes too late."""
    slow = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
    slow.content_length = len(body)
    pause = max(DRIP_PAUSE, seconds / len(body))
    try:
        await slow.prepare(request)
        for byte in body:
            await slow.write(bytes([byte]))
            await asyncio.sleep(pause)
    except ConnectionError:
        return slow
    return slow


async def _ledger(request: web.Request) -> web.StreamResponse:
    """What a judge reads; with ?messages=1 every message as well."""
    operator = request.app[OPERATOR]
    answer = {
        **operator.ledger.summary(),
        "callbacks": dict(operator.postman.counts),
        "mischief": dict(operator.mischief),
    }
    if request.query.get("messages"):
        answer["messages"] = [as_json(entry) for entry in operator.ledger.search()]
    return web.json_response(answer)


async def _inbound(request: web.Request) -> web.StreamResponse:
    """A person writes: {"from", "body", "to"?}."""
    asked = await request.json()
    entry = await request.app[OPERATOR].hear(sender=asked["from"], recipient=asked.get("to", ""), text=asked["body"])
    return web.json_response({"sid": entry.sid}, status=201)


async def _clock(request: web.Request) -> web.StreamResponse:
    """Tell the application's clock: {"now": ISO instant}. It is only written beside the real one."""
    now = datetime.fromisoformat((await request.json())["now"])
    request.app[OPERATOR].clock_shift = now.timestamp() - time.time()
    return web.Response(status=204)


async def _behave(request: web.Request) -> web.StreamResponse:
    """Change some shares while it runs: {"throttled": 0.02, …}."""
    operator = request.app[OPERATOR]
    asked = await request.json()
    unknown = set(asked) - {f.name for f in fields(Behaviour)}
    if unknown:
        raise Refusal(400, 20001, f"Unknown behaviour: {', '.join(sorted(unknown))}")
    operator.behaviour = replace(operator.behaviour, **asked)
    return web.Response(status=204)


async def _script(request: web.Request) -> web.Response:
    """What goes wrong with the next requests for a person: {"to", "troubles": ["throttled", "", …]}."""
    asked = await request.json()
    request.app[OPERATOR].scripts[asked["to"]] = deque(asked["troubles"])
    return web.Response(status=204)


async def _storm(request: web.Request) -> web.Response:
    """Everybody who was sent something writes at once: {"text"?}."""
    asked = await request.json()
    return web.json_response({"count": await request.app[OPERATOR].storm(asked.get("text", ""))}, status=201)


def make_operator_app(operator: Operator, routes: Sequence[web.RouteDef], speak: Middleware) -> web.Application:
    """``speak``: turns a ``Refusal`` into an error of this operator's."""
    app = web.Application(middlewares=[speak])
    app[OPERATOR] = operator
    app.on_startup.append(operator.start)
    app.on_cleanup.append(operator.stop)
    app.add_routes(
        [
            *routes,
            web.get("/__ledger__", _ledger),
            web.post("/__inbound__", _inbound),
            web.post("/__clock__", _clock),
            web.post("/__behaviour__", _behave),
            web.post("/__script__", _script),
            web.post("/__storm__", _storm),
        ]
    )
    return app
