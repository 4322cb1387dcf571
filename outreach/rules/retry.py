"""When a contact is tried again, and when it is given up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from outreach.rules.operator_codes import Action, SendOutcome, code_of

CRASHES_BEFORE_QUARANTINE = 3
LOOKUPS_BEFORE_RESEND = 2
SILENCE_BEFORE_RESEND = timedelta(minutes=15)
BETWEEN_LOOKUPS = timedelta(minutes=1)
CLAIM_LEASE = timedelta(minutes=2)
GIVEN_BACK_CODE = "PACE"  # decided too long ago when its turn came
UNWRITTEN_CODE = "JOURNAL"  # decided, and not written down: it did not leave
SOON_SECONDS = 5  # before what was given back takes its turn again
LONGEST_PAUSE_SECONDS = 600
# Mail servers that close, that are busy, or that want us to sign in: nothing about this message.
_AT_THE_DOOR = frozenset({"SMTP 421", "SMTP 454", "4.3.2", "4.7.0"})
CRASH_MARGIN = timedelta(seconds=30)  # beyond the deadline of a request, before its worker is held for dead


def next_try_at(*, tried: int, delays_seconds: Sequence[int], now: datetime) -> datetime | None:
    """When to try again after ``tried`` refusals that allow it (the last one just now); None when it is given up."""
    if tried > len(delays_seconds):
        return None
    return now + timedelta(seconds=delays_seconds[tried - 1])


def is_try(error_code: str) -> bool:
    """Whether a refusal that allows another try says something of the message or of the person.

    Not one: an operator out of reach, too busy, or that refuses our account. It says nothing against her contact, which
    waits for as long as it is worth making. Mail servers refuse one message for a while (greylisting, full mailbox).
    """
    if known := code_of(error_code):
        return known.on_send != SendOutcome.RETRY and known.action != Action.ALERT and error_code not in _AT_THE_DOOR
    return error_code.startswith("SMTP 4") and error_code not in _AT_THE_DOOR


def next_pause_end(*, codes: Sequence[str], delays_seconds: Sequence[int], now: datetime) -> datetime:
    """When to try again after a refusal that is no try. ``codes``: those of the refusals so far, the last just now."""
    if codes[-1] == GIVEN_BACK_CODE:
        return now + timedelta(seconds=SOON_SECONDS)
    in_a_row = len(list(takewhile(lambda code: not is_try(code) and code != GIVEN_BACK_CODE, reversed(codes))))
    delay = [*delays_seconds, LONGEST_PAUSE_SECONDS][min(in_a_row - 1, len(delays_seconds))]
    return now + timedelta(seconds=min(delay, LONGEST_PAUSE_SECONDS))


def may_resend(*, allowed: bool, attempts: int, lookups: int, intent_at: datetime, now: datetime) -> bool:
    """Whether an unconfirmed attempt may be followed by the one re-send that its plan allows. ``attempts``: those that
    may have left."""
    return allowed and attempts == 1 and lookups >= LOOKUPS_BEFORE_RESEND and now - intent_at >= SILENCE_BEFORE_RESEND


class Resolution(StrEnum):
    """What a superviseur decides of a contact whose fate nobody knows."""

    RESEND = "RENVOYER"
    CLOSE = "CLORE"
