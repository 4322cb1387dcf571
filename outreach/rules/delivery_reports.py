"""Reports that mail servers send back: failures (RFC 3464), complaints (RFC 5965). Their writers are not trusted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from uuid import UUID

from outreach.rules.bounces import COMPLAINT, SOFT, UNSUBSCRIBED, find_enhanced_code

MAX_BYTES = 1024 * 1024
MAX_PARTS = 50
MAX_CANDIDATES = 20
_ENVELOPE = re.compile(rb"\+([0-9a-f]{32})@", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"<([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})@", re.IGNORECASE)
# What Python's parser may raise on bytes made to break it.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)
_WORDS = {"failed": "undelivered", "delayed": "sent", "relayed": "sent", "expanded": "sent", "delivered": "delivered"}


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """``candidates``: the attempts it may be about, likeliest first. ``word`` and ``code``: as receipts have them."""

    candidates: tuple[UUID, ...]
    word: str
    code: str
    diagnostic: str


def read_report(raw: bytes) -> DeliveryReport | None:
    """None: not a report (an automatic reply, a letter), or one that says nothing readable. Never raises."""
    raw = raw[:MAX_BYTES]
    try:
        said = _read_parts(message_from_bytes(raw))
    except _UNREADABLE:
        return None
    return DeliveryReport(_find_candidates(raw), *said) if said else None


def clean(text: str, size: int) -> str:
    """What a database can hold, and no more of it."""
    return text[:size].replace("\x00", "").encode("utf-8", "replace").decode()


def _read_parts(message: Message) -> tuple[str, str, str] | None:
    for number, part in enumerate(message.walk()):
        if number >= MAX_PARTS:
            break
        kind = part.get_content_type()
        said = None
        if kind == "message/delivery-status":
            said = _read_status(list(_blocks(part)))
        elif kind == "message/feedback-report":
            said = _read_feedback(list(_blocks(part)))
        if said:
            return said
    return None


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields of a report. Some servers encode them as a text."""
    payload = part.get_payload()
    if isinstance(payload, list):
        blocks = [block for block in payload[:MAX_PARTS] if isinstance(block, Message)]
        if any(block.keys() for block in blocks):
            yield from blocks
            return
    text = part.get_payload(decode=True)
    if isinstance(text, bytes):
        yield from (message_from_bytes(block) for block in re.split(rb"\r?\n\r?\n", text)[:MAX_PARTS])


def _read_status(blocks: list[Message]) -> tuple[str, str, str] | None:
    """Of all its recipients, the one that failed: our e-mails have one."""
    told = [said for block in blocks if (said := _read_recipient(block))]
    return next((said for said in told if said[0] == "undelivered"), told[0] if told else None)


def _read_recipient(block: Message) -> tuple[str, str, str] | None:
    action = _field(block, "Action").split("(")[0].strip().lower()
    word = _WORDS.get(action)
    if word is None:
        return None
    diagnostic = _field(block, "Diagnostic-Code")
    return word, _code(_field(block, "Status"), diagnostic) if word == "undelivered" else "", clean(diagnostic, 500)


def _code(status: str, diagnostic: str) -> str:
    """« 5.0.0 » says less than what the server answered."""
    code = find_enhanced_code(status)
    is_vague = not code or code.endswith(".0.0")
    return (find_enhanced_code(diagnostic) if is_vague else "") or code or SOFT


def _read_feedback(blocks: list[Message]) -> tuple[str, str, str] | None:
    kind = next((found for block in blocks if (found := _field(block, "Feedback-Type").strip().lower())), "")
    if not kind or kind in {"not-spam", "auth-failure"}:
        return None
    return "delivered", UNSUBSCRIBED if kind.startswith("opt-out") else COMPLAINT, clean(kind, 80)


def _field(block: Message, name: str) -> str:
    return str(block.get(name, ""))


def _find_candidates(raw: bytes) -> tuple[UUID, ...]:
    """The address that the report was sent to carries the attempt; so does the Message-ID of what it quotes."""
    found = [*_ENVELOPE.findall(raw), *_MESSAGE_ID.findall(raw)]
    return tuple(dict.fromkeys(UUID(one.decode()) for one in found))[:MAX_CANDIDATES]
