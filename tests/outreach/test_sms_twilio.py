import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from outreach.channels.lean_http import LeanPool, NotConnected
from outreach.channels.ports import LookUpResult, OutgoingMessage, SendOutcome
from outreach.channels.sms_twilio import TwilioGateway
from outreach.enums import AttemptStatus
from tests.outreach.gateway_contract import OperatorContract
from tests.outreach.local_servers import ACCOUNT, TOKEN, RunningOperator, raw_server, running_operator

SERVICE = "MG00000000000000000000000000000001"
BASE = TwilioGateway(
    api_url="http://127.0.0.1:9",
    account_sid=ACCOUNT,
    auth_token=TOKEN,
    callback_base_url="http://127.0.0.1:9",
    sender="+33700000001",
)


def make_message(**values: Any) -> OutgoingMessage:
    return OutgoingMessage(**{"attempt_uuid": uuid4(), "destination": "+33639980001", "body": "Bonjour", **values})


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[RunningOperator]:
    with running_operator(tmp_path / "ledger.sqlite", receipt_delay=30) as running:
        yield running


@pytest.fixture
def gateway(operator: RunningOperator) -> TwilioGateway:
    return replace(BASE, api_url=operator.url)


class TestTwilioGateway(OperatorContract):
    destination = "+33639980001"
    refused_destination = "+33468000000"
    throttled_code = "20429"

    def test_what_travels_with_a_message(self, gateway: TwilioGateway, operator: RunningOperator) -> None:
        message = self.message(body="L’été « 1 €  » 🙂")
        result = gateway.send(message)
        [entry] = operator.ledger()["messages"]
        assert entry["body"] == message.body
        assert entry["attempt_uuid"] == str(message.attempt_uuid)
        assert entry["callback"] == f"http://127.0.0.1:9/operateur/twilio/etat/{message.attempt_uuid}/"
        assert entry["validity_seconds"] == 1800
        assert (entry["sender"], entry["sid"]) == ("+33700000001", result.provider_ref)

    @pytest.mark.parametrize(("left", "asked"), [(90, 90), (7200, 1800), (0, 1)])
    def test_validity_never_outlives_the_window(
        self, gateway: TwilioGateway, operator: RunningOperator, left: int, asked: int
    ) -> None:
        gateway.send(make_message(valid_seconds=left))
        assert operator.ledger()["messages"][0]["validity_seconds"] == asked

    def test_a_messaging_service_replaces_the_sender(self, gateway: TwilioGateway, operator: RunningOperator) -> None:
        message = make_message()
        service = replace(gateway, messaging_service_sid=SERVICE, sender="")
        assert service.send(message).outcome is SendOutcome.ACCEPTED
        assert operator.ledger()["messages"][0]["service_sid"] == SERVICE
        assert service.look_up(message, max_age_seconds=60).found

    def test_look_up_leaves_out_what_is_too_old(self, gateway: TwilioGateway) -> None:
        message = make_message()
        gateway.send(message)
        assert gateway.look_up(message, max_age_seconds=0).found
        assert not gateway.look_up(message, max_age_seconds=-3600).found

    def test_what_people_wrote_is_listed(self, gateway: TwilioGateway, operator: RunningOperator) -> None:
        for recipient in (gateway.sender, "+33700000002"):
            operator.post("/__inbound__", **{"from": "+33639980001", "to": recipient, "body": "STOP"})
        [written] = gateway.list_inbound(max_age_seconds=60).messages
        assert (written.sender, written.body) == ("+33639980001", "STOP")
        assert "+33639980001" not in repr(written)
        assert len(replace(gateway, messaging_service_sid=SERVICE).list_inbound(max_age_seconds=60).messages) == 2
        assert not gateway.list_inbound(max_age_seconds=-3600).messages

    def test_a_wrong_token_alerts_and_loses_nobody(self, gateway: TwilioGateway) -> None:
        result = replace(gateway, auth_token="wrong").send(make_message())
        assert (result.outcome, result.error_code, result.is_alert) == (SendOutcome.RETRY, "20003", True)

    def test_invalid_number(self, gateway: TwilioGateway) -> None:
        assert gateway.send(make_message(destination="+3361")).error_code == "21211"


def test_nobody_listens() -> None:
    result = BASE.send(make_message())
    assert (result.outcome, result.is_alert) == (SendOutcome.RETRY, True)
    assert not BASE.look_up(make_message(), max_age_seconds=60).is_answered
    assert not BASE.fetch_status("SM1").is_answered
    assert not BASE.list_inbound(max_age_seconds=60).is_answered


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte at a time: each read succeeds, the whole never ends."""
    await reader.readuntil(b"\r\n\r\n")
    try:
        for byte in b"HTTP/1.1 201 Created\r\nX-Slow: " + b"z" * 1000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.02)
    except ConnectionError:
        return


def _answers(raw: bytes) -> Any:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    return answer


def test_one_deadline_for_the_whole_request() -> None:
    with raw_server(_drip) as url:
        began = time.monotonic()
        result = replace(BASE, api_url=url, deadline_seconds=0.5).send(make_message())
        assert result.outcome is SendOutcome.UNKNOWN
        assert time.monotonic() - began < 3


def test_a_connection_that_came_after_the_deadline_is_told_nothing() -> None:
    """Its name took too long to resolve, say: the window, or the person, may have closed meanwhile."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    with raw_server(listen) as url, pytest.raises(NotConnected):
        LeanPool(url, deadline_seconds=-1).post("/Messages.json", b"", b"To=x")
    assert b"".join(heard) == b""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 201 Created\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nnull",
        b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n<html",
        b"HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"garbage\r\n\r\n",
    ],
)
def test_unreadable_answers_are_unknown(raw: bytes) -> None:
    with raw_server(_answers(raw)) as url:
        gateway = replace(BASE, api_url=url, deadline_seconds=2)
        assert gateway.send(make_message()).outcome is SendOutcome.UNKNOWN
        assert not gateway.look_up(make_message(), max_age_seconds=60).is_answered


