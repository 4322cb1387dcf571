"""The simulated operator and mail server on real sockets, for tests that want the wire."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from outreach.simulator.behaviour import Behaviour
from outreach.simulator.operator import OperatorConfig
from outreach.simulator.operator_api import make_app
from outreach.simulator.operator_ovh import OvhAccount, make_ovh_app
from tests.outreach.twilio_description import Reader

ACCOUNT, TOKEN = "AC00000000000000000000000000000001", "tests-token"


@dataclass
class RunningOperator:
    url: str
    reader: Reader = field(default_factory=Reader)

    def ledger(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/__ledger__?messages=1", timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, **values: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}{path}", json.dumps(values).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body else None


@contextmanager
def running_operator(ledger: Path, *, inbound_url: str = "", **behaviour: Any) -> Iterator[RunningOperator]:
    """Whatever the two sides say is held to Twilio's description of its API."""
    config = OperatorConfig(ledger, ACCOUNT, TOKEN, inbound_url, Behaviour(**behaviour))
    reader = Reader()
    with running_app(lambda: reader.watch(make_app(config))) as url:
        yield RunningOperator(url, reader)
    assert not reader.problems, reader.problems[:5]


OVH_ACCESS = {
    "application_key": "tests-key",
    "application_secret": "tests-secret-of-the-application",
    "consumer_key": "tests-consumer-key",
    "service_name": "sms-ab12345-1",
}


@contextmanager
def running_ovh(
    ledger: Path, *, callback_url: str = "", credits_left: float = 1e6, **behaviour: Any
) -> Iterator[RunningOperator]:
    access = {name: OVH_ACCESS[name] for name in ("application_key", "application_secret", "consumer_key")}
    account = OvhAccount(**access, callback_url=callback_url, credits_left=credits_left)
    config = OperatorConfig(ledger, OVH_ACCESS["service_name"], "", "", Behaviour(**behaviour))
    with running_app(lambda: make_ovh_app(config, account)) as url:
        yield RunningOperator(url)


@contextmanager
def running_app(make: Any) -> Iterator[str]:
    """Serve an aiohttp application from a thread of its own; its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        runner = web.AppRunner(make(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def raw_server(answer: Any) -> Iterator[str]:
    """A server that does whatever ``answer(reader, writer)`` does: half answers, silence, slow drips."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(answer, "127.0.0.1", 0)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
