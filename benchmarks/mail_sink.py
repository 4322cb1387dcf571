"""The fastest honest mail server: it reads each command and each dot, answers, and keeps nothing but a count.

``python -m benchmarks.mail_sink`` prints its port, then serves until its standard input closes.
"""

import asyncio
import sys

HELLO = b"220 sink\r\n"
FEATURES = b"250-sink\r\n250-SIZE 10485760\r\n250 PIPELINING\r\n"
OK, GO_AHEAD, BYE, TAKEN = b"250 2.0.0 OK\r\n", b"354 go\r\n", b"221 bye\r\n", b"250 2.0.0 taken\r\n"
END = b"\r\n.\r\n"


class Sink(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.received, self.is_content = b"", False
        transport.write(HELLO)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.received += data
        answers = []
        while True:
            line, found, rest = self.received.partition(END if self.is_content else b"\r\n")
            if not found:
                break
            self.received = rest
            answers.append(self.answer(line))
        if answers:
            self.transport.write(b"".join(answers))  # type: ignore[attr-defined]

    def answer(self, line: bytes) -> bytes:
        if self.is_content:
            self.is_content = False
            return TAKEN
        verb = line[:4].upper()
        if verb == b"DATA":
            self.is_content = True
            return GO_AHEAD
        return {b"EHLO": FEATURES, b"QUIT": BYE}.get(verb, OK)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
