import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured

from outreach.channels import sms_ovh
from outreach.channels.ovh_http import Refused, sign
from outreach.channels.ports import OutgoingMessage, SendOutcome
from outreach.channels.sms_ovh import OvhGateway, tag_of
from outreach.enums import AttemptStatus
from tests.outreach.gateway_contract import OperatorContract
from tests.outreach.local_servers import OVH_ACCESS, RunningOperator, raw_server, running_ovh
from tests.outreach.test_sms_twilio import _answers, _drip

BASE = OvhGateway(api_url="http://127.0.0.1:9/1.0", **OVH_ACCESS)


def make_message(**values: Any) -> OutgoingMessage:
    return OutgoingMessage(**{"attempt_uuid": uuid4(), "destination": "+33639980001", "body": "Bonjour", **values})


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[RunningOperator]:
    with running_ovh(tmp_path / "ledger.sqlite", receipt_delay=30) as running:
        yield running


@pytest.fixture
def gateway(operator: RunningOperator) -> OvhGateway:
    return replace(BASE, api_url=f"{operator.url}/1.0")


class TestOvhGateway(OperatorContract):
    destination = "+33639980001"
    refused_destination = "+33468000000"
    throttled_code = "HTTP 429"

    def test_what_travels_with_a_message(self, gateway: OvhGateway, operator: RunningOperator) -> None:
        message = self.message(body="L’été « 1 €  » 🙂")
        result = gateway.send(message)
        [entry] = operator.ledger()["messages"]
        assert (entry["body"], entry["attempt_uuid"]) == (message.body, tag_of(message.attempt_uuid))
        assert (entry["validity_seconds"], entry["sid"]) == (1800, result.provider_ref)

    @pytest.mark.parametrize(("left", "asked"), [(90, 60), (7200, 1800), (0, 60), (299, 240)])
    def test_validity_is_whole_minutes_within_the_window(
        self, gateway: OvhGateway, operator: RunningOperator, left: int, asked: int
    ) -> None:
        gateway.send(make_message(valid_seconds=left))
        assert operator.ledger()["messages"][0]["validity_seconds"] == asked

    def test_why_a_receiver_is_not_taken(self, gateway: OvhGateway, operator: RunningOperator) -> None:
        assert gateway.send(make_message(destination="+33468000000")).error_code == "OVH-INVALID"
        operator.post("/__inbound__", **{"from": "+33639980001", "body": "STOP"})
        assert gateway.send(make_message()).error_code == "OVH-STOP"

    def test_what_people_answer_is_listed(self, gateway: OvhGateway, operator: RunningOperator) -> None:
        operator.post("/__inbound__", **{"from": "+33639980001", "body": "STOP"})
        [written] = gateway.list_inbound(max_age_seconds=60).messages
        assert (written.sender, written.body) == ("+33639980001", "STOP")
        assert not gateway.list_inbound(max_age_seconds=-3600).messages
        assert not replace(gateway, sender="Caf").list_inbound(max_age_seconds=60).is_answered

    def test_only_what_is_not_known_is_read(self, gateway: OvhGateway, operator: RunningOperator) -> None:
        for number in range(3):
            operator.post("/__inbound__", **{"from": f"+3363998000{number}", "body": f"STOP {number}"})
        first, *others = gateway.list_inbound(max_age_seconds=60).messages
        read: list[str] = []
        gateway._read_written = lambda number: read.append(number) or []  # type: ignore[method-assign,func-returns-value]
        gateway.list_inbound(max_age_seconds=60, known=lambda numbers: {first.provider_ref})
        assert sorted(read) == sorted(one.provider_ref for one in others)

    def test_an_answer_that_cannot_be_read_hides_no_other(self, gateway: OvhGateway, operator: RunningOperator) -> None:
        for number in range(3):
            operator.post("/__inbound__", **{"from": f"+3363998000{number}", "body": f"STOP {number}"})
        spoilt, *others = gateway.list_inbound(max_age_seconds=60).messages
        read = gateway._read

        def spoil(kind: str, key: object) -> Any:
            if key == spoilt.provider_ref:
                raise Refused(500, None)
            return read(kind, key)

        gateway._read = spoil  # type: ignore[method-assign]
        answer = gateway.list_inbound(max_age_seconds=60)
        assert (answer.is_answered, answer.is_whole, list(answer.messages)) == (True, False, others)

    def test_many_answers_are_read_in_several_times(
        self, gateway: OvhGateway, operator: RunningOperator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sms_ovh, "READ_TOGETHER", 2)
        clock = count(step=15)
        monkeypatch.setattr(sms_ovh, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
        for number in range(5):
            operator.post("/__inbound__", **{"from": f"+3363998000{number}", "body": f"{number}"})
        kept: set[str] = set()
        for is_whole, number in ((False, 2), (False, 2), (True, 1)):
            answer = gateway.list_inbound(max_age_seconds=60, known=kept.intersection)
            assert (answer.is_whole, len(answer.messages)) == (is_whole, number)
            kept |= {one.provider_ref for one in answer.messages}
        assert len(kept) == 5

    def test_a_wrong_secret_alerts_and_loses_nobody(self, gateway: OvhGateway) -> None:
        result = replace(gateway, application_secret="wrong").send(make_message())
        assert (result.outcome, result.error_code, result.is_alert) == (SendOutcome.RETRY, "HTTP 403", True)

    def test_a_clock_that_moved_is_read_again_after_one_refusal(
        self, gateway: OvhGateway, operator: RunningOperator
    ) -> None:
        gateway.send(make_message())
        gateway._api._clock_delta = -3600.0
        assert gateway.send(make_message()).outcome is SendOutcome.RETRY
        assert gateway.send(make_message()).outcome is SendOutcome.ACCEPTED
        assert operator.ledger()["count"] == 2

    def test_ready_with_credits_only(self, tmp_path: Path, gateway: OvhGateway) -> None:
        assert gateway.is_ready()
        with running_ovh(tmp_path / "poor.sqlite", credits_left=0) as poor:
            assert not replace(gateway, api_url=f"{poor.url}/1.0").is_ready()

    def test_no_secret_in_its_representation(self, gateway: OvhGateway) -> None:
        assert not any(OVH_ACCESS[name] in repr(gateway) for name in ("application_secret", "consumer_key"))


def test_what_became_of_a_message(tmp_path: Path) -> None:
    with running_ovh(tmp_path / "l.sqlite", delivered=0, switched_off=1, receipt_delay=0) as operator:
        gateway = replace(BASE, api_url=f"{operator.url}/1.0")
        message = make_message()
        sent = gateway.send(message)
        while not operator.ledger()["statuses"].get("undelivered"):
            continue
        [found] = gateway.fetch_status(sent.provider_ref).found
        assert (found.word, found.error_code) == ("undelivered", "OVH-24")
        assert gateway.look_up(message, max_age_seconds=60).found == (found,)


def test_a_message_that_waits_is_found_without_its_tag(gateway: OvhGateway) -> None:
    message = make_message()
    sent = gateway.send(message)
    [found] = gateway.look_up(message, max_age_seconds=60).found
    assert (found.provider_ref, found.status) == (sent.provider_ref, AttemptStatus.SUBMITTED)
    other = gateway.look_up(make_message(body="Autre"), max_age_seconds=60)
    assert (other.is_answered, other.found) == (False, ()), "it may be ours, written differently since"


def test_too_many_waiting_messages_prove_nothing(gateway: OvhGateway) -> None:
    for n in range(51):
        gateway.send(make_message(destination=f"+336399801{n:02}"))
    assert not gateway.look_up(make_message(), max_age_seconds=60).is_answered


def test_nobody_listens() -> None:
    result = BASE.send(make_message())
    assert (result.outcome, result.is_alert) == (SendOutcome.RETRY, True)
    assert not BASE.look_up(make_message(), max_age_seconds=60).is_answered
    assert not BASE.fetch_status("1").is_answered
    assert not BASE.list_inbound(max_age_seconds=60).is_answered
    assert not BASE.is_ready()


def test_one_deadline_for_the_whole_request() -> None:
    with raw_server(_drip) as url:
        gateway = replace(BASE, api_url=f"{url}/1.0", deadline_seconds=0.3)
        gateway._api._clock_delta = 0.0
        assert gateway.send(make_message()).outcome is SendOutcome.UNKNOWN


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "{}", "<html", '{"ids": []}', '{"ids": [], "invalidReceivers": []}', '{"ids": null}']
)
def test_unreadable_answers_are_unknown(body: str) -> None:
    raw = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    with raw_server(_answers(raw)) as url:
        gateway = replace(BASE, api_url=f"{url}/1.0", deadline_seconds=2)
        gateway._api._clock_delta = 0.0
        assert gateway.send(make_message()).outcome is SendOutcome.UNKNOWN


