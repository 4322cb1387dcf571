"""An SMTP connection that serves many messages, under one deadline each, and knows how far each one went.

Before the final dot nothing was taken; after it, without an answer, nobody knows. Commands leave together where the
server announces PIPELINING (RFC 2920): two exchanges a message instead of four.
"""

import contextlib
import smtplib
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.mail.utils import DNS_NAME

from outreach.rules.smtp import CLOSING, GO_AHEAD, Reply, Stage

IDLE_SECONDS = 60.0  # kept longer, a connection may be dead without a word
MAX_REPLY_BYTES = 16 * 1024


class Connection(smtplib.SMTP):
    """``deadline``: a monotonic instant. With a timeout on each read, a server may drip a byte at a time for hours."""

    sock: socket.socket | None
    has_ended_content = False
    is_fresh = True  # no reply was had since it was taken from the pool
    idle_since = 0.0
    _received = b""
    _is_dirty = False

    def __init__(self, host: str, port: int, *, deadline: float, **options: Any) -> None:
        self.deadline = deadline
        super().__init__(host, port, timeout=self._remaining(), **options)

    def deliver(self, *, sender: str, recipient: str, content: bytes) -> Reply:
        """One message: the reply that decided. ``content`` ends a line, its first dots doubled.

        Raises ``OSError`` (disconnections and timeouts included).
        """
        self.has_ended_content = False
        commands = [f"MAIL FROM:<{sender}>{self._size(content)}", f"RCPT TO:<{recipient}>", "DATA"]
        replies = self._exchange(commands, [Stage.SENDER, Stage.RECIPIENT, Stage.DATA])
        refusal = next((reply for reply in replies if not reply.is_positive), None)
        if refusal:
            self._leave(replies)
            return refusal
        self._send_content(memoryview(content + b".\r\n"))
        return self._read(Stage.CONTENT)

    def _send_content(self, whole: memoryview) -> None:
        """While the system has not taken the last byte, the server cannot have the message."""
        sent = 0
        while sent < len(whole) and self.sock is not None:
            self.sock.settimeout(self._remaining())
            sent += self.sock.send(whole[sent:])
        self.has_ended_content = True

    def _exchange(self, commands: list[str], stages: list[Stage]) -> list[Reply]:
        """The replies, up to the first refusal where the server takes one command at a time."""
        if self._is_dirty:
            commands, stages = ["RSET", *commands], [Stage.SENDER, *stages]
        self._is_dirty = True
        if not self.has_extn("pipelining"):
            return self._exchange_one_by_one(commands, stages)
        self.send("".join(f"{command}\r\n" for command in commands).encode("ascii"))
        replies = []
        for stage in stages:
            replies.append(self._read(stage))
            if replies[-1].code == CLOSING:
                break
        return replies

    def _exchange_one_by_one(self, commands: list[str], stages: list[Stage]) -> list[Reply]:
        replies: list[Reply] = []
        for command, stage in zip(commands, stages, strict=True):
            self.send(f"{command}\r\n".encode("ascii"))
            replies.append(self._read(stage))
            if not replies[-1].is_positive:
                break
        return replies

    def _leave(self, replies: list[Reply]) -> None:
        """A server that refused and still waits for the content must not be given any; one that says 421 is gone."""
        if any(reply.code in {GO_AHEAD, CLOSING, -1} for reply in replies):
            self.close()

    def _read(self, stage: Stage) -> Reply:
        code, text = self.getreply()
        self.is_fresh = False
        reply = Reply(stage, code, text.decode("ascii", "replace"))
        if stage is Stage.CONTENT:
            self._is_dirty = not reply.is_positive
        return reply

    def _size(self, content: bytes) -> str:
        return f" SIZE={len(content)}" if self.has_extn("size") else ""

    def _remaining(self) -> float:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("The deadline has passed.")
        return remaining

    def send(self, s: Any) -> None:
        if self.sock is not None:
            self.sock.settimeout(self._remaining())
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """See ``smtplib.SMTP.getreply``; read by us, so that the deadline holds for all of it."""
        lines = []
        while True:
            line = self._read_line()
            lines.append(line[4:].strip())
            code = int(line[:3]) if line[:3].isdigit() else -1
            if line[3:4] != b"-" or code < 0:
                return code, b"\n".join(lines)

    def _read_line(self) -> bytes:
        while b"\n" not in self._received:
            if self.sock is None or len(self._received) > MAX_REPLY_BYTES:
                raise smtplib.SMTPServerDisconnected("The reply cannot be read.")
            self.sock.settimeout(self._remaining())
            received = self.sock.recv(4096)
            if not received:
                raise smtplib.SMTPServerDisconnected("Connection closed by the server.")
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line

    @property
    def has_unread_words(self) -> bool:
        return bool(self._received)


class EncryptedConnection(Connection, smtplib.SMTP_SSL):
    """Encrypted from the first byte."""


@dataclass
class ConnectionPool:
    """Connections waiting for their next message, the last used first. Safe from several threads."""

    _idle: deque[Connection] = field(default_factory=deque)

    def take(self, *, deadline: float, may_reuse: bool = True) -> Connection:
        """One that was kept, or a new one. Raises ``smtplib.SMTPException`` or ``OSError``."""
        while may_reuse and self._idle:
            with contextlib.suppress(IndexError):  # another thread took it
                connection = self._idle.pop()
                if time.monotonic() - connection.idle_since < IDLE_SECONDS:
                    connection.deadline, connection.is_fresh = deadline, True
                    return connection
                connection.close()
        return _open(deadline)

    def keep(self, connection: Connection) -> None:
        """Give it back; one that was closed is forgotten."""
        if connection.sock is not None:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._idle)


def _open(deadline: float) -> Connection:
    options: dict[str, Any] = {"deadline": deadline, "local_hostname": DNS_NAME.get_fqdn()}
    if settings.EMAIL_USE_SSL:
        address = settings.EMAIL_HOST, settings.EMAIL_PORT
        return _greet(EncryptedConnection(*address, context=ssl.create_default_context(), **options))
    return _greet(Connection(settings.EMAIL_HOST, settings.EMAIL_PORT, **options))


def _greet(connection: Connection) -> Connection:
    """Encrypt and sign in, as settings say. The connection is closed when that fails."""
    try:
        if connection.sock is not None:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the final dot must not wait
        connection.ehlo_or_helo_if_needed()
        if settings.EMAIL_USE_TLS:
            connection.starttls(context=ssl.create_default_context())
            if connection.has_unread_words:  # said before encryption: not from who we think
                raise smtplib.SMTPServerDisconnected("The server spoke before encryption.")
            connection.ehlo_or_helo_if_needed()
        if settings.EMAIL_HOST_USER:
            connection.login(settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD)
    except BaseException:
        connection.close()
        raise
    connection.is_fresh = False
    return connection