def test_a_real_address_is_refused_outside_production(settings: Settings) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"api\.twilio\.com.*aucun envoi réel"):
        replace(BASE, api_url="https://api.twilio.com")
    settings.ALLOW_REAL_DESTINATIONS = True
    assert replace(BASE, api_url="https://api.twilio.com").api_url


@pytest.mark.parametrize("name", ["account_sid", "auth_token", "callback_base_url", "sender"])
def test_missing_settings_are_named(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="il manque"):
        replace(BASE, **{name: ""})


def test_from_settings() -> None:
    assert TwilioGateway.from_settings().sender == "+33600000001"


def test_found_messages_tell_their_state(gateway: TwilioGateway, operator: RunningOperator) -> None:
    message = make_message()
    gateway.send(message)
    [found] = gateway.look_up(message, max_age_seconds=60).found
    assert (found.status, found.segments) == (AttemptStatus.SUBMITTED, 1)


def test_every_exchange_obeys_the_official_description(gateway: TwilioGateway, operator: RunningOperator) -> None:
    """The fixtures hold every other test to it as well; this one says that there is something to read."""
    service = replace(gateway, messaging_service_sid=SERVICE, sender="", inbound_numbers=("+33700000001",))
    for one in (gateway, service, replace(gateway, sender="Caf 66", is_smart_encoded=True)):
        message = make_message(body="L’été à la Caf 🙂")
        one.fetch_status(one.send(message).provider_ref)
        one.look_up(message, max_age_seconds=60)
        one.list_inbound(max_age_seconds=60)
        one.is_ready()
    gateway.send(make_message(destination="+33468000000"))
    assert operator.reader.count >= 15
    assert not operator.reader.problems


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"To": "0612", "Body": "a", "From": "+33700000001"}, "parameter To cannot be"),
        ({"To": "+33639980001", "Body": "a"}, "a sender or a Messaging Service"),
        ({"To": "+33639980001", "Body": "a", "From": "Caf", "Validity": "3"}, "Validity does not exist"),
        ({"To": "+33639980001", "Body": "a", "From": "Caf", "ValidityPeriod": "99999"}, "ValidityPeriod cannot be"),
        ({"To": "+33639980001", "Body": "a", "MessagingServiceSid": "MG1"}, "MessagingServiceSid cannot be"),
    ],
)
def test_the_description_is_read_for_good(operator: RunningOperator, form: dict[str, str], problem: str) -> None:
    url = f"{operator.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    requests.post(url, form, auth=(ACCOUNT, TOKEN), timeout=10)
    assert any(problem in one for one in operator.reader.problems)
    operator.reader.problems.clear()


def test_each_of_our_numbers_is_read_for_answers(gateway: TwilioGateway, operator: RunningOperator) -> None:
    for number in range(4):
        operator.post("/__inbound__", **{"from": "+33639980001", "to": f"+3370000000{number}", "body": f"{number}"})
    service = replace(gateway, messaging_service_sid=SERVICE, inbound_numbers=("+33700000001", "+33700000003"))
    assert {one.body for one in service.list_inbound(max_age_seconds=60).messages} == {"1", "3"}
    assert not replace(gateway, sender="Caf").list_inbound(max_age_seconds=60).is_answered


def test_answers_are_read_page_after_page(
    gateway: TwilioGateway, operator: RunningOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outreach.channels.sms_twilio.INBOUND_PAGE", 3)
    for number in range(8):
        operator.post("/__inbound__", **{"from": "+33639980001", "to": gateway.sender, "body": f"{number}"})
    assert len(gateway.list_inbound(max_age_seconds=60).messages) == 8


def test_another_text_to_the_same_person_proves_nothing(gateway: TwilioGateway) -> None:
    """It may be ours: changed by the operator, or written differently since (public address, key of its link)."""
    message = make_message(body="L’été")
    assert gateway.look_up(message, max_age_seconds=60) == LookUpResult(is_answered=True)
    gateway.send(replace(message, body="L'été"))
    assert gateway.look_up(message, max_age_seconds=60) == LookUpResult(is_answered=False)


def test_a_list_that_lags_is_not_believed_at_once(gateway: TwilioGateway, operator: RunningOperator) -> None:
    operator.post("/__behaviour__", list_lag=30)
    message = make_message()
    sent = gateway.send(message)
    assert not gateway.look_up(message, max_age_seconds=60).found, "why one empty look-up is not enough"
    assert gateway.fetch_status(sent.provider_ref).found
