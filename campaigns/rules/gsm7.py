"""How an SMS is cut: the GSM 03.38 alphabet, its extension, and the cost of leaving it."""

import re
import unicodedata
from dataclasses import dataclass

# 3GPP TS 23.038, § 6.2.1 (default alphabet, without the escape) and its extension table (two places each).
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
ALPHABET = "".join(sorted(BASIC | EXTENSION))

# One part, then each part of several (the header of a concatenated message takes room).
GSM7_SINGLE, GSM7_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67

_REPLACEMENTS = {
    "’": "'", "‘": "'", "ʼ": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "–": "-", "—": "-", "‑": "-", "−": "-", "…": "...", "•": "-", "œ": "oe", "Œ": "OE", "×": "x", "·": ".",
    "\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " ", "\N{THIN SPACE}": " ", "\t": " ",
    "\N{SOFT HYPHEN}": "", "\N{ZERO WIDTH SPACE}": "", "\N{ZERO WIDTH NO-BREAK SPACE}": "", "°": "o", "ç": "c",
}  # fmt: skip

_QUOTE_SPACES = re.compile(r"«\s+|\s+»")  # French quotes are spaced, plain ones are not


@dataclass(frozen=True, slots=True)
class SmsParts:
    """How an operator will cut and bill a text. ``offending``: the characters that force the short parts."""

    encoding: str  # "GSM-7" or "UCS-2"
    segments: int
    characters: int  # places taken: an extension character takes two, an emoji in UCS-2 too
    offending: tuple[str, ...]


def sms_parts(text: str) -> SmsParts:
    """Encoding, number of billed segments, places taken and offending characters of an SMS."""
    offending = tuple(dict.fromkeys(c for c in text if c not in BASIC and c not in EXTENSION))
    if offending:
        widths = [2 if ord(c) > 0xFFFF else 1 for c in text]
        return SmsParts("UCS-2", _segments(widths, UCS2_SINGLE, UCS2_PART), sum(widths), offending)
    widths = [2 if c in EXTENSION else 1 for c in text]
    return SmsParts("GSM-7", _segments(widths, GSM7_SINGLE, GSM7_PART), sum(widths), ())


def _segments(widths: list[int], single: int, part: int) -> int:
    """Parts needed: a character of two places is never cut in two, and an empty text still costs one."""
    if sum(widths) <= single:
        return 1
    segments, room = 1, part
    for width in widths:
        if width > room:
            segments, room = segments + 1, part
        room -= width
    return segments


def simplify(text: str) -> str:
    """The same text within the GSM alphabet: typographic signs made plain, accents dropped only where they must be.

    A character without an equivalent (emoji, other alphabets) becomes nothing.
    """
    plain = _QUOTE_SPACES.sub(lambda quote: quote[0].strip(), unicodedata.normalize("NFC", text))
    return "".join(_simpler(character) for character in plain)


def _simpler(character: str) -> str:
    if character in BASIC or character in EXTENSION:
        return character
    if character in _REPLACEMENTS:
        return _REPLACEMENTS[character]
    return "".join(c for c in unicodedata.normalize("NFKD", character) if c in BASIC)
