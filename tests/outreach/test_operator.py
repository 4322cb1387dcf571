import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from outreach.channels.ports import OutgoingMessage, SendOutcome
from outreach.channels.sms_twilio import TwilioGateway
from outreach.channels.twilio_http import PooledTransport
from outreach.simulator.behaviour import Behaviour, count_segments
from outreach.simulator.operator_ledger import Ledger
from tests.outreach.local_servers import ACCOUNT, TOKEN, running_app, running_operator
from tests.outreach.test_sms_twilio import BASE, SERVICE

QUICK = {"receipt_delay": 0.001, "reply_delay": 0.001}


class Listener:
    """Our side of the callbacks: keeps each form that is properly signed. ``refusals``: 500s to give first."""

    def __init__(self) -> None:
        self.url = ""
        self.forms: list[dict[str, str]] = []
        self.refusals = 0
        self._news = threading.Condition()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/{rest:.*}", self._hear)
        return app

    async def _hear(self, request: web.Request) -> web.Response:
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=500)
        form = dict(parse_qsl(await request.text(), keep_blank_values=True))
        signature = request.headers["X-Twilio-Signature"]
        if not RequestValidator(TOKEN).validate(f"{self.url}{request.path}", form, signature):
            return web.Response(status=403)
        with self._news:
            self.forms.append({**form, "path": request.path})
            self._news.notify_all()
        return web.Response(status=204)

    def wait_for(self, is_done: Callable[[list[dict[str, str]]], bool]) -> list[dict[str, str]]:
        with self._news:
            assert self._news.wait_for(lambda: is_done(self.forms), timeout=20), self.forms
        return list(self.forms)


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener()
    with running_app(heard.app) as url:
        heard.url = url
        yield heard


def send(url: str, listener_url: str, to: str = "+33639980001", **gateway: Any) -> Any:
    chosen = replace(BASE, api_url=url, callback_base_url=listener_url, **gateway)
    return chosen.send(OutgoingMessage(uuid4(), to, "Bonjour"))


def words(forms: list[dict[str, str]]) -> list[str]:
    return [form["MessageStatus"] for form in forms if "MessageStatus" in form]


def test_receipts_come_signed_and_in_order(tmp_path: Path, listener: Listener) -> None:
    with running_operator(tmp_path / "l.sqlite", delivered=1, stop=0, reply=0, **QUICK) as operator:
        sent = send(operator.url, listener.url)
        forms = listener.wait_for(lambda forms: len(forms) == 2)
    assert words(forms) == ["sent", "delivered"]
    assert {form["MessageSid"] for form in forms} == {sent.provider_ref}
    assert all(form["path"].startswith("/operateur/twilio/etat/") for form in forms)


def test_a_messaging_service_queues_first(tmp_path: Path, listener: Listener) -> None:
    with running_operator(tmp_path / "l.sqlite", delivered=1, stop=0, reply=0, **QUICK) as operator:
        send(operator.url, listener.url, messaging_service_sid=SERVICE)
        assert words(listener.wait_for(lambda forms: len(forms) == 3)) == ["queued", "sent", "delivered"]


def test_a_callback_that_fails_is_made_again(tmp_path: Path, listener: Listener) -> None:
    listener.refusals = 1
    with running_operator(tmp_path / "l.sqlite", delivered=1, stop=0, reply=0, **QUICK) as operator:
        send(operator.url, listener.url)
        assert words(listener.wait_for(lambda forms: len(forms) == 2)) == ["sent", "delivered"]
        assert operator.ledger()["callbacks"]["retried"] == 1


def test_a_person_who_wrote_stop_is_not_sent_anything_more(tmp_path: Path, listener: Listener) -> None:
    ledger = tmp_path / "l.sqlite"
    with running_operator(ledger, inbound_url=f"{listener.url}/entrant/", delivered=1, stop=1, **QUICK) as operator:
        assert send(operator.url, listener.url).outcome is SendOutcome.ACCEPTED
        [inbound] = [f for f in listener.wait_for(lambda forms: any("Body" in f for f in forms)) if "Body" in f]
        assert inbound["From"] == "+33639980001"
        refused = send(operator.url, listener.url)
        assert (refused.outcome, refused.error_code) == (SendOutcome.REFUSED, "21610")
    with running_operator(ledger, delivered=1, stop=1, **QUICK) as operator:
        assert send(operator.url, listener.url).error_code == "21610"
        assert operator.ledger()["refusals"] == {"21610": 2}


def test_people_can_be_made_to_write(tmp_path: Path, listener: Listener) -> None:
    with running_operator(tmp_path / "l.sqlite", inbound_url=f"{listener.url}/entrant/") as operator:
        operator.post("/__inbound__", **{"from": "+33639980009", "body": "Arrêtez 🙂"})
        [form] = listener.wait_for(lambda forms: len(forms) == 1)
    assert (form["From"], form["Body"]) == ("+33639980009", "Arrêtez 🙂")


