"""What OVHcloud says, in the words that receipts are kept in.

Source: OVHcloud's guide "Tout savoir sur les utilisateurs SMS" (tables of ``ptt`` and of the receipt's own code), and
the API's schema of ``/sms``.
"""

from outreach.rules.operator_codes import SendOutcome

PREFIX = "OVH-"
DELIVERED_PTT = 4
_ON_ITS_WAY_PTT = frozenset({1, 2, 3})  # tried again by the handset's or the operator's network; accepted by it
_SUCCESS, _FAILURES = 1, frozenset({2, 16})  # of the receipt's own code; 16: not billed


def read_state(*, ptt: int, receipt: int | None) -> tuple[str, str]:
    """Word and error code. ``receipt``: None when it was not said, then ``ptt`` alone decides.

    Any ``ptt`` but those of success and progress is a failure, so that a new one is never taken for a delivery.
    """
    if receipt == _SUCCESS or ptt == DELIVERED_PTT:
        return "delivered", ""
    if receipt in _FAILURES:
        return "undelivered", f"{PREFIX}{ptt}"
    if receipt is not None or ptt in _ON_ITS_WAY_PTT:
        return "sent", ""
    return "undelivered", f"{PREFIX}{ptt}"


def outcome_of_ovh(http_status: int) -> SendOutcome:
    """What an error answer proves. A 4xx speaks of the request or the account (receivers that it will not take are
    listed in a success): nothing left, and a person must look. 408 and 5xx say nothing certain.
    """
    return SendOutcome.RETRY if 400 <= http_status < 500 and http_status != 408 else SendOutcome.UNKNOWN
