"""What a code says of an e-mail that did not arrive: the address, a passing trouble, our own sending, or a complaint.

Sources: enhanced status codes (RFC 3463 and its registry at the IANA), delivery reports (RFC 3464), abuse reports
(RFC 5965). Where nobody gives such a code, a word of ours stands for what the provider said.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

from campaigns.enums import BadDestinationReason

HARD, INVALID, SOFT, BLOCKED = "hard_bounce", "invalid_email", "soft_bounce", "blocked"
COMPLAINT = "complaint"
UNSUBSCRIBED = "unsubscribed"
REPEATED = 3  # so many e-mails in a row that a passing trouble stopped: the address is to be corrected
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]\d)")
# Mailbox or domain that does not exist, moved, disabled, takes no mail.
_GONE = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4"})
# Too big for them, content or right to send: no other address would do better.
_OURS = re.compile(r"5\.(2\.3|3\.4|6\.\d+|7\.\d+)")


class Blame(StrEnum):
    ADDRESS = "ADDRESS"  # it reaches nobody: permanent
    PASSING = "PASSING"  # full, slow, or unknown: only the same again and again says something
    SENDER = "SENDER"  # our configuration or reputation
    COMPLAINT = "COMPLAINT"  # she said that she does not want this one
    REFUSAL = "REFUSAL"  # she unsubscribed at the provider's


_WORDS = {
    HARD: Blame.ADDRESS,
    INVALID: Blame.ADDRESS,
    SOFT: Blame.PASSING,
    BLOCKED: Blame.PASSING,
    COMPLAINT: Blame.COMPLAINT,
    UNSUBSCRIBED: Blame.REFUSAL,
}


def find_enhanced_code(text: str) -> str:
    """The first enhanced status code of a reply or a diagnostic, without useless zeros; empty when there is none."""
    found = _ENHANCED.search(text)
    return ".".join(str(int(part)) for part in found.groups()) if found else ""


def blame_of(code: str) -> Blame | None:
    """None: the code is not one of an e-mail's failure."""
    if code in _WORDS:
        return _WORDS[code]
    if code in _GONE:
        return Blame.ADDRESS
    if _OURS.fullmatch(code):
        return Blame.SENDER
    return Blame.PASSING if _ENHANCED.fullmatch(code) and code[0] in "45" else None


def bad_address_reason(code: str) -> BadDestinationReason | None:
    """Why an address is not used again after this code alone."""
    if code == COMPLAINT:
        return BadDestinationReason.COMPLAINT
    return BadDestinationReason.NO_MAILBOX if blame_of(code) is Blame.ADDRESS else None


def are_repeated(codes: Sequence[str]) -> bool:
    """Whether passing troubles became lasting. ``codes``: of the last e-mails to an address; empty: it came."""
    return len(codes) >= REPEATED and all(blame_of(code) is Blame.PASSING for code in codes[:REPEATED])
