"""What an SMTP reply proves, by what it answers (RFC 5321, 4.2) and by its enhanced code (RFC 3463)."""

from dataclasses import dataclass
from enum import StrEnum

from outreach.rules.bounces import Blame, blame_of, find_enhanced_code
from outreach.rules.delivery import SendOutcome

GO_AHEAD, CLOSING = 354, 421
SIGN_IN = frozenset({530, 534, 535, 538})  # RFC 4954: asked for, too weak, refused, or to be encrypted
MAILBOX_FULL = "5.2.2"


class Stage(StrEnum):
    """What a reply answers."""

    SENDER = "SENDER"
    RECIPIENT = "RECIPIENT"
    DATA = "DATA"
    CONTENT = "CONTENT"


@dataclass(frozen=True, slots=True)
class Reply:
    """``code`` -1: not an SMTP reply."""

    stage: Stage
    code: int
    text: str

    @property
    def is_positive(self) -> bool:
        return self.code == GO_AHEAD if self.stage is Stage.DATA else 200 <= self.code < 300

    @property
    def error_code(self) -> str:
        """The enhanced code, which says more than the reply's own, but of signing in (5.7.0 may be a refused text as
        well); a reply whose classes disagree is not believed.
        """
        if self.code in SIGN_IN:
            return f"SMTP {self.code}"
        enhanced = find_enhanced_code(self.text)
        return enhanced if enhanced and enhanced[0] == str(self.code)[0] else f"SMTP {self.code}"


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: SendOutcome
    is_alert: bool = False


def judge_reply(reply: Reply) -> Verdict:
    """What is certain after the reply that decided. Before the content nothing was taken, whatever was said."""
    if reply.stage is Stage.CONTENT and reply.is_positive:
        return Verdict(SendOutcome.ACCEPTED)
    if 400 <= reply.code < 500:
        return Verdict(SendOutcome.RETRY)
    if not 500 <= reply.code < 600:  # nonsense
        return Verdict(SendOutcome.UNKNOWN if reply.stage is Stage.CONTENT else SendOutcome.RETRY, is_alert=True)
    if reply.stage is Stage.SENDER:
        return Verdict(SendOutcome.RETRY, is_alert=True)
    is_ours = blame_of(reply.error_code) is Blame.SENDER
    if reply.error_code == MAILBOX_FULL or (is_ours and reply.stage is Stage.RECIPIENT):
        return Verdict(SendOutcome.RETRY, is_alert=is_ours)  # « relaying denied »: it is not the person's
    return Verdict(SendOutcome.REFUSED, is_alert=is_ours)
