"""A mail server that answers as it is told to, on a real socket."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from pytest_django import Settings

from tests.outreach.local_servers import raw_server

DRIP_SECONDS = 0.02


class _Script:
    def __init__(self, features: str, replies: Mapping[str, str], then: str) -> None:
        self.features, self.replies, self.then = features, replies, then
        self.heard: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        is_open = True
        while is_open and (line := await reader.readline()):
            verb = line.split()[0].decode().upper()
            reply = self.reply(verb)
            writer.write(reply.encode())
            is_open = not reply.startswith("421")
            if reply.startswith("354"):
                is_open = await self.take_content(reader, writer)
        writer.close()

    def reply(self, verb: str) -> str:
        self.heard.append(verb)
        if verb == "EHLO":
            return f"250-hello\r\n{self.features}\r\n"
        return self.replies.get(verb, "354 go" if verb == "DATA" else "250 ok") + "\r\n"

    async def take_content(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                return False
        while self.then == "drip" and not writer.is_closing():
            writer.write(b"2")
            with suppress(TimeoutError, asyncio.TimeoutError):
                if not await asyncio.wait_for(reader.read(1), DRIP_SECONDS):
                    return False
        if self.then == "silence":
            await reader.read()
        if self.then:
            return False
        writer.write(self.reply(".").encode())
        return True


@contextmanager
def scripted_smtp(
    settings: Settings, *, replies: Mapping[str, str], features: str = "250 PIPELINING", then: str = ""
) -> Iterator[list[str]]:
    """Answers by the first word of a command ("." for the content). ``then``, once it has the content: "silence",
    "drip" or "close". Yields what it heard.
    """
    script = _Script(features, replies, then)
    with raw_server(script.answer) as url:
        settings.EMAIL_PORT = int(url.rsplit(":", 1)[1])
        yield script.heard
