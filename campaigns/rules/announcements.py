"""An SMS the day before a call: an announced call is answered more often, and frightens less."""

from collections.abc import Iterable, Mapping
from typing import Any

from campaigns.enums import Channel

ANNOUNCEMENT = (
    "{{ caf }} : un conseiller va vous appeler dans les prochains jours au sujet de votre dossier. "
    "Pour convenir d'un moment, appelez le {{ telephone_caf }}. Pour refuser nos SMS, répondez STOP."
)
NOTICE_DAYS = 1
VALID_DAYS = 1  # an announcement that arrives after the call is of no use

Values = Mapping[str, Any]


def announce_calls(steps: Iterable[Values]) -> list[dict[str, Any]]:
    """Put an SMS of announcement before each call, for the same people (arm); positions are numbered again from 1.

    A call counted from the launch moves one day later; one anchored on a date keeps its day, its SMS goes before. The
    SMS belongs to the same campaign as the call: it is exempt from the cap between campaigns, never from the month's.
    """
    announced: list[dict[str, Any]] = []
    for step in steps:
        if step["channel"] == Channel.CALL:
            sms = _announcement_of(step)
            announced.append(sms)
            step = {**step, "offset_days": sms["offset_days"] + NOTICE_DAYS}
        announced.append(dict(step))
    return [{**step, "position": position} for position, step in enumerate(announced, start=1)]


def _announcement_of(call: Values) -> dict[str, Any]:
    first_day = call["offset_days"] - (NOTICE_DAYS if call["anchor"] else 0)
    return {
        **call,
        "label": f"SMS d’annonce : {call['label']}"[:80],
        "channel": Channel.SMS.value,
        "offset_days": first_day,
        "valid_days": VALID_DAYS,
        "subject": "",
        "body": ANNOUNCEMENT,
    }
