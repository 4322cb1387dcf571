"""Our requests are those of Twilio's client, byte for byte where it matters; our connections live and die well."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outreach.channels.lean_http import BrokenAnswer, HttpAnswer, LeanPool, NotConnected, TooLate
from outreach.channels.ports import GIVEN_BACK, OutgoingMessage, SendOutcome
from outreach.channels.sms_twilio import TwilioGateway
from tests.outreach.local_servers import ACCOUNT, TOKEN, raw_server

MESSAGE = OutgoingMessage(UUID(int=7), "+33639980001", "L’été « 1 € » 🙂 + & = %", valid_seconds=600)
CREATED = b'{"sid": "SM1", "num_segments": "2", "status": "queued"}'
HOP = {"host", "content-length", "connection", "accept-encoding"}


class Recorder:
    """Answers each request of a connection with ``answer`` and keeps what was asked."""

    def __init__(self, answer: bytes = b"", *, closes: bool = False) -> None:
        self.answer = answer or b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(CREATED), CREATED)
        self.closes = closes
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *lines = head.strip().split("\r\n")
                headers = {k.lower(): v for k, v in (one.split(": ", 1) for one in lines)}
                self.requests.append((line, headers, await reader.readexactly(int(headers["content-length"]))))
                writer.write(self.answer)
                await writer.drain()
                if self.closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


@contextmanager
def served(recorder: Recorder) -> Iterator[str]:
    with raw_server(recorder) as url:
        yield url


def make_gateway(url: str, **values: Any) -> TwilioGateway:
    given = {"account_sid": ACCOUNT, "auth_token": TOKEN, "callback_base_url": "https://caf.example", **values}
    return TwilioGateway(api_url=url, deadline_seconds=2, **{"sender": "+33700000001", **given})


@pytest.mark.parametrize("values", [{}, {"messaging_service_sid": "MG1", "is_smart_encoded": True}])
def test_the_request_is_that_of_the_official_client(values: dict[str, Any]) -> None:
    recorder = Recorder()
    with served(recorder) as url:
        gateway = make_gateway(url, **values)
        assert gateway.send(MESSAGE).provider_ref == "SM1"
        sender = {"messaging_service_sid": "MG1"} if values else {"from_": "+33700000001"}
        gateway._client.messages.create(
            to=MESSAGE.destination,
            body=MESSAGE.body,
            status_callback=f"https://caf.example/operateur/twilio/etat/{MESSAGE.attempt_uuid}/",
            validity_period=600,
            smart_encoded=bool(values),
            **sender,
        )
    (line, headers, body), (their_line, their_headers, their_body) = recorder.requests
    assert line == their_line == f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1"
    assert drop_hops(headers) == drop_hops(their_headers)
    assert sorted(body.split(b"&")) == sorted(their_body.split(b"&"))
    assert dict(parse_qsl(body.decode()))["Body"] == MESSAGE.body


def drop_hops(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in HOP}


def test_a_connection_serves_again() -> None:
    recorder = Recorder()
    with served(recorder) as url:
        gateway = make_gateway(url)
        assert {gateway.send(MESSAGE).outcome for _ in range(5)} == {SendOutcome.ACCEPTED}
    assert (len(recorder.requests), recorder.connections) == (5, 1)


def test_a_connection_closed_meanwhile_is_not_used() -> None:
    recorder = Recorder(closes=True)
    with served(recorder) as url:
        gateway = make_gateway(url)
        assert {gateway.send(MESSAGE).outcome for _ in range(3)} <= {SendOutcome.ACCEPTED, SendOutcome.UNKNOWN}
        assert len(recorder.requests) >= 2, "no request is ever sent twice"
        assert len({len(recorder.requests), recorder.connections}) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n%x;ext=1\r\n%s\r\n0\r\nTrailer: 1\r\n\r\n"
        % (len(CREATED), CREATED),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n%s" % (len(CREATED), CREATED),
        b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(CREATED), CREATED),
    ],
    ids=["chunked", "continue", "close"],
)
def test_ways_to_answer(answer: bytes) -> None:
    with served(Recorder(answer)) as url:
        result = make_gateway(url).send(MESSAGE)
    assert (result.outcome, result.provider_ref, result.segments) == (SendOutcome.ACCEPTED, "SM1", 2)


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    with served(Recorder(b"HTTP/1.1 201 Created\r\n\r\n" + CREATED, closes=True)) as url:
        assert make_gateway(url).send(MESSAGE).provider_ref == "SM1"


@settings(deadline=None, max_examples=60)
@given(
    noise=st.binary(max_size=200),
    head=st.sampled_from([b"", b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"]),
)
def test_noise_is_never_taken_for_an_answer(noise: bytes, head: bytes) -> None:
    with served(Recorder(head + noise, closes=True)) as url:
        pool = LeanPool(url, deadline_seconds=2)
        try:
            answer = pool.post("/", b"", b"")
        except (BrokenAnswer, OSError):
            return
    assert answer.status == 201


def test_one_deadline_for_chunks_that_drip() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1\r\n{\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            return

    with raw_server(drip) as url:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            LeanPool(url, deadline_seconds=0.3).post("/", b"", b"")
        assert time.monotonic() - began < 2


def test_nothing_is_said_to_an_operator_that_cannot_be_reached() -> None:
    with pytest.raises(NotConnected):
        LeanPool("http://127.0.0.1:9", deadline_seconds=1).post("/", b"", b"")


def test_a_connection_that_opens_too_late_says_nothing_and_serves_the_next() -> None:
    """Who refused, or pressed a stop button, while it was opening would not have been heard."""
    recorder = Recorder()
    with served(recorder) as url:
        gateway = make_gateway(url)
        assert gateway.send(replace(MESSAGE, leave_by=time.monotonic() - 0.001)) == GIVEN_BACK
        assert gateway.send(replace(MESSAGE, leave_by=time.monotonic() + 5)).outcome is SendOutcome.ACCEPTED
    assert (len(recorder.requests), recorder.connections) == (1, 1)


async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Does with each request what its body says."""
    whole = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(CREATED), CREATED)
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            match await reader.readexactly(5):
                case b"reset":
                    writer.transport.abort()
                case b"drips":
                    for byte in whole:
                        writer.write(bytes([byte]))
                        await writer.drain()
                        await asyncio.sleep(0.002)
                case b"mutes":
                    continue
                case b"wrong":
                    writer.write(b"SMTP/1.0 hello\r\n\r\n")
                case _:
                    writer.write(whole)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def keep_open(pool: LeanPool, number: int) -> None:
    for connection in [pool._open(time.monotonic() + 2) for _ in range(number)]:
        pool._keep(connection)


