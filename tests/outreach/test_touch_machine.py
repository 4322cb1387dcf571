"""The life of campaigns and contacts, drawn at random: whatever happens in whatever order, the same promises hold.

Hypothesis draws who presses which button, what operators answer, when clocks move and where workers die; after each
step ``machine_world`` judges. ``FULL=1`` draws more and longer lives.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from campaigns import lifecycle
from campaigns.enums import CampaignStatus, Channel, FactState, OppositionSource, OutcomeStage
from campaigns.lifecycle import MoveRefused
from campaigns.models import Allocataire, Campaign, RegularisationKind, Step, read_now, set_clock
from campaigns.oppositions import hash_destination, record_opposition
from outreach import dispatch
from outreach.channels.registry import use_gateway
from outreach.enums import AttemptStatus, EventKind, ReplyClass, TouchStatus
from outreach.fence import close_fence
from outreach.models import Attempt, Fence, Pause, Regularisation, RegularisationImport, Reply, Touch
from outreach.night import run_due_night
from outreach.pauses import pause_sending, resume_sending
from outreach.receipts import apply_receipts, store_event
from outreach.reconciliation import (
    mark_crashed_attempts,
    reconcile_unconfirmed,
    release_expired_claims,
    reschedule_missed,
    resolve_touch,
)
from outreach.rules.retry import Resolution
from tests.factories import (
    make_allocataires,
    make_campaign,
    make_contact_fact,
    make_plan,
    make_segment,
    make_user,
    step_values,
    try_texts,
)
from tests.faults.sizes import SHARE, size_of
from tests.outreach.machine_world import ANSWERS, PARIS, World

BEGINNING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)  # a Monday, 8:00 in Paris
PEOPLE = 6
POINTS = ["1-claimed", "2-decided", "3-committed", "4-sending", "5-answered", "6-recorded"]
MOVES = ["submit", "approve", "launch", "pause", "resume", "cancel", "send_back"]
JUMPS = [timedelta(minutes=m) for m in (1, 2, 4, 4, 20, 20, 60, 4 * 60 + 5, 24 * 60, 3 * 24 * 60)]
ENDS = [("delivered", ""), ("undelivered", "30003"), ("undelivered", "30005"), ("failed", "30008"), ("sent", "")]
MET = {AttemptStatus.SUBMITTED, AttemptStatus.UNCONFIRMED, AttemptStatus.FAILED}
SOME_ANSWERS = st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=6)
ACTS = ["refuse", "regularise", "leave", "write", "contact elsewhere", "nothing", "pause", "edit", "stop", "fence",
        "wait"]  # fmt: skip
# What a file may say of a person who is not to be contacted any more. None: the date of that day.
CHANGES = {"deceased_on": None, "closed_on": None, "is_under_guardianship": True, "sms_allowed": False, "mobile": ""}
TEXTS = ["Caf : un premier texte.", "Caf : un autre texte."]


seen: Counter[str] = Counter()  # over all lives: what was met, so that a test in which nothing happens fails


class Killed(BaseException):
    pass


class Surroundings(RuleBasedStateMachine):
    """What those who are contacted do, what their files say, the time that passes and what it sets in order."""

    world: World
    people: list[Allocataire]
    kind: RegularisationKind

    @rule(rank=st.integers(0, PEOPLE - 1), channel=st.sampled_from(["", Channel.SMS]), by_number=st.booleans())
    def refuse(self, rank: int, channel: str, by_number: bool) -> None:
        person = self.people[rank]
        record_opposition(
            allocataire_ids=[] if by_number else [person.pk], channel=channel, source=OppositionSource.SMS_STOP,
            now=read_now(), destination=person.mobile if by_number else "",
        )  # fmt: skip
        self.world.opposed.add(person.pk)

    @rule(rank=st.integers(0, PEOPLE - 1))
    def regularise(self, rank: int) -> None:
        today = read_now().astimezone(PARIS).date()
        source = RegularisationImport.objects.create(file_name="f.csv", as_of=today, imported_at=read_now())
        source.kinds.add(self.kind)
        Regularisation.objects.get_or_create(
            allocataire=self.people[rank], kind=self.kind, occurred_on=today, defaults={"source": source}
        )
        self.world.done[self.people[rank].pk].append(today)

    def leave(self, rank: int, change: str) -> None:
        """What her file says from now on keeps her from being contacted."""
        value = CHANGES[change]
        today = read_now().astimezone(PARIS).date()
        Allocataire.objects.filter(pk=self.people[rank].pk).update(**{change: today if value is None else value})
        self.world.gone.add(self.people[rank].pk)

    @rule()
    def read(self) -> None:
        """An agent reads all that was written: it was no refusal."""
        Reply.objects.update(handled_at=read_now())
        self.world.unread.clear()

    def write(self, rank: int) -> None:
        """She answers something that may be a refusal."""
        person = self.people[rank]
        Reply.objects.create(
            allocataire=person, sender_hash=hash_destination(person.mobile), provider="fake",
            provider_ref=f"IN{Reply.objects.count()}", body="Je ne sais pas", kind=ReplyClass.AMBIGUOUS,
            received_at=read_now(),
        )  # fmt: skip
        self.world.unread.add(person.pk)

    @rule(rank=st.integers(0, PEOPLE - 1))
    def contact_elsewhere(self, rank: int) -> None:
        now, campaign = read_now(), make_campaign(status=CampaignStatus.CLOSED)
        make_contact_fact(self.people[rank], campaign, at=now, touch_ref=10**9 + campaign.pk, state=FactState.SUBMITTED)
        self.world.elsewhere[self.people[rank].pk].append(now)

    @rule(jump=st.sampled_from(JUMPS))
    def wait(self, jump: timedelta) -> None:
        set_clock(read_now() + jump)

    @rule()
    def sweep(self) -> None:
        now = read_now()
        release_expired_claims(now=now)
        mark_crashed_attempts(now=now)
        reconcile_unconfirmed(now=now)
        reschedule_missed(now=now)


class LifeOfContacts(Surroundings):
    turns = cycle(ACTS)  # of all lives: each act is met

    def __init__(self) -> None:
        super().__init__()
        self.undone = transaction.atomic()
        self.undone.__enter__()
        self.world = World()
        self.operator = use_gateway(Channel.SMS, self.world.gateway)
        self.operator.__enter__()
        set_clock(BEGINNING)
        django_settings.SENDING_JOURNAL.unlink(missing_ok=True)  # each life has a database that knows nothing
        Fence.objects.get_or_create()
        Pause.objects.bulk_create([Pause(scope=scope) for scope in ("", Channel.SMS)], ignore_conflicts=True)

    def teardown(self) -> None:
        seen.update(Attempt.objects.values_list("status", flat=True))
        seen.update(reason or status for status, reason in Touch.objects.values_list("status", "reason"))
        seen.update(again=Attempt.objects.filter(number__gt=1).count())
        self.operator.__exit__(None, None, None)
        transaction.set_rollback(True)
        self.undone.__exit__(None, None, None)

    @initialize(
        allows_resend=st.booleans(),
        share=st.sampled_from(["0", "0.34"]),
        is_launched=st.sampled_from([True, True, True, False]),
        first=st.one_of(st.none(), SOME_ANSWERS),
        rank=st.integers(0, PEOPLE - 1),
    )
    def begin(self, allows_resend: bool, share: str, is_launched: bool, first: list[str] | None, rank: int) -> None:
        self.kind = RegularisationKind.objects.create(code="machine", label="Déclaration", stage=OutcomeStage.FILED)
        self.people = make_allocataires(PEOPLE)
        self.agent, self.superviseur = make_user(), make_user()
        self.campaigns = [self.start(allows_resend, share, days) for days in ([0, 2], [0])]
        if is_launched:
            self.hurry(0)
            self.hurry(1)
            self.sleep()
        if first:
            self.send(first, rank)

    def start(self, allows_resend: bool, share: str, days: list[int]) -> Campaign:
        steps = [step_values(position=n, offset_days=day, body=TEXTS[0]) for n, day in enumerate(days, start=1)]
        plan = make_plan(steps=steps, allows_resend=allows_resend, control_share=share)
        plan.expected_kinds.add(self.kind)
        return lifecycle.start_campaign(
            plan=plan, segment=make_segment(), name=plan.name, by=self.agent, now=read_now()
        )

    # --- people of the Caf
    @rule(which=st.integers(0, 1), verb=st.sampled_from(MOVES))
    def press(self, which: int, verb: str) -> None:
        campaign = self.fresh(which)
        by_verb: dict[str, dict[str, Any]] = {
            "submit": {"by": self.agent},
            "launch": {"typed_size": campaign.expected_size or 0},
            **{one: {"reason": "essai"} for one in ("pause", "send_back")},
        }
        values = {"by": self.superviseur, **by_verb.get(verb, {})}
        try_texts(campaign)
        try:
            getattr(lifecycle, f"{verb}_campaign")(campaign=campaign, now=read_now(), **values)
        except MoveRefused:
            return
        if verb == "approve":
            self.world.approved_texts[campaign.pk] = {step.body for step in campaign.steps.all()}

    @rule(which=st.integers(0, 1))
    def hurry(self, which: int) -> None:
        """All the way to the launch, as most campaigns go."""
        for verb in ("submit", "approve", "launch"):
            self.press(which, verb)

    @rule(which=st.integers(0, 1), text=st.sampled_from(TEXTS), is_honest=st.booleans())
    def edit(self, which: int, text: str, is_honest: bool) -> None:
        """By the page, which keeps drafts only; or behind its back."""
        campaign = self.fresh(which)
        if campaign.is_editable or not is_honest:
            Step.objects.filter(campaign=campaign).update(body=text)
        if campaign.is_editable and is_honest:
            lifecycle.record_edit(campaign=campaign, by=self.agent, now=read_now())

    @rule(is_pressed=st.booleans(), scope=st.sampled_from(["", "SMS", "FENCE"]))
    def stop_button(self, is_pressed: bool, scope: str) -> None:
        """Or the fence, which a restored database closes."""
        is_pressed = is_pressed and not self.world.is_stopped
        if is_pressed and scope == "FENCE":
            close_fence(now=read_now(), reason="essai")
        elif is_pressed:
            pause_sending(scope=scope, by=self.superviseur, now=read_now(), reason="essai")
        else:
            for each in ("", "SMS"):
                resume_sending(scope=each, by=self.superviseur, now=read_now())
            Fence.objects.update(closed_at=None)
        self.world.is_stopped = is_pressed

    @rule(resolution=st.sampled_from(Resolution), rank=st.integers(0, 5))
    def decide(self, resolution: Resolution, rank: int) -> None:
        """A superviseur who looked at the operator's console: sends again only what it does not have."""
        undecided = list(Touch.objects.filter(status__in=[TouchStatus.UNCONFIRMED, TouchStatus.QUARANTINED]))
        if not undecided:
            return
        touch = undecided[rank % len(undecided)]
        has_it = {message.attempt_uuid for message in self.world.gateway.sent}
        if touch.attempts.filter(uuid__in=has_it).exists():
            resolution = Resolution.CLOSE
        resolve_touch(touch=touch, decision=resolution, by=self.superviseur, now=read_now(), reason="essai")

    # --- time and machines
    @rule()
    def sleep(self) -> None:
        """Until the morning, when nothing more is to be done today."""
        if Touch.objects.filter(status=TouchStatus.PLANNED).exists():
            return
        tomorrow = read_now().astimezone(PARIS) + timedelta(days=1)
        set_clock(tomorrow.replace(hour=1, minute=30))
        run_due_night(now=read_now())
        set_clock(tomorrow.replace(hour=10, minute=5))

    @rule(answers=SOME_ANSWERS, rank=st.integers(0, PEOPLE - 1))
    def send(self, answers: list[str], rank: int) -> None:
        """Once contacts are claimed somebody acts, each in turn: the decision sees it."""
        self.world.script(answers)
        done: list[str] = []

        def reached(point: str) -> None:
            if point == "1-claimed" and not done and Touch.objects.filter(status=TouchStatus.CLAIMED).exists():
                done.append(next(self.turns))
                seen[f"meanwhile: {done[0]}"] += 1
                self.act(done[0], rank)

        with pytest.MonkeyPatch.context() as hook:
            hook.setattr(dispatch, "reached", reached)
            dispatch.dispatch_due(channel=Channel.SMS, worker="machine", deadline_seconds=20)

    def act(self, act: str, rank: int) -> None:
        acts: dict[str, Callable[[], None]] = {
            "refuse": lambda: self.refuse(rank, "", bool(rank % 2)),
            "regularise": lambda: self.regularise(rank),
            "leave": lambda: self.leave(rank, sorted(CHANGES)[rank % len(CHANGES)]),
            "write": lambda: self.write(rank),
            "contact elsewhere": lambda: self.contact_elsewhere(rank),
            "pause": lambda: self.press(rank % 2, "pause"),
            "edit": lambda: self.edit(rank % 2, TEXTS[1], False),
            "stop": lambda: self.stop_button(True, ["", "SMS"][rank % 2]),
            "fence": lambda: self.stop_button(True, "FENCE"),
            "wait": lambda: self.wait([JUMPS[-3], JUMPS[-1]][rank % 2]),
            "nothing": lambda: None,
        }
        acts[act]()

    @rule(answers=SOME_ANSWERS, point=st.sampled_from(POINTS))
    def die(self, answers: list[str], point: str) -> None:
        self.world.script(answers)

        def reached(name: str) -> None:
            if name == point:
                raise Killed

        with pytest.MonkeyPatch.context() as dying:
            dying.setattr(dispatch, "reached", reached)
            dying.setattr(dispatch._Run, "finish", lambda run: run.wire.close())  # a dead process releases nothing
            try:
                dispatch.dispatch_due(channel=Channel.SMS, worker="mortal", deadline_seconds=20)
            except Killed:
                seen["killed"] += 1

    @rule(answers=SOME_ANSWERS, rank=st.integers(0, PEOPLE - 1))
    def bell(self, answers: list[str], rank: int) -> None:
        """What rings every few seconds, together."""
        self.sweep()
        self.send(answers, rank)

    @rule(
        ends=st.lists(st.sampled_from(ENDS), min_size=1, max_size=4), order=st.permutations(["queued", "sent", "", ""])
    )
    def tell(self, ends: list[tuple[str, str]], order: list[str]) -> None:
        """The operator says how messages end, in any order, some of it twice."""
        taken = sorted(self.world.gateway.ledger, key=lambda entry: entry[1].destination)  # threads took them
        for rank, (reference, message) in enumerate(taken):
            word, code = self.world.last_word.setdefault(reference, ends[rank % len(ends)])
            for said in order:
                store_event(
                    provider="fake", kind=EventKind.STATUS, payload={}, provider_ref=reference, now=read_now(),
                    status=said or word, error_code="" if said else code, attempt_uuid=message.attempt_uuid,
                )  # fmt: skip
        apply_receipts(now=read_now())

    # --- what must hold
    @invariant()
    def promises_hold(self) -> None:
        if hasattr(self, "campaigns"):
            self.world.judge_intents()
            self.world.judge_ledger()
            self.world.judge_states()

    def fresh(self, which: int) -> Campaign:
        return Campaign.objects.get(pk=self.campaigns[which].pk)


@pytest.mark.django_db
def test_whatever_happens_the_promises_hold() -> None:
    run_state_machine_as_test(
        LifeOfContacts,
        settings=settings(
            max_examples=size_of("machine_runs"), stateful_step_count=size_of("machine_steps"), deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],  # no two lives are alike: nothing to shrink
            derandomize=not SHARE,  # the suite plays the same lives every day, ./dev faults others
        ),
    )  # fmt: skip
    assert not Allocataire.objects.exists(), "a life left something behind"
    missing = {"killed", *MET, *(f"meanwhile: {act}" for act in ACTS)} - {
        name for name, number in seen.items() if number
    }
    assert not missing, f"never met: {missing}, but {dict(seen)}"
