"""A mail server to be reckoned with, in a process of its own: ``python -m tests.faults.mail_server PORT FOLDER``.

``mail.jsonl`` holds what it took, written before it answers: the judge. ``troubles.txt`` names each trouble it made. A
file ``calm`` ends the random ones; an address whose name ends by "nobody" is always refused.
"""

import asyncio
import os
import random
import signal
import sys
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from outreach.simulator.mailbox import Mailbox

LATENCY_SECONDS = 0.08
TOO_LATE_SECONDS = 4.0  # beyond SEND_DEADLINE_SECONDS
# In each run of so many messages, one meets each. "after": it has the message and does not say so, or too late.
TROUBLES = ("door", "later", "busy", "reset_before", "reset_after", "late_after")
RUN = 40
REPLIES = {"door": "421 4.3.2 closing", "later": "450 4.2.0 greylisted", "busy": "452 4.3.1 no room"}
NOBODY = "550 5.1.1 no such user"


class HostileMailbox(Mailbox):
    """Takes messages, as a server in trouble does."""

    def begin(self, seed: int) -> "HostileMailbox":
        fates = [*TROUBLES, *[""] * (RUN - len(TROUBLES))]
        random.Random(seed).shuffle(fates)
        self._fates, self._folder = cycle(fates), self.ledger.parent
        self.start()
        return self

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.partition("@")[0].endswith("nobody"):
            return self._note("nobody", NOBODY)
        trouble = self._draw()
        if trouble in {"door", "later"}:
            return self._note(trouble, REPLIES[trouble])
        envelope.trouble = trouble  # type: ignore[attr-defined]
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        trouble = envelope.trouble  # type: ignore[attr-defined]
        await asyncio.sleep(LATENCY_SECONDS)
        if trouble == "busy":
            return self._note(trouble, REPLIES[trouble])
        if trouble == "reset_before":
            return self._cut(server, trouble)
        reply = await super().handle_DATA(server, session, envelope)
        if trouble == "reset_after":
            return self._cut(server, trouble)
        if trouble == "late_after":
            self._note(trouble, reply)
            await asyncio.sleep(TOO_LATE_SECONDS)
        return reply

    def _draw(self) -> str:
        trouble = next(self._fates)
        return "" if (self._folder / "calm").exists() else trouble

    def _cut(self, server: Any, trouble: str) -> str:
        server.transport.abort()
        return self._note(trouble, "250 OK")

    def _note(self, trouble: str, reply: str) -> str:
        with (self._folder / "troubles.txt").open("a") as said:
            said.write(f"{trouble}\n")
        return reply


def main(port: str, folder: str, seed: str) -> None:
    box = HostileMailbox(Path(folder) / "mail.jsonl", port=int(port)).begin(int(seed))
    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    stopping.wait()
    box.stop()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
