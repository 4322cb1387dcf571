"""What an operator's words mean: states and their ranks, error codes and what to do about each.

Sources: Twilio's message status values and error dictionary, as settled in the design page "reliability".
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from campaigns.enums import FactState
from outreach.enums import AttemptStatus, TouchStatus
from outreach.rules.operator_codes import (
    EXPIRED_CODES,
    Action,
    SendOutcome,
    action_for,
    bad_number_reason,
    code_of,
    is_known_code,
)

# What is done about codes is asked here, beside what is done about states.
__all__ = [
    "LATE_TRY_DELAY",
    "RANKS",
    "TWILIO_STATUSES",
    "Action",
    "SendOutcome",
    "action_for",
    "attempt_status",
    "bad_number_reason",
    "deserves_late_try",
    "fact_of",
    "fact_state",
    "is_known_code",
    "may_be_received",
    "merge",
    "outcome_of_answer",
    "replaceable_by",
    "status_of",
    "touch_status",
]


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
    "partially_delivered": AttemptStatus.DELIVERED,
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


def attempt_status(outcome: SendOutcome) -> AttemptStatus:
    """The state of an attempt right after its call."""
    return _ATTEMPT_STATUS[outcome]


def merge(current: str, incoming: str) -> AttemptStatus:
    """The state of an attempt once ``incoming`` is known too: the higher rank. Order and repetition do not matter."""
    return AttemptStatus(max(current, incoming, key=lambda status: RANKS[status]))


def replaceable_by(incoming: str) -> list[str]:
    """The states that ``incoming`` may replace, for the WHERE of an update: those of a lower rank."""
    return [status for status, rank in RANKS.items() if rank < RANKS[incoming]]


def status_of(twilio_status: str, error_code: str = "") -> AttemptStatus | None:
    """Our word for Twilio's. None: a word that Twilio did not have when this was written (kept, and said)."""
    status = TWILIO_STATUSES.get(twilio_status.lower())
    if error_code in EXPIRED_CODES and status in {AttemptStatus.UNDELIVERED, AttemptStatus.FAILED}:
        return AttemptStatus.EXPIRED
    return status


def outcome_of_answer(http_status: int, error_code: str) -> SendOutcome:
    """What an error answer to a sending request proves.

    A known code decides; else the status class does. Only a clear 4xx is a refusal: 408 and 5xx say nothing certain.
    """
    if http_status >= 500:
        return SendOutcome.UNKNOWN
    if http_status == 429:
        return SendOutcome.RETRY
    if known := code_of(error_code):
        return known.on_send
    if http_status in {401, 403}:
        return SendOutcome.RETRY
    return SendOutcome.REFUSED if 400 <= http_status < 500 and http_status != 408 else SendOutcome.UNKNOWN


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


def fact_of(status: str, attempts: Collection[str]) -> FactState:
    """The same, knowing its attempts: not made or failed in the end, it counts while an earlier one may be received."""
    state = fact_state(status)
    is_counted = state not in {FactState.RESERVED, FactState.RELEASED}
    return state if is_counted or not may_be_received(attempts) else FactState.UNCONFIRMED


def may_be_received(attempts: Collection[str]) -> bool:
    """Whether somebody may have received one of these attempts, by their states."""
    return any(status == AttemptStatus.DELIVERED or status not in AttemptStatus.final() for status in attempts)


def deserves_late_try(codes: Sequence[str]) -> bool:
    """Whether a touch is tried once more, given the last code of each of its attempts: at its first silent handset."""
    actions = [action_for(code) for code in codes]
    return actions[-1:] == [Action.TRY_LATER] and actions.count(Action.TRY_LATER) == 1