def test_the_ledger_tells_doubles(tmp_path: Path) -> None:
    with running_operator(tmp_path / "l.sqlite", receipt_delay=30) as operator:
        gateway = replace(BASE, api_url=operator.url)
        message = OutgoingMessage(uuid4(), "+33639980001", "Bonjour")
        for sent in (message, message, replace(message, attempt_uuid=uuid4())):
            gateway.send(sent)
        ledger = operator.ledger()
    assert (ledger["count"], ledger["duplicate_attempts"], ledger["duplicate_texts"]) == (3, 1, 2)


def test_the_application_clock_is_written_beside_the_real_one(tmp_path: Path) -> None:
    with running_operator(tmp_path / "l.sqlite", receipt_delay=30) as operator:
        moved = datetime(2031, 3, 3, 10, 30, tzinfo=UTC)
        operator.post("/__clock__", now=moved.isoformat())
        send(operator.url, "http://127.0.0.1:9")
        [entry] = operator.ledger()["messages"]
    assert abs(entry["application_at"] - moved.timestamp()) < 60
    assert abs(entry["accepted_at"] - time.time()) < 60


def test_pages_and_dates(tmp_path: Path) -> None:
    with running_operator(tmp_path / "l.sqlite", receipt_delay=30) as operator:
        references = {send(operator.url, "http://127.0.0.1:9").provider_ref for _ in range(7)}
        transport = PooledTransport(operator.url, connections=1, deadline_seconds=5)
        messages = Client(ACCOUNT, TOKEN, http_client=transport).messages
        assert {found.sid for found in messages.list(to="+33639980001", page_size=3)} == references
        assert messages.list(to="+33639980002") == []
        assert messages(references.pop()).fetch().body == "Bonjour"
        now = datetime.now(UTC)
        assert len(messages.list(date_sent_after=now - timedelta(days=1))) == 7
        assert len(messages.list(date_sent=now.date())) == 7
        assert messages.list(date_sent_before=now - timedelta(days=3)) == []


def test_the_same_seed_gives_the_same_fates() -> None:
    one, same, other = Behaviour(seed="a"), Behaviour(seed="a"), Behaviour(seed="b")
    numbers = [f"+3363998{n:04}" for n in range(2000)]

    def fates(behaviour: Behaviour) -> list[str]:
        return [behaviour.fate(sid=f"SM{to}", to=to, is_queued_first=False)[-1].status for to in numbers]

    assert fates(one) == fates(same) != fates(other)
    assert 0.93 < fates(one).count("delivered") / len(numbers) < 0.97


@pytest.mark.parametrize("share", ["throttled", "error_before", "error_after", "reset_after"])
def test_troubles_come_at_their_rate(share: str) -> None:
    behaviour = Behaviour(**{share: 0.1})
    troubles = [behaviour.trouble(uuid=str(n), call=1) for n in range(5000)]
    assert set(troubles) == {"", share}
    assert 0.08 < troubles.count(share) / 5000 < 0.12


@pytest.mark.parametrize(
    ("body", "segments"),
    [("a" * 160, 1), ("a" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("’" * 70, 1), ("’" * 71, 2), ("🙂" * 36, 2)],
)
def test_segments(body: str, segments: int) -> None:
    assert count_segments(body) == segments


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_process(ledger: Path, port: int) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "PUBLIC_BASE_URL": ""}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings.dev"
    command = [sys.executable, "manage.py", "operator", "--port", str(port), "--ledger", str(ledger), "--inbound-url="]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)) and time.monotonic() < deadline:
            select.select([], [], [], 0.05)
    return process


@pytest.mark.fault
def test_what_was_answered_survives_kill_9(tmp_path: Path, port: int) -> None:
    ledger = tmp_path / "l.sqlite"
    gateway: TwilioGateway = replace(BASE, api_url=f"http://127.0.0.1:{port}", deadline_seconds=5)
    answered: set[str] = set()
    kills = 0
    for _ in range(3):
        process = start_process(ledger, port)
        with ThreadPoolExecutor(8) as pool:
            calls = [
                pool.submit(gateway.send, OutgoingMessage(uuid4(), f"+3363998{n:04}", "Bonjour")) for n in range(400)
            ]
            while sum(call.done() for call in calls) < 100:
                next(call for call in calls if not call.done()).result()
            process.send_signal(signal.SIGKILL)
            kills += 1
            process.wait(10)
            results = [call.result() for call in calls]
        answered |= {result.provider_ref for result in results if result.outcome is SendOutcome.ACCEPTED}
    book = Ledger(ledger)
    held = {entry.sid for entry in book.search()}
    book.close()
    assert kills == 3
    assert len(answered) >= 300
    assert answered <= held
