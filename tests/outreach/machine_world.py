"""The small world in which ``test_touch_machine`` lives: few people, two campaigns, one operator, and who judges them.

The judge reads what was promised from its own notes (who refused, what was approved, when the window opens), never from
the code under test.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.enums import CONTROL_ARM, CampaignStatus, FactState
from campaigns.models import Campaign, ContactFact, Member
from outreach.channels.fake import FakeGateway, accept
from outreach.channels.ports import OutgoingMessage, SendOutcome, SendResult
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, Touch, TouchDecision
from outreach.rules.retry import LOOKUPS_BEFORE_RESEND, Resolution

PARIS = ZoneInfo("Europe/Paris")
WINDOWS = ((time(10), time(13)), (time(14), time(20)))
HOLIDAYS = {date(2026, 4, 6), date(2026, 5, 1)}
LATE_TRY_CODE = "30003"
REACHED = (AttemptStatus.SUBMITTED, AttemptStatus.SENT, AttemptStatus.DELIVERED)
MAY_BE_RECEIVED = (*REACHED, AttemptStatus.SENDING, AttemptStatus.UNCONFIRMED)
NOT_COUNTED = (FactState.RELEASED, FactState.RESERVED)
# How a contact that is over may still change: what proves more wins, one silent handset is tried again.
AFTER_THE_END = {
    TouchStatus.DELIVERED: {TouchStatus.DELIVERED},
    TouchStatus.UNDELIVERED: {TouchStatus.UNDELIVERED, TouchStatus.DELIVERED, TouchStatus.EXPIRED},
    TouchStatus.FAILED: {TouchStatus.FAILED, TouchStatus.UNDELIVERED, TouchStatus.DELIVERED, TouchStatus.EXPIRED},
    TouchStatus.EXPIRED: {TouchStatus.EXPIRED, TouchStatus.DELIVERED},
    TouchStatus.SUPPRESSED: {TouchStatus.SUPPRESSED, TouchStatus.DELIVERED},
    TouchStatus.CANCELLED: {TouchStatus.CANCELLED, TouchStatus.DELIVERED},
    TouchStatus.QUARANTINED: {TouchStatus.QUARANTINED, TouchStatus.DELIVERED},
}

ANSWERS = {
    "accepted": accept,
    "refused": lambda message: SendResult(SendOutcome.REFUSED, error_code="21610"),
    "failed": lambda message: SendResult(SendOutcome.REFUSED, error_code="21612"),
    "throttled": lambda message: SendResult(SendOutcome.RETRY, error_code="20429"),
    "lost after": lambda message: SendResult(
        SendOutcome.UNKNOWN, provider_ref=f"FA{message.attempt_uuid.hex}", error_code="reset"
    ),
    "lost before": lambda message: SendResult(SendOutcome.UNKNOWN, error_code="500"),
}


@dataclass
class World:
    """What the judge knows by itself."""

    gateway: FakeGateway = field(default_factory=FakeGateway)
    approved_texts: dict[int, set[str]] = field(default_factory=dict)  # by campaign, at its last approval
    opposed: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)  # dead, closed file, under guardianship, no address any more
    unread: set[int] = field(default_factory=set)  # who wrote something that may be a refusal
    done: dict[int, list[date]] = field(default_factory=lambda: defaultdict(list))  # when people did what is asked
    is_stopped: bool = False
    elsewhere: dict[int, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    last_word: dict[str, tuple[str, str]] = field(default_factory=dict)  # by reference: how the message ends
    known: dict[int, str] = field(default_factory=dict)  # state of each contact at the last look
    judged: int = 0  # the last attempt already judged
    read: int = 0  # messages of the ledger already read

    def script(self, answers: list[str]) -> None:
        """The answers to the next messages: by recipient, for they leave by threads."""
        order = sorted(Touch.objects.values_list("destination", flat=True).distinct())

        def answer(message: OutgoingMessage) -> SendResult:
            return ANSWERS[answers[order.index(message.destination) % len(answers)]](message)

        self.gateway.script = answer

    def judge_intents(self) -> None:
        """Every attempt since the last look, against what was true when it was made."""
        fresh = Attempt.objects.filter(pk__gt=self.judged).select_related("touch__member", "touch__audience")
        for attempt in fresh.order_by("pk"):
            self.judged = attempt.pk
            touch, local = attempt.touch, attempt.intent_at.astimezone(PARIS)
            assert not self.is_stopped, "sent while the stop button was pressed"
            assert touch.allocataire_id not in self.opposed, "sent to who refused"
            assert touch.allocataire_id not in self.gone, "sent to who is not to be contacted any more"
            assert touch.allocataire_id not in self.unread, "sent to who may have refused"
            assert attempt.intent_at < touch.expires_at, "sent after its own delay"
            done = [day for day in self.done[touch.allocataire_id] if touch.audience.night_on <= day <= local.date()]
            assert not done, "sent to who had done it"
            assert touch.member.arm not in {CONTROL_ARM, ""}, "a témoin was contacted, or an excluded person"
            assert local.isoweekday() <= 5, f"sent on a day of rest: {local}"
            assert local.date() not in HOLIDAYS, f"sent on a day of rest: {local}"
            assert any(opens <= local.time() < closes for opens, closes in WINDOWS), f"sent out of hours: {local}"
            assert Campaign.objects.get(pk=touch.campaign_id).status == CampaignStatus.RUNNING
            self._judge_cap(attempt)
            self._judge_repetition(attempt)

    def judge_ledger(self) -> None:
        """What the operator took: nobody twice for one contact, save after a handset that was off; approved texts."""
        touches = {a.uuid: a.touch for a in Attempt.objects.select_related("touch")}
        taken: dict[int, list[str]] = defaultdict(list)
        for rank, (reference, message) in enumerate(self.gateway.ledger):
            touch = touches[message.attempt_uuid]
            taken[touch.pk].append(reference)
            if rank >= self.read:
                assert message.body in self.approved_texts[touch.campaign_id], "a text nobody approved left"
        self.read = len(self.gateway.ledger)
        for references in taken.values():
            extra = [ref for ref in references if self.last_word.get(ref, ("", ""))[1] != LATE_TRY_CODE]
            assert max(len(extra), len(references) - 1) <= 1, f"{len(references)} messages for one contact"

    def judge_states(self) -> None:
        """Contacts, their facts, and what they were at the last look."""
        facts = dict(ContactFact.objects.filter(touch_ref__lt=10**9).values_list("touch_ref", "state"))
        for touch in Touch.objects.prefetch_related("attempts"):
            tried = {attempt.status for attempt in touch.attempts.all()}
            before = self.known.get(touch.pk)
            if before in AFTER_THE_END and touch.status not in AFTER_THE_END[TouchStatus(before)]:
                assert self._was_reopened(touch), f"{before} became {touch.status}"
            self.known[touch.pk] = touch.status
            if tried & set(MAY_BE_RECEIVED):
                assert facts[touch.pk] not in NOT_COUNTED, f"{touch.status} {tried} and its fact is {facts[touch.pk]}"
            elif touch.pk in facts and touch.status in TouchStatus.final():
                assert facts[touch.pk] == FactState.RELEASED, f"{touch.status} {tried} and its fact is kept"
            assert not touch.claimed_by or touch.status in {TouchStatus.CLAIMED, TouchStatus.SENDING}
        people = Member.objects.filter(exclusion="").exclude(arm=CONTROL_ARM).values_list("campaign", flat=True)
        for campaign, size in Counter(people).items():
            steps = Campaign.objects.get(pk=campaign).steps.count()
            assert Touch.objects.filter(campaign=campaign).count() == size * steps

    def _judge_cap(self, attempt: Attempt) -> None:
        """One campaign in seven days, four contacts in thirty, between what surely reached her."""
        touch, at = attempt.touch, attempt.intent_at
        earlier = list(_earlier(attempt))
        mine = [one for one in earlier if one.touch.campaign_id == touch.campaign_id]
        others = [o.intent_at for o in earlier if o.touch.campaign_id != touch.campaign_id and o.status in REACHED]
        others += self.elsewhere[touch.allocataire_id]
        if not mine:
            assert not [one for one in others if one > at - timedelta(days=7)], (
                "contacted by another campaign this week"
            )
        month = [
            one
            for one in [*others, *(m.intent_at for m in mine if m.status in REACHED)]
            if one > at - timedelta(days=30)
        ]
        assert len(month) < 4, f"{len(month)} contacts in thirty days before this one"

    def _judge_repetition(self, attempt: Attempt) -> None:
        """Another attempt has a reason: refused for a moment, a handset that was off, a doubt that was looked into."""
        for earlier in attempt.touch.attempts.filter(pk__lt=attempt.pk):
            if earlier.status in {AttemptStatus.FAILED, AttemptStatus.UNDELIVERED, AttemptStatus.EXPIRED}:
                continue
            assert earlier.status == AttemptStatus.UNCONFIRMED, f"sent again after {earlier.status}"
            decided = TouchDecision.objects.filter(touch=attempt.touch, decision=Resolution.RESEND).exists()
            assert decided or earlier.lookup_count >= LOOKUPS_BEFORE_RESEND, "blindly sent again"

    def _was_reopened(self, touch: Touch) -> bool:
        codes = [attempt.error_code for attempt in touch.attempts.all()]
        decided = TouchDecision.objects.filter(touch=touch, decision=Resolution.RESEND).exists()
        return decided or LATE_TRY_CODE in codes


def _earlier(attempt: Attempt) -> Iterable[Attempt]:
    """What may have reached her before, by other contacts."""
    found = Attempt.objects.filter(touch__allocataire_id=attempt.touch.allocataire_id, pk__lt=attempt.pk)
    return found.filter(status__in=MAY_BE_RECEIVED).exclude(touch_id=attempt.touch_id).select_related("touch")
