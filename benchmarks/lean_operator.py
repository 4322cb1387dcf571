"""An operator that costs next to nothing: it takes every message, answers after a delay as Twilio would, and counts.

The simulator keeps a durable ledger and calls back: it would be what is measured. ``python -m benchmarks.lean_operator
PORT LATENCY_SECONDS`` serves until SIGTERM; ``GET /__count__`` tells what it took and when,
``GET /__taken__`` gives each instant, ``GET /__reset__`` forgets all.
"""

import asyncio
import json
import re
import sys
import time
from hashlib import md5

ATTEMPT = re.compile(rb"etat%2F([0-9a-f-]{36})%2F")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Operator(asyncio.Protocol):
    latency = 0.0
    seen: set[bytes] = set()
    taken: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        found = LENGTH.search(head)
        if not end or (found and len(body) < int(found[1])):
            return
        self.buffer = b""
        if head.startswith(b"GET /__reset__"):
            self.taken.clear()
            self.seen.clear()
        if head.startswith(b"GET /__"):
            self._answer(b"200 OK", json.dumps(self.taken).encode() if b"/__taken__" in head else self._tell())
            return
        attempt = ATTEMPT.search(body)
        self.taken.append(now)
        self.seen.add(attempt[1] if attempt else body)
        sid = md5(body, usedforsecurity=False).hexdigest()
        message = {"sid": f"SM{sid}", "status": "queued", "num_segments": "1", "error_code": None, "body": "…" * 20}
        answer = json.dumps(message).encode()
        if self.latency:
            asyncio.get_running_loop().call_later(self.latency, self._answer, b"201 Created", answer)
        else:
            self._answer(b"201 Created", answer)

    def _tell(self) -> bytes:
        """A number of messages, how many came twice, the first and last instants, and processor seconds so far."""
        taken = self.taken
        told = {
            "count": len(taken),
            "doubled": len(taken) - len(self.seen),
            "first": min(taken, default=0),
            "last": max(taken, default=0),
            "cpu": time.process_time(),
        }
        return json.dumps(told).encode()

    def _answer(self, status: bytes, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
        )


async def serve(port: int, latency: float) -> None:
    Operator.latency = latency
    server = await asyncio.get_running_loop().create_server(Operator, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
