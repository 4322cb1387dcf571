"""An e-mail in the bytes that travel. What never changes is made once; a person's part is merged into it.

Python's own message classes cost 2 ms an e-mail. Parsed back by them, these bytes say the same (tests).
"""

import re
from base64 import b64encode
from binascii import b2a_qp
from dataclasses import dataclass
from email.utils import formataddr, formatdate, parseaddr
from html import escape
from typing import Final
from uuid import UUID

import mrml
from django.template.loader import render_to_string

from outreach.channels.opt_out import opt_out_url
from outreach.channels.ports import OutgoingMessage
from outreach.rules.letters import normalise_lines, to_paragraphs, to_preview

# Quoted-printable never holds "=_" (RFC 2045, 6.7): no text can close a part.
BOUNDARY: Final = "=_aller-vers"
SUBJECT_WIDTH: Final = 60
ENCODED_WORD_BYTES: Final = 45  # 60 characters of base64, in a line of 78
_HOLE = re.compile(r"@@(subject|preview|words|way_out)@@")
_PART = "\r\n--{0}\r\nContent-Type: text/{1}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
TEXT_PART: Final = _PART.format(BOUNDARY, "plain").encode()
PAGE_PART: Final = _PART.format(BOUNDARY, "html").encode()
END: Final = f"\r\n--{BOUNDARY}--\r\n".encode()
# A soft line break: pieces encoded apart make one text, and no line grows too long.
JOINT: Final = b"=\r\n"
# The word that each provider gives back with its receipts, when its own header carried it.
PROVIDER_HEADERS: Final = {"brevo": "X-Mailin-custom", "mailjet": "X-MJ-EventPayload"}


@dataclass(frozen=True, slots=True)
class Letter:
    """``bounces_to``: envelope sender, of this attempt alone. ``content``: as DATA wants it, first dots doubled."""

    message_id: str
    bounces_to: str
    recipient: str
    content: bytes


@dataclass(frozen=True)
class Letterhead:
    """What all the e-mails of a Caf share."""

    domain: str
    bounce_address: str
    has_own_bounces: bool  # each attempt has a bounce address of its own
    provider: str  # of ``PROVIDER_HEADERS``, or empty
    headers: bytes
    page: tuple[str | bytes, ...]  # encoded pieces, and the names of what goes between them

    @classmethod
    def make(cls, *, sender: str, caf_name: str, bounce_address: str = "", provider: str = "") -> "Letterhead":
        """Compile the page and encode what it keeps from one person to the next."""
        address = to_ascii_address(parseaddr(sender)[1])
        return cls(
            domain=address.rpartition("@")[2],
            bounce_address=bounce_address or address,
            has_own_bounces=bool(bounce_address),
            provider=provider,
            headers=_fixed_headers(sender),
            page=_compile_page(caf_name),
        )

    def write(self, message: OutgoingMessage) -> Letter:
        """The whole e-mail: headers of one line each, whatever the text holds, and once how to refuse the next."""
        recipient = to_ascii_address(message.destination)
        message_id = f"<{message.attempt_uuid}@{self.domain}>"
        way_out = opt_out_url(message.attempt_uuid)
        content = b"".join(
            (
                self._own_headers(message, recipient, message_id, way_out),
                self.headers,
                TEXT_PART,
                _encode(write_text(message.body, way_out)),
                PAGE_PART,
                *self._fill_page(message, way_out),
                END,
            )
        )
        return Letter(message_id, self.bounces_to(message.attempt_uuid), recipient, content)

    def bounces_to(self, attempt_uuid: UUID) -> str:
        """``rebonds+<attempt>@…``: whatever a mail server says later comes back with the attempt written on it."""
        if not self.has_own_bounces:
            return self.bounce_address
        local, _, domain = self.bounce_address.rpartition("@")
        return f"{local}+{attempt_uuid.hex}@{domain}"

    def _own_headers(self, message: OutgoingMessage, recipient: str, message_id: str, way_out: str) -> bytes:
        marked = PROVIDER_HEADERS.get(self.provider)
        mark = f'{marked}: {{"attempt": "{message.attempt_uuid}"}}\r\n' if marked else ""
        return (
            f"To: {recipient}\r\n"
            f"Subject: {encode_words(one_line(message.subject))}\r\n"
            f"Date: {formatdate()}\r\n"
            f"Message-ID: {message_id}\r\n"
            f"List-Unsubscribe:\r\n <{way_out}>\r\n{mark}"
        ).encode("ascii")

    def _fill_page(self, message: OutgoingMessage, way_out: str) -> list[bytes]:
        holes = fill_holes(message.subject, message.body, way_out)
        return [piece if isinstance(piece, bytes) else _encode(holes[piece]) + JOINT for piece in self.page]


