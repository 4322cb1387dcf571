"""States of contacts, nights and replies as badges."""

from campaigns.admin.badges import Badge
from outreach.enums import NightStatus, ReplyClass, TouchStatus

NIGHT_TONES = {
    NightStatus.RUNNING: ("info", "⧗"),
    NightStatus.DONE: ("success", "✓"),
    NightStatus.PROBLEM: ("danger", "!"),
}
REPLY_TONES = {
    ReplyClass.STOP: ("neutral", "■"),
    ReplyClass.AMBIGUOUS: ("warning", "!"),
    ReplyClass.ORDINARY: ("info", "✉"),
}
TOUCH_TONES = {
    TouchStatus.DELIVERED: ("success", "✓"),
    TouchStatus.UNDELIVERED: ("danger", "✕"),
    TouchStatus.FAILED: ("danger", "✕"),
    TouchStatus.UNCONFIRMED: ("warning", "?"),
    TouchStatus.QUARANTINED: ("warning", "!"),
    TouchStatus.SUBMITTED: ("info", "➜"),
    TouchStatus.SENT: ("info", "➜"),
}


def night_badge(status: str) -> Badge:
    known = NightStatus(status)
    return Badge(str(known.label), *NIGHT_TONES[known])


def reply_badge(kind: str) -> Badge:
    known = ReplyClass(kind)
    return Badge(str(known.label), *REPLY_TONES[known])


def touch_badge(status: str) -> Badge:
    known = TouchStatus(status)
    return Badge(str(known.label), *TOUCH_TONES.get(known, ("neutral", "●")))
