"""A mail server on this machine that keeps what it is given: one JSON line a message, written before it answers 250."""

import json
import logging
import os
import socket
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

logging.getLogger("mail.log").setLevel(logging.WARNING)  # it logs every address


@dataclass
class Mailbox:
    """``scripted``: SMTP replies by recipient, instead of taking the message ("reset": cut after DATA)."""

    ledger: Path
    port: int = 0
    scripted: dict[str, str] = field(default_factory=dict)

    def start(self) -> "Mailbox":
        self.ledger.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.ledger, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port or _free_port(), data_size_limit=2**20)
        self._controller.start()
        self.port = self._controller.port
        return self

    def stop(self) -> None:
        self._controller.stop(no_assert=True)
        os.close(self._file)

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.scripted.get(address, "")
        if reply and reply != "reset":
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        os.write(self._file, (json.dumps(_line(envelope), ensure_ascii=False) + "\n").encode())
        if any(self.scripted.get(address) == "reset" for address in envelope.rcpt_tos):
            server.transport.abort()  # type: ignore[union-attr]
        return "250 OK"


def _line(envelope: Envelope) -> dict[str, Any]:
    letter = message_from_bytes(envelope.content or b"", policy=default)  # type: ignore[arg-type]
    text = letter.get_body(("plain",))
    page = letter.get_body(("html",))
    return {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "headers": {name: str(value) for name, value in letter.items()},
        "subject": letter["Subject"],
        "message_id": letter["Message-ID"],
        "list_unsubscribe": str(letter["List-Unsubscribe"] or "").strip(),
        "list_unsubscribe_post": letter["List-Unsubscribe-Post"],
        "text": text.get_content() if text else "",
        "html": page.get_content() if page else "",
        "accepted_at": time.time(),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def serve_mailbox(ledger: Path, *, port: int = 0) -> Mailbox:
    """Serve from a thread of its own. ``port`` 0: any free one."""
    return Mailbox(ledger, port).start()
