"""Everything that can stop a contact just before it is made, in the order in which it is tried: the first wins.

The conditions themselves are SQL (``outreach.stopping``): they are read after the person is locked, by the
database's clock, in the statement that commits the intent. This table says what each of them means.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from outreach.enums import Suppression

# A message needs time to leave before its window closes: request deadline included.
TIME_LEFT = timedelta(seconds=60)


class Effect(StrEnum):
    """What becomes of the contact when a check holds."""

    HOLD = "HOLD"  # it waits: nothing is known against this person, only against sending now
    SUPPRESS = "SUPPRESS"  # it will not be made, for the reason said
    EXPIRE = "EXPIRE"  # its own delay has passed
    ALREADY = "ALREADY"  # an earlier attempt did leave: it stands for the contact


@dataclass(frozen=True)
class Check:
    code: str
    effect: Effect
    reason: str = ""  # Suppression, when the effect is SUPPRESS


CHECKS: tuple[Check, ...] = (
    Check("already_sent", Effect.ALREADY),
    Check("sent_before_restore", Effect.ALREADY),
    Check("fence_closed", Effect.HOLD),
    Check("paused", Effect.HOLD),
    Check("campaign_not_running", Effect.HOLD),
    Check("approval_void", Effect.HOLD),
    Check("wave_superseded", Effect.HOLD),
    Check("first_contacts", Effect.HOLD),
    Check("stale_feed", Effect.HOLD),
    Check("deceased", Effect.SUPPRESS, Suppression.DECEASED),
    Check("closed", Effect.SUPPRESS, Suppression.CLOSED),
    Check("guardianship", Effect.SUPPRESS, Suppression.GUARDIANSHIP),
    Check("opposed", Effect.SUPPRESS, Suppression.OPPOSED),
    Check("opposed_destination", Effect.SUPPRESS, Suppression.OPPOSED),
    Check("regularised", Effect.SUPPRESS, Suppression.REGULARISED),
    Check("no_address", Effect.SUPPRESS, Suppression.NO_ADDRESS),
    Check("expired", Effect.EXPIRE),
    Check("awaits_reading", Effect.HOLD),
    Check("outside_window", Effect.HOLD),
    Check("cap_30_days", Effect.SUPPRESS, Suppression.CAP),
    Check("cap_7_days", Effect.SUPPRESS, Suppression.CAP),
    Check("same_person_in_batch", Effect.HOLD),
)

# Waits of one person, of one wave or of one hour: the rest of the campaign may go on.
WAITS_ALONE = frozenset({"awaits_reading", "first_contacts", "outside_window", "same_person_in_batch"})

# A call is made one at a time by a person, who hears at once what goes wrong; rings are counted besides contacts.
CALL_CHECKS = (
    *(check for check in CHECKS if check.code not in {"same_person_in_batch", "first_contacts"}),
    Check("call_attempts", Effect.SUPPRESS, Suppression.CAP),
)
