"""An e-mail's words, from the text that agents write: paragraphs of a page, and the line that mailboxes show first."""

import re
from html import escape

PREVIEW_LENGTH = 110  # about what a mailbox shows beside the subject
_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*")
_LINK = re.compile(r"(https?://[^\s<>\"'«»]*[^\s<>\"'«».,;:!?)])")


def normalise_lines(text: str) -> str:
    """One kind of line end, ``\\n``, whatever was pasted."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def to_paragraphs(text: str) -> str:
    """HTML: a paragraph where a blank line was, a break where a line ended, a link where an address was written."""
    paragraphs = _PARAGRAPHS.split(text.strip())
    return "".join(f"<p>{_to_lines(paragraph)}</p>\n" for paragraph in paragraphs)


def to_preview(text: str) -> str:
    """The first words, on one line, cut at a word."""
    words = " ".join(text[: 2 * PREVIEW_LENGTH].split())
    return words if len(words) <= PREVIEW_LENGTH else words[:PREVIEW_LENGTH].rpartition(" ")[0] + "…"


def _to_lines(paragraph: str) -> str:
    pieces = _LINK.split(paragraph)
    pieces[0::2] = [escape(words).replace("\n", "<br>\n") for words in pieces[0::2]]
    pieces[1::2] = [f'<a href="{link}">{link}</a>' for link in map(escape, pieces[1::2])]
    return "".join(pieces)