def write_text(body: str, way_out: str) -> str:
    """The plain part; the way out is added unless the text says it."""
    body = normalise_lines(body)
    return body if way_out in body else f"{body}\n\n--\nPour ne plus recevoir ces messages : {way_out}\n"


def write_page(*, subject: str, body: str, caf_name: str, way_out: str) -> str:
    """The HTML part as it would leave, to be looked at."""
    holes = fill_holes(subject, body, way_out)
    return _HOLE.sub(lambda hole: holes[hole[1]], _page(caf_name))


def fill_holes(subject: str, body: str, way_out: str) -> dict[str, str]:
    """HTML for each hole of the page; nothing of what was written is taken for markup."""
    body = normalise_lines(body)
    link = f'<p><a href="{escape(way_out)}">Ne plus recevoir ces messages</a></p>'
    return {
        "subject": escape(one_line(subject)),
        "preview": escape(to_preview(body)),
        "words": to_paragraphs(body),
        "way_out": "" if way_out in body else link,
    }


def to_ascii_address(address: str) -> str:
    """The address as SMTP takes it. Raises ``UnicodeError`` for one that cannot be."""
    local, _, domain = address.rpartition("@")
    plain = f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"
    if not (plain.isascii() and plain.isprintable()) or {*plain} & {*" <>,;"}:
        raise UnicodeError("This address cannot be written in an SMTP command.")
    return plain


def one_line(text: str) -> str:
    """Nothing in it can end a header."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def encode_words(text: str) -> str:
    """RFC 2047, folded: each piece holds whole characters."""
    if text.isascii() and len(text) <= SUBJECT_WIDTH and "=?" not in text:
        return text
    pieces, piece = [], b""
    for character in text:
        added = character.encode("utf-8", "replace")
        if len(piece) + len(added) > ENCODED_WORD_BYTES:
            pieces.append(piece)
            piece = b""
        piece += added
    return "\r\n ".join(f"=?utf-8?b?{b64encode(piece).decode()}?=" for piece in [*pieces, piece])


def _encode(text: str) -> bytes:
    """Quoted-printable, to be put at the start of a line."""
    encoded = b2a_qp(text.encode("utf-8", "replace")).replace(b"\n", b"\r\n").replace(b"\n.", b"\n..")
    return b"." + encoded if encoded.startswith(b".") else encoded


def _fixed_headers(sender: str) -> bytes:
    name, address = parseaddr(sender)
    lines = (
        f"From: {formataddr((one_line(name), to_ascii_address(address)))}",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Auto-Submitted: auto-generated",
        "Precedence: bulk",
        "X-Auto-Response-Suppress: OOF, AutoReply",
        "Content-Language: fr",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{BOUNDARY}"',
    )
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _compile_page(caf_name: str) -> tuple[str | bytes, ...]:
    pieces = _HOLE.split(_page(caf_name))
    return tuple(piece if place % 2 else _encode(piece) + JOINT for place, piece in enumerate(pieces))


def _page(caf_name: str) -> str:
    """The page compiled from MJML, with its holes."""
    holes = {name: f"@@{name}@@" for name in ("subject", "preview", "words", "way_out")}
    return mrml.to_html(render_to_string("outreach/email.mjml", {"caf_name": caf_name, **holes})).content
