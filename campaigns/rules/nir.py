"""Recognise a social security number (NIR) wherever it hides. The product never holds one, nor shows it."""

import re

_SEPARATORS = r" .\-_/\u00a0\u2009\u202f"
_DIGIT = rf"[{_SEPARATORS}]{{0,2}}[0-9]"
_DEPARTMENT = rf"(?:{_DIGIT * 2}|[{_SEPARATORS}]{{0,2}}2[{_SEPARATORS}]{{0,2}}[ABab])"
# Sex (1, 2; 3, 4, 7, 8 for registrations under way), year and month, department (Corsica: 2A, 2B), commune and order.
_BODY = rf"([1-478]{_DIGIT * 4}{_DEPARTMENT}{_DIGIT * 6})"
_NUMBERS = (
    re.compile(rf"(?<![0-9])(?={_BODY}({_DIGIT * 2})(?![0-9]))"),
    re.compile(rf"(?<![0-9])(?={_BODY}()(?![0-9]))"),
)
# Cheap first look: most lines hold no run of 13 such characters.
_LONG_RUN = re.compile(rf"[0-9ABab{_SEPARATORS}]{{13}}")
_NOISE = re.compile(rf"[{_SEPARATORS}]")


def holds_nir(text: str) -> bool:
    """Does the text hold a NIR: 15 characters with the right key, or 13 that a month and a department make plausible?

    Spaces, dots and dashes may separate its parts; the key is 97 minus the rest of the 13 digits by 97, where Corsica's
    2A and 2B count as 19 and 18 (Insee).
    """
    if _LONG_RUN.search(text) is None:
        return False
    return any(_is_nir(match[1], match[2]) for number in _NUMBERS for match in number.finditer(text))


def _is_nir(body: str, key: str) -> bool:
    number = _NOISE.sub("", body).upper()
    month = int(number[3:5])
    has_month = 1 <= month <= 12 or 20 <= month <= 42 or 50 <= month <= 99
    if not has_month or number[5:7] == "00":
        return False
    value = int(number.replace("2A", "19").replace("2B", "18"))
    return not key or 97 - value % 97 == int(_NOISE.sub("", key))
