"""When a whole channel waits because none of its operators can be reached."""

from outreach.rules.operator_codes import SendOutcome
from outreach.rules.retry import GIVEN_BACK_CODE, UNWRITTEN_CODE

SILENCES_BEFORE_HOLD = 5  # in a row, of each operator: a hiccup is no outage
FIRST_HOLD_SECONDS = 30  # then twice as long each time it is asked in vain
LONGEST_HOLD_SECONDS = 600
_OURS = frozenset({"", GIVEN_BACK_CODE, UNWRITTEN_CODE})


def is_out_of_reach(outcome: SendOutcome, error_code: str) -> bool | None:
    """Whether the operator could not even be spoken to; None when it was not tried.

    Network troubles are told by their name ("NewConnectionError"), all that an operator says by a number or by words.
    """
    if outcome is not SendOutcome.RETRY:
        return False
    return None if error_code in _OURS else error_code.isidentifier()
