"""What each error code of an operator proves when it answers a request, and what it asks for.

Sources: Twilio's error dictionary (every code of its messaging products has a row or a family here), OVHcloud's guide
of SMS users (codes ``ptt``, written ``OVH-24``), and the design page "reliability" for the ones that it settles.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from campaigns.enums import BadDestinationReason
from outreach.rules.bounces import Blame, bad_address_reason, blame_of


class SendOutcome(StrEnum):
    """What is certain after a call. Anything that is not certain is ``UNKNOWN``: never sent again blindly."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"  # definite: the operator will not send it, sending it again is useless
    RETRY = "RETRY"  # definite: nothing was sent, sending it later is safe
    UNKNOWN = "UNKNOWN"  # timeout, reset, 5xx, unreadable answer


class Action(StrEnum):
    """What an error code asks for, beyond its state."""

    NONE = "NONE"
    OPPOSE = "OPPOSE"  # the person refused at the operator's: record the opposition
    BAD_NUMBER = "BAD_NUMBER"  # permanent: trying this number again is useless
    TRY_LATER = "TRY_LATER"  # one later try
    PAUSE_CAMPAIGN = "PAUSE_CAMPAIGN"  # filtered as spam: going on would have the sender blocked
    ALERT = "ALERT"  # our account, sender or settings are at fault: a person must look


@dataclass(frozen=True, slots=True)
class Code:
    """``on_send``: what the code proves when it answers a request."""

    on_send: SendOutcome
    action: Action = Action.NONE


_REFUSED = Code(SendOutcome.REFUSED)
_RETRY = Code(SendOutcome.RETRY)
_UNKNOWN = Code(SendOutcome.UNKNOWN)
# Ours to put right; nothing left, so the people wait for their next try instead of being lost.
_OURS = Code(SendOutcome.RETRY, Action.ALERT)
_NO_SUCH_NUMBER = Code(SendOutcome.REFUSED, Action.BAD_NUMBER)
_LATER = Code(SendOutcome.REFUSED, Action.TRY_LATER)
_FILTERED = Code(SendOutcome.REFUSED, Action.PAUSE_CAMPAIGN)


def _each(codes: Iterable[int], code: Code) -> dict[str, Code]:
    return {str(number): code for number in codes}


TWILIO_CODES: dict[str, Code] = {
    **_each((14107, 20409, 20429, 21611, 21730, 30001, 63017, 63018, 63038), _RETRY),  # limits, queues, maintenance
    **_each((20162,), _RETRY),  # another request changes the same thing
    **_each((20500, 20503, 30020, 30021, 30410, 63009, 63010, 63012), _UNKNOWN),  # it broke: it may have been taken
    "21610": Code(SendOutcome.REFUSED, Action.OPPOSE),  # recipient unsubscribed
    **_each((21211, 21217, 21604, 30005, 30014, 63003), _NO_SUCH_NUMBER),
    **_each((21614, 30006), _NO_SUCH_NUMBER),  # landline
    **_each((30003, 30017), _LATER),  # handset off, carrier congested
    **_each((30007, 30038, 63026), _FILTERED),
    # About this message or this person: her file is right and the account too.
    **_each((21214, 21216, 21602, 21605, 21612, 21617, 21618, 21619, 21658), _REFUSED),
    **_each((30004, 30008, 30009, 30011, 30019, 30036, 30039, 30409, 63014, 63024, 63032, 63033), _REFUSED),
    # Account, credentials, rights.
    **_each((20001, 20002, 20003, 20004, 20005, 20006, 20007, 20008, 20010, 20011, 20012, 20403, 20404), _OURS),
    **_each((20410, 20413, 20422, 20423, 20426, 30002, 30037, 30044, 30112), _OURS),
    # Sender, Messaging Service, parameters of the request.
    **_each((21201, 21205, 21209, 21210, 21212, 21213, 21215, 21218, 21219, 21408, 21601, 21603), _OURS),
    **_each((21606, 21607, 21608, 21609, 21613, 21615, 21616), _OURS),
    **_each((30010, 30012, 30013, 30015, 30016, 30018, 30024), _OURS),
}  # fmt: skip
# Whole pages of the dictionary about our account's set-up: credentials, sender, media, Messaging Services, redaction,
# American registrations, link shortening, scheduling, other channels.
TWILIO_FAMILIES: tuple[tuple[range, Code], ...] = (
    (range(11700, 11800), _OURS),
    (range(14100, 14200), _OURS),
    (range(20100, 20200), _OURS),
    (range(21620, 21800), _OURS),
    (range(21900, 22000), _OURS),
    (range(23000, 23100), _OURS),
    (range(30022, 30036), _OURS),
    (range(30040, 31000), _OURS),
    (range(35100, 35200), _OURS),
    (range(57000, 57100), _OURS),
    (range(63000, 63100), _OURS),
    (range(90000, 90100), _OURS),
    (range(92000, 92100), _OURS),
)
OVH_CODES: dict[str, Code] = {
    "OVH-STOP": Code(SendOutcome.REFUSED, Action.OPPOSE),  # on the account's list of refusals
    "OVH-INVALID": _NO_SUCH_NUMBER,  # among the receivers that it will not take
    "OVH-NOCREDIT": _OURS,
    "OVH-23": _NO_SUCH_NUMBER,
    **{f"OVH-{ptt}": _LATER for ptt in (24, 25, 26)},  # handset off, network or handset busy
    **{f"OVH-{ptt}": _FILTERED for ptt in (28, 29)},
    **{f"OVH-{ptt}": _REFUSED for ptt in (0, 5, 6, 8, 20, 21, 27, 33, 39, 73, 74)},
    **{f"OVH-{ptt}": _OURS for ptt in (76, 202)},  # blocked for its client: us
}
CODES = TWILIO_CODES | OVH_CODES
EMAIL_CODES = {
    Blame.ADDRESS: _NO_SUCH_NUMBER,
    Blame.COMPLAINT: _NO_SUCH_NUMBER,
    Blame.PASSING: _REFUSED,
    Blame.SENDER: Code(SendOutcome.REFUSED, Action.ALERT),
    Blame.REFUSAL: Code(SendOutcome.REFUSED, Action.OPPOSE),
}

EXPIRED_CODES = frozenset({"30036", "OVH-8"})
_BAD_NUMBERS = {"21614": BadDestinationReason.NOT_A_MOBILE, "30006": BadDestinationReason.NOT_A_MOBILE}


def code_of(error_code: str) -> Code | None:
    """The row of a code, or that of its family; None for one that nobody has published."""
    known = CODES.get(error_code)
    if known is None and (blame := blame_of(error_code)):
        return EMAIL_CODES[blame]
    if known is None and error_code.isascii() and error_code.isdigit():
        number = int(error_code)
        known = next((code for family, code in TWILIO_FAMILIES if number in family), None)
    return known


def action_for(error_code: str) -> Action:
    """What to do about a code. ``NONE`` for an unknown one: its state is taken at its word."""
    known = code_of(error_code)
    return known.action if known else Action.NONE


def is_known_code(error_code: str) -> bool:
    return not error_code or code_of(error_code) is not None


def bad_number_reason(error_code: str) -> BadDestinationReason | None:
    """Why the number is to be corrected; None when the code says nothing against it."""
    if action_for(error_code) != Action.BAD_NUMBER:
        return None
    return bad_address_reason(error_code) or _BAD_NUMBERS.get(error_code, BadDestinationReason.UNKNOWN)
