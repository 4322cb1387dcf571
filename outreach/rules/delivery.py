"""What an operator's words mean: states and their ranks, error codes and what to do about each.

Sources: Twilio's message status values and error dictionary, as settled in the design page "reliability".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from campaigns.enums import BadDestinationReason, FactState
from outreach.enums import AttemptStatus, TouchStatus


class SendOutcome(StrEnum):
    """What is certain after a call. Anything that is not certain is ``UNKNOWN``: never sent again blindly."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"  # definite: the operator will not send it, sending it again is useless
    RETRY = "RETRY"  # definite: nothing was sent, sending it later is safe
    UNKNOWN = "UNKNOWN"  # timeout, reset, 5xx, unreadable answer

    @property
    def attempt_status(self) -> AttemptStatus:
        return _ATTEMPT_STATUS[self]


_ATTEMPT_STATUS = {
    SendOutcome.ACCEPTED: AttemptStatus.SUBMITTED,
    SendOutcome.REFUSED: AttemptStatus.FAILED,
    SendOutcome.RETRY: AttemptStatus.FAILED,
    SendOutcome.UNKNOWN: AttemptStatus.UNCONFIRMED,
}


# queued < sending < sent < final. Final states are ranked as well, so that the same receipts give the same state in
# whatever order they come: what proves most about the person wins.
RANKS: dict[str, int] = {
    AttemptStatus.SENDING: 0,
    AttemptStatus.UNCONFIRMED: 1,
    AttemptStatus.SUBMITTED: 2,
    AttemptStatus.SENT: 3,
    AttemptStatus.FAILED: 4,
    AttemptStatus.UNDELIVERED: 5,
    AttemptStatus.EXPIRED: 6,
    AttemptStatus.DELIVERED: 7,
}

TWILIO_STATUSES: dict[str, AttemptStatus] = {
    "accepted": AttemptStatus.SUBMITTED,
    "scheduled": AttemptStatus.SUBMITTED,
    "queued": AttemptStatus.SUBMITTED,
    "sending": AttemptStatus.SUBMITTED,
    "sent": AttemptStatus.SENT,
    "delivered": AttemptStatus.DELIVERED,
    "read": AttemptStatus.DELIVERED,
    "undelivered": AttemptStatus.UNDELIVERED,
    "failed": AttemptStatus.FAILED,
    "canceled": AttemptStatus.FAILED,
}
# States of a touch that dispatch or a person decided while a try is over: only a proof of delivery overrides them.
_WAITING = frozenset(
    {
        TouchStatus.PLANNED,
        TouchStatus.CLAIMED,
        TouchStatus.SUPPRESSED,
        TouchStatus.CANCELLED,
        TouchStatus.QUARANTINED,
    }
)
LATE_TRY_DELAY = timedelta(hours=4)  # a handset that was off (30003) is tried once more, later in the day


class Action(StrEnum):
    """What an error code asks for, beyond its state."""

    NONE = "NONE"
    OPPOSE = "OPPOSE"  # the person refused at the operator's: record the opposition
    BAD_NUMBER = "BAD_NUMBER"  # permanent: trying this number again is useless
    TRY_LATER = "TRY_LATER"  # one later try
    PAUSE_CAMPAIGN = "PAUSE_CAMPAIGN"  # filtered as spam: going on would have the sender blocked
    ALERT = "ALERT"  # our account or sender is at fault


@dataclass(frozen=True, slots=True)
class Code:
    """``on_send``: what the code proves when it answers a request."""

    on_send: SendOutcome
    action: Action = Action.NONE


_REFUSED, _RETRY, _UNKNOWN = SendOutcome.REFUSED, SendOutcome.RETRY, SendOutcome.UNKNOWN
TWILIO_CODES: dict[str, Code] = {
    "20003": Code(_RETRY, Action.ALERT),  # authentication refused
    "20404": Code(_RETRY, Action.ALERT),  # account or service not found
    "20429": Code(_RETRY),  # too many requests
    "20500": Code(_UNKNOWN),  # internal error: it may have been taken
    "21211": Code(_REFUSED, Action.BAD_NUMBER),  # invalid number
    "21408": Code(_RETRY, Action.ALERT),  # region not enabled on the account
    "21603": Code(_RETRY, Action.ALERT),  # no sender
    "21606": Code(_RETRY, Action.ALERT),  # sender cannot send SMS
    "21610": Code(_REFUSED, Action.OPPOSE),  # recipient unsubscribed
    "21611": Code(_RETRY),  # the sender's queue is full
    "21614": Code(_REFUSED, Action.BAD_NUMBER),  # not a mobile
    "21617": Code(_REFUSED),  # text too long
    "21659": Code(_RETRY, Action.ALERT),  # not a number of ours
    "21705": Code(_RETRY, Action.ALERT),  # unknown Messaging Service
    "30001": Code(_RETRY),  # queue overflow
    "30002": Code(_RETRY, Action.ALERT),  # account suspended
    "30003": Code(_REFUSED, Action.TRY_LATER),  # handset unreachable
    "30004": Code(_REFUSED),  # blocked by the recipient's operator
    "30005": Code(_REFUSED, Action.BAD_NUMBER),  # unknown handset
    "30006": Code(_REFUSED, Action.BAD_NUMBER),  # landline or unreachable operator
    "30007": Code(_REFUSED, Action.PAUSE_CAMPAIGN),  # filtered by the operator
    "30008": Code(_REFUSED),  # unknown error at the recipient's operator
    "30036": Code(_REFUSED),  # validity period passed
}
EXPIRED_CODE = "30036"
_BAD_NUMBERS = {
    "21211": BadDestinationReason.UNKNOWN,
    "21614": BadDestinationReason.NOT_A_MOBILE,
    "30005": BadDestinationReason.UNKNOWN,
    "30006": BadDestinationReason.NOT_A_MOBILE,
}