def test_requests_of_one_thread_do_not_wait_for_one_another() -> None:
    bodies = [b"mutes", b"drips", b"reset", b"wrong", b"plain", b"plain"]
    with raw_server(misbehave) as url:
        pool = LeanPool(url, deadline_seconds=1)
        keep_open(pool, 5)
        began = time.monotonic()
        told = list(pool.post_together("/", b"", [(body, inf) for body in bodies]))
        assert 0.9 < time.monotonic() - began < 3
        assert told[0] == (5, None), "no connection is left for the last"
        assert [place for place, _ in told[-2:]] == [1, 0], "the slow and the mute come last"
        answers = dict(told)
        assert all(isinstance(answers[place], HttpAnswer) for place in (1, 4))
        assert isinstance(answers[0], TimeoutError)
        assert all(isinstance(answers[place], BrokenAnswer | OSError) for place in (2, 3))
        again = dict(pool.post_together("/", b"", [(b"plain", inf)] * 3))
        assert [isinstance(again[place], HttpAnswer) for place in range(3)] == [True, True, False], "two serve again"


def test_what_would_leave_too_late_by_one_thread_is_not_said() -> None:
    recorder = Recorder()
    with served(recorder) as url:
        pool = LeanPool(url, deadline_seconds=1)
        keep_open(pool, 1)
        ((place, trouble),) = pool.post_together("/", b"", [(b"", time.monotonic() - 1)])
        assert (place, type(trouble)) == (0, TooLate)
        ((_, answer),) = pool.post_together("/", b"", [(b"", inf)])
        assert isinstance(answer, HttpAnswer)
    assert (len(recorder.requests), recorder.connections) == (1, 1)


def test_several_messages_are_told_apart() -> None:
    """By one thread as by several: each answer is that of its message, and a connection that must open goes alone."""
    messages = [replace(MESSAGE, attempt_uuid=UUID(int=place)) for place in range(5)]
    recorder = Recorder()
    with served(recorder) as url:
        gateway = make_gateway(url)
        keep_open(gateway._line._pool, 4)
        told = list(gateway.send_together(messages))
    assert told[0] == (messages[4], None)
    assert {message.attempt_uuid for message, _ in told[1:]} == {UUID(int=place) for place in range(4)}
    assert {result.outcome for _, result in told[1:] if result} == {SendOutcome.ACCEPTED}
    assert len({body for *_, body in recorder.requests}) == 4