def test_the_signature_is_that_of_the_guide() -> None:
    """Made once with coreutils' sha1sum from the string that OVHcloud's guide describes."""
    body = json.dumps({"message": "é"})
    signed = sign(
        "EgWIz07P0HYwtQDs", "MtSwSrPpNjqfVSmJhLbPyr2i45lSwPU1", "POST", "https://eu.api.ovh.com/1.0/sms", body, "1"
    )
    assert signed == "$1$bd41f178b10f2a5c4d1d54c8426fe84f1cb0e9b1"


@pytest.mark.parametrize("name", ["application_key", "application_secret", "consumer_key", "service_name"])
def test_missing_settings_are_named(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"OVH_{name.upper()}"):
        replace(BASE, **{name: ""})


def test_a_real_address_is_refused_outside_production() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"eu\.api\.ovh\.com"):
        replace(BASE, api_url="https://eu.api.ovh.com/1.0")


def test_a_name_that_takes_too_long_to_resolve_is_no_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No timeout counts it: the request would leave after its deadline, and its answer would not be waited for."""
    resolve, slowly = socket.getaddrinfo, threading.Event()

    def resolve_slowly(*args: Any, **options: Any) -> Any:
        slowly.wait(0.3)
        return resolve(*args, **options)

    with running_ovh(tmp_path / "l.sqlite") as operator:
        gateway = replace(BASE, api_url=f"{operator.url}/1.0", deadline_seconds=0.2)
        gateway._api._clock_delta = 0.0
        monkeypatch.setattr(socket, "getaddrinfo", resolve_slowly)
        result = gateway.send(make_message())
        monkeypatch.undo()
        assert (result.outcome, result.error_code) == (SendOutcome.RETRY, "ConnectTimeoutError")
        assert operator.ledger()["count"] == 0


SENT = {"creationDatetime", "credits", "deliveredAt", "deliveryReceipt", "differedDelivery", "id", "message",
        "messageLength", "numberOfSms", "ptt", "receiver", "sender", "sentAt"}  # fmt: skip
ASKED = {"charset", "class", "coding", "differedPeriod", "message", "noStopClause", "priority", "receivers",
         "receiversDocumentUrl", "receiversSlotId", "sender", "senderForResponse", "tag", "validityPeriod"}  # fmt: skip


def test_what_is_said_is_what_the_schema_says(gateway: OvhGateway, operator: RunningOperator) -> None:
    """Names read in clients generated from OVHcloud's ``https://eu.api.ovh.com/1.0/sms.json``: sms.Job, sms.Incoming,
    sms.Blacklist, sms.SmsSendingReport, parameters of ``POST /jobs``."""
    message = make_message()
    assert set(gateway._job(message)) <= ASKED
    assert set(replace(gateway, sender="Caf")._job(message)) <= ASKED
    report = gateway._api.post(f"{gateway._service}/jobs", gateway._job(message))
    assert set(report) == {"ids", "invalidReceivers", "totalCreditsRemoved", "validReceivers"}
    operator.post("/__inbound__", **{"from": "+33639980001", "body": "STOP"})
    [held] = gateway._api.get(f"{gateway._service}/incoming")
    shapes = {
        f"jobs/{report['ids'][0]}": SENT,
        f"incoming/{held}": {"creationDatetime", "credits", "id", "message", "sender", "tag"},
        "blacklists/%2B33639980001": {"dateCreation", "number"},
    }
    for path, names in shapes.items():
        assert set(gateway._api.get(f"{gateway._service}/{path}")) == names, path