_FACT_STATES: dict[str, FactState] = {
    TouchStatus.SUBMITTED: FactState.SUBMITTED,
    TouchStatus.SENT: FactState.SUBMITTED,
    TouchStatus.UNCONFIRMED: FactState.UNCONFIRMED,
    TouchStatus.DELIVERED: FactState.DELIVERED,
    TouchStatus.UNDELIVERED: FactState.RELEASED,
    TouchStatus.FAILED: FactState.RELEASED,
    TouchStatus.EXPIRED: FactState.RELEASED,
    TouchStatus.SUPPRESSED: FactState.RELEASED,
    TouchStatus.CANCELLED: FactState.RELEASED,
    TouchStatus.QUARANTINED: FactState.RELEASED,
}


def merge(current: str, incoming: str) -> AttemptStatus:
    """The state of an attempt once ``incoming`` is known too: the higher rank. Order and repetition do not matter."""
    return AttemptStatus(max(current, incoming, key=lambda status: RANKS[status]))


def replaceable_by(incoming: str) -> list[str]:
    """The states that ``incoming`` may replace, for the WHERE of an update: those of a lower rank."""
    return [status for status, rank in RANKS.items() if rank < RANKS[incoming]]


def status_of(twilio_status: str, error_code: str = "") -> AttemptStatus | None:
    """Our word for Twilio's. None: a word that Twilio did not have when this was written (kept, and said)."""
    status = TWILIO_STATUSES.get(twilio_status.lower())
    if error_code == EXPIRED_CODE and status in {AttemptStatus.UNDELIVERED, AttemptStatus.FAILED}:
        return AttemptStatus.EXPIRED
    return status


def action_for(error_code: str) -> Action:
    """What to do about a code. ``NONE`` for an unknown one: its state is taken at its word."""
    known = TWILIO_CODES.get(error_code)
    return known.action if known else Action.NONE


def bad_number_reason(error_code: str) -> BadDestinationReason | None:
    """Why the number is to be corrected; None when the code says nothing against it."""
    return _BAD_NUMBERS.get(error_code)


def is_known_code(error_code: str) -> bool:
    return not error_code or error_code in TWILIO_CODES


def outcome_of_answer(http_status: int, error_code: str) -> SendOutcome:
    """What an error answer to a sending request proves.

    A known code decides; else the status class does. Only a clear 4xx is a refusal: 408 and 5xx say nothing certain.
    """
    if http_status >= 500:
        return SendOutcome.UNKNOWN
    if http_status == 429:
        return SendOutcome.RETRY
    if error_code in TWILIO_CODES:
        return TWILIO_CODES[error_code].on_send
    if http_status in {401, 403}:
        return SendOutcome.RETRY
    return SendOutcome.REFUSED if 400 <= http_status < 500 and http_status != 408 else SendOutcome.UNKNOWN


def outcome_of_smtp(code: int) -> SendOutcome:
    """What an SMTP reply code proves: 4xx nothing was taken, try later; 5xx refused for good."""
    if 400 <= code < 500:
        return SendOutcome.RETRY
    return SendOutcome.REFUSED if 500 <= code < 600 else SendOutcome.UNKNOWN


def touch_status(current: str, attempts: Sequence[str]) -> TouchStatus:
    """The state of a touch from those of its attempts, first to last.

    Delivered once is delivered. Else a touch that waits for another try, or was stopped, stays so; else the last
    attempt speaks.
    """
    if AttemptStatus.DELIVERED in attempts:
        return TouchStatus.DELIVERED
    if not attempts or current in _WAITING:
        return TouchStatus(current)
    if RANKS.get(current, 0) > RANKS[attempts[-1]] and current in TouchStatus.final():
        return TouchStatus(current)  # closed by a superviseur while its attempt was in doubt
    return TouchStatus(attempts[-1])


def fact_state(status: str) -> FactState:
    """How the cap and the theme rule see a touch: what was not made, or failed, is released."""
    return _FACT_STATES.get(status, FactState.RESERVED)


def deserves_late_try(codes: Sequence[str]) -> bool:
    """Whether a touch is tried once more, given the last code of each of its attempts: at its first silent handset."""
    actions = [action_for(code) for code in codes]
    return actions[-1:] == [Action.TRY_LATER] and actions.count(Action.TRY_LATER) == 1
