"""Send what is due: claim a few, commit the intent, then call the operator, then record. Never the other way round.

The numbered points (``reached``) are where the fault tests kill the process.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from campaigns.enums import Channel
from campaigns.locks import despite_deadlocks, lock_people
from campaigns.models import Step, read_now
from campaigns.rules.messages import MissingValue, sms_parts
from outreach import dispatch_sql as sql
from outreach.answers import Listener
from outreach.channels.failover import THROTTLED
from outreach.channels.ports import GIVEN_BACK, Gateway, OutgoingMessage, SendOutcome, SendResult, SendsTogether
from outreach.channels.registry import gateway_for
from outreach.channels.wire import Told, Wire
from outreach.enums import Suppression
from outreach.fence import may_send, note_departures
from outreach.intents import Claimed, Draft, Intent
from outreach.outages import Outage
from outreach.pacing import Pacer, pacer_for
from outreach.recording import Answer, record_answers
from outreach.rules.pacing import LONGEST_WAIT
from outreach.rules.retry import CLAIM_LEASE, CRASH_MARGIN, UNWRITTEN_CODE
from outreach.rules.stopping import WAITS_ALONE
from outreach.sending_journal import Departure
from outreach.statements import plan_for_full_tables, run_statement
from outreach.stopping import Content, read_contents, stopping_values
from outreach.texts import PERSON_COLUMNS, write_text

logger = logging.getLogger(__name__)

BATCH_SIZE = 32
MAX_VALID_SECONDS = 1800  # an operator that is late by more must not send
GATHER_SECONDS = 0.002  # answers that come close together are recorded together
LEISURE_SECONDS = 0.25  # the same, when the operator's contract is what is waited for
PATIENCE_SECONDS = 0.1
GIVE_BACK_PAUSES = (0.1, 1, 3, 6)  # seconds: a restart of the database; a worker has 40 to end
UNWRITTEN = SendResult(SendOutcome.RETRY, error_code=UNWRITTEN_CODE)


@dataclass
class DispatchReport:
    """What a run did, in contacts. ``held`` counts those given back because sending is not allowed now."""

    sent: int = 0
    refused: int = 0
    retried: int = 0
    unconfirmed: int = 0
    stopped: dict[str, int] = field(default_factory=dict)  # by code of ``rules.stopping``

    @property
    def attempts(self) -> int:
        return self.sent + self.refused + self.retried + self.unconfirmed

    def count(self, result: SendResult) -> None:
        name = {
            SendOutcome.ACCEPTED: "sent",
            SendOutcome.REFUSED: "refused",
            SendOutcome.RETRY: "retried",
            SendOutcome.UNKNOWN: "unconfirmed",
        }[result.outcome]
        setattr(self, name, getattr(self, name) + 1)

    def count_stop(self, code: str, number: int) -> None:
        self.stopped[code] = self.stopped.get(code, 0) + number


def dispatch_due(
    *, channel: str, worker: str, deadline_seconds: float, is_stopping: Callable[[], bool] = lambda: False
) -> DispatchReport:
    """Send what is due on a channel until nothing is left, the deadline has passed or ``is_stopping`` says so.

    Any number may run at once. Whatever interrupts it, what was claimed and not decided is given back; what was
    decided is recorded, or left for ``reconciliation``.
    """
    begun_at, now = time.monotonic(), read_now()
    if not may_send(now=now):
        return DispatchReport(stopped={"fence_closed": 1})
    plan_for_full_tables()
    stop_at, epoch = begun_at + deadline_seconds, now - timedelta(seconds=begun_at)
    claimer = f"{worker[:60]}#{secrets.token_hex(6)}"
    run = _Run(channel, claimer, epoch, lambda: time.monotonic() >= stop_at or is_stopping())
    try:
        run.send_all()
    finally:
        run.finish()
    logger.info("dispatched channel=%s attempts=%s stopped=%s", channel, run.report.attempts, run.report.stopped)
    return run.report


class _Run:
    """One dispatcher at work: its claims, its requests on the wire, and the campaigns it found it may not send."""

    def __init__(self, channel: str, claimer: str, epoch: datetime, is_over: Callable[[], bool]) -> None:
        self.channel = channel
        self.claimer = claimer
        self.epoch = epoch  # when time.monotonic() was 0, on the application's clock
        self.is_over = is_over
        self.slots = settings.SMS_CONNECTIONS
        self.gateway: Gateway = gateway_for(channel)
        self.pacers: dict[str, Pacer] = {}
        self.listener = Listener(channel)
        self.outage = Outage(channel)
        self.report = DispatchReport()
        self.held: set[int] = set()
        self.spoilt: list[int] = []  # their text could not be written: left to their lease, which counts such failures
        self.contents: dict[int, Content] = {}
        self.drafts: dict[int, Draft] = {}  # claimed and written, not decided
        self.on_the_wire: dict[UUID, Intent] = {}
        self.wire = Wire(self.slots, _send, _send_together)

    def send_all(self) -> None:
        """The next batch is claimed and written while the last one is on the wire; it is decided when it may leave."""
        more = True
        if self.outage.is_held:
            self.report.count_stop("operator_down", 1)
        while (more or self.drafts or self.on_the_wire) and not (self.is_over() or self.outage.is_held):
            self._send_drafts()
            more = more and (bool(self.drafts) or self._prepare())
            self._record_answers()

    def finish(self) -> None:
        """Wait for what is on the wire (each request has its own deadline) and give the rest back."""
        try:
            while self.on_the_wire and self.wire.is_busy:
                self._record_answers()
        finally:
            self.wire.close()
            _give_back(self.claimer, kept=self.spoilt)

    @property
    def free(self) -> int:
        return self.slots - len(self.on_the_wire)

    @property
    def now(self) -> datetime:
        """The application's clock, without asking for it: it is read once a run, which lasts seconds."""
        return self.epoch + timedelta(seconds=time.monotonic())

    def _prepare(self) -> bool:
        """Claim and write a batch; False when nothing more can be claimed."""
        claimed = self._claim(min(BATCH_SIZE, self.slots, self._pacer(self.gateway).batch))
        reached("1-claimed")
        self.drafts = self._render(claimed)
        return bool(claimed)

    def _send_drafts(self) -> None:
        """Decide what may leave soon, and put it on the wire; the rest waits for places, or for the contract."""
        if not self.drafts or self.free < min(len(self.drafts), self.slots // 8):
            return
        self.gateway = gateway_for(self.channel)  # its name goes into the intents: one operator for a whole batch
        batch = self._take(min(self.free, BATCH_SIZE), self._pacer(self.gateway).room())
        if batch:
            self._leave(self._decide(batch))

    def _take(self, number: int, room: int) -> dict[int, Draft]:
        """The first drafts, as many as have a place and as their segments fit in ``room``."""
        batch: dict[int, Draft] = {}
        for touch_id, draft in list(self.drafts.items())[:number]:
            if room <= 0 or (batch and draft.segments > room):
                break
            batch[touch_id] = self.drafts.pop(touch_id)
            room -= draft.segments
        return batch

    def _pacer(self, gateway: Gateway) -> Pacer:
        if gateway.name not in self.pacers:
            self.pacers[gateway.name] = pacer_for(provider=gateway.name, channel=self.channel)
        return self.pacers[gateway.name]

    def _leave(self, intents: Sequence[Intent]) -> None:
        """Each at the instant that the contract of their operator allows."""
        if not intents:
            return
        instants = self._pacer(intents[0].gateway).reserve([intent.segments for intent in intents])
        self.on_the_wire |= {intent.message.attempt_uuid: intent for intent in intents}
        self.wire.leave_all(intents[0].gateway, [intent.message for intent in intents], instants)

    def _claim(self, size: int) -> list[Claimed]:
        with transaction.atomic():
            run_statement(sql.KEEP_INDEX_ORDER)
            rows = run_statement(
                sql.CLAIM, claimer=self.claimer, channel=self.channel, held=list(self.held), size=size,
                lease=CLAIM_LEASE, **stopping_values(),
            )  # fmt: skip
        claimed = [_claimed(row) for row in rows]
        suspect = next((row for row in claimed if row.crashes), None)
        if suspect is None:
            return claimed
        # Its worker died holding it: it goes alone, so that it takes nobody with it if it kills again.
        run_statement(sql.RELEASE, claimer=self.claimer, kept=[suspect.id, *self.spoilt])
        return [suspect]

    def _render(self, claimed: Sequence[Claimed]) -> dict[int, Draft]:
        """Subject and text of each contact. A value that misses suppresses; any other failure is left to its lease."""
        self._read_contents({row.campaign_id for row in claimed})
        drafts, missing = {}, []
        for row in claimed:
            try:
                step = self.contents[row.campaign_id].steps[row.step_id]
                drafts[row.id] = _draft(row, step)
            except MissingValue:
                missing.append(row.id)
            except Exception:
                logger.exception("text not rendered touch=%s", row.id)
                self.spoilt.append(row.id)
        if missing:
            run_statement(sql.SUPPRESS, claimer=self.claimer, touches=missing, reason=Suppression.MISSING_VALUE.value)
            self.report.count_stop("missing_value", len(missing))
        return drafts

    def _read_contents(self, campaign_ids: Set[int]) -> None:
        """Once a run: what is written is what is fingerprinted, whatever changes meanwhile."""
        if missing := campaign_ids - self.contents.keys():
            self.contents |= read_contents(missing)

    def _decide(self, drafts: Mapping[int, Draft]) -> list[Intent]:
        """Commit the intents that nothing stops. After this commit, and only after, the operator may be called."""
        if not drafts:
            return []
        campaigns = {draft.claimed.campaign_id for draft in drafts.values()}
        judge = partial(
            _judge, drafts, {campaign: self.contents[campaign].fingerprint for campaign in campaigns},
            claimer=self.claimer, channel=self.channel, provider=self.gateway.name,
        )  # fmt: skip
        verdicts, leave_by = despite_deadlocks(judge)
        reached("3-committed")
        return self._write_down(self._sort_verdicts(verdicts, drafts, leave_by))

    def _write_down(self, intents: list[Intent]) -> list[Intent]:
        """What may leave, once it is written outside the database; else nothing, and each will be tried again."""
        left = [
            Departure(i.message.attempt_uuid, i.claimed.id, i.claimed.step_id, i.claimed.destination_hash)
            for i in intents
        ]
        if not left or note_departures(departures=left, provider=self.gateway.name, now=self.now):
            return intents
        record_answers(answers=[_answer(intent, UNWRITTEN) for intent in intents], now=self.now)
        return []

    def _sort_verdicts(
        self, verdicts: Sequence[tuple[Any, ...]], drafts: Mapping[int, Draft], leave_by: float
    ) -> list[Intent]:
        intents = []
        for touch_id, campaign_id, code, effect, seconds_left in verdicts:
            if effect == "SEND":
                intents.append(_intent(drafts[touch_id], seconds_left, leave_by, self.gateway))
                continue
            self.report.count_stop(code, 1)
            if effect == "HOLD" and code not in WAITS_ALONE:
                self.held.add(campaign_id)
        return intents

    def _record_answers(self) -> None:
        """Write down the answers that came, and free their places."""
        is_paced = self.free * 2 >= self.slots and not self._pacer(self.gateway).is_open
        arrived = self.wire.collect(
            patience=PATIENCE_SECONDS if self.on_the_wire or is_paced else 0,
            gather=LEISURE_SECONDS if is_paced else GATHER_SECONDS,
        )
        if not arrived:
            return
        reached("5-answered")
        # Off the wire whatever happens below: what cannot be written down will not arrive a second time.
        answered = [(self.on_the_wire.pop(one.attempt_uuid), one.result) for one in arrived]
        results = self._judge_late([intent for intent, result in answered if result is None])
        results += [(intent, result) for intent, result in answered if result is not None]
        self._slow_down(results)
        now = self.now
        self.listener.heed(results, now=now)
        self.outage.hear(results)
        record_answers(answers=[_answer(intent, result) for intent, result in results], now=now)
        reached("6-recorded")
        for _, result in results:
            self.report.count(result)

    def _judge_late(self, late: Sequence[Intent]) -> list[tuple[Intent, SendResult]]:
        """What missed its instant takes another one, unless it was decided too long ago: then it has not left."""
        now = time.monotonic()
        for name in {intent.gateway.name for intent in late}:
            self._leave([i for i in late if i.gateway.name == name and i.message.leave_by >= now])
        return [(intent, GIVEN_BACK) for intent in late if intent.message.leave_by < now]

    def _slow_down(self, results: Sequence[tuple[Intent, SendResult]]) -> None:
        for intent, result in results:
            if result.error_code in THROTTLED:
                self._pacer(intent.gateway).slow_down(result.retry_after)


def reached(point: str) -> None:
    """A place where a process may die: named so that the fault tests can make it so."""


def _judge(
    drafts: Mapping[int, Draft], fingerprints: Mapping[int, str], *, claimer: str, channel: str, provider: str
) -> tuple[list[tuple[Any, ...]], float]:
    """The verdicts, to be committed, and the instant after which they are too old to be acted upon."""
    rows = [draft.claimed for draft in drafts.values()]
    lock_people(persons={row.allocataire_id for row in rows}, destinations=[row.destination_hash for row in rows])
    leave_by = time.monotonic() + LONGEST_WAIT  # before the checks: a button pressed since is not seen
    verdicts = run_statement(
        sql.DECIDE,
        touches=list(drafts),
        uuids=[draft.attempt_uuid for draft in drafts.values()],
        claimer=claimer,
        channel=channel,
        provider=provider,
        campaigns=list(fingerprints),
        fingerprints=list(fingerprints.values()),
        crash_after=timedelta(seconds=settings.SEND_DEADLINE_SECONDS) + CRASH_MARGIN,
        **stopping_values(),
    )
    reached("2-decided")
    return verdicts, leave_by


def _give_back(claimer: str, *, kept: Sequence[int]) -> None:
    """Tried again while the database restarts: what is left to its lease counts as the death of a worker."""
    for pause in GIVE_BACK_PAUSES:
        try:
            run_statement(sql.RELEASE, claimer=claimer, kept=kept)
            return
        except (OperationalError, InterfaceError) as error:
            logger.warning("claims not given back yet error=%s", type(error).__name__)
            time.sleep(pause)
            connection.close()  # a fresh one is opened
    run_statement(sql.RELEASE, claimer=claimer, kept=kept)


def _claimed(row: Sequence[Any]) -> Claimed:
    first = len(row) - len(PERSON_COLUMNS)
    return Claimed(*(*row[:first], dict(zip(PERSON_COLUMNS, row[first:], strict=True))))


def _draft(claimed: Claimed, step: Step) -> Draft:
    attempt_uuid = uuid4()
    subject, body = write_text(step=step, person=claimed.person, attempt_uuid=attempt_uuid)
    segments = sms_parts(body).segments if step.channel == Channel.SMS else 1
    return Draft(claimed, attempt_uuid, subject, body, segments)


def _intent(draft: Draft, seconds_left: int, leave_by: float, gateway: Gateway) -> Intent:
    message = OutgoingMessage(
        attempt_uuid=draft.attempt_uuid,
        destination=draft.claimed.destination,
        subject=draft.subject,
        body=draft.body,
        valid_seconds=min(seconds_left, MAX_VALID_SECONDS),
        leave_by=leave_by,
    )
    return Intent(draft.claimed, message, draft.segments, gateway)


def _answer(intent: Intent, result: SendResult) -> Answer:
    if result.is_alert:
        logger.error("operator refuses our settings attempt=%s code=%s", intent.message.attempt_uuid, result.error_code)
    claimed = intent.claimed
    return Answer.to_sending(
        intent.message.attempt_uuid, result, refused=claimed.refusals, other_attempts=claimed.other_attempts
    )


def _send(gateway: Gateway, message: OutgoingMessage) -> SendResult:
    """Call the operator. Whatever goes wrong here, nobody knows whether the message left."""
    reached("4-sending")
    try:
        return gateway.send(message)
    except Exception as error:
        return _failed(message, error)


def _send_together(gateway: SendsTogether, messages: Sequence[OutgoingMessage]) -> Iterator[Told]:
    """As ``_send``, for several."""
    silent = {message.attempt_uuid: message for message in messages}
    for _ in messages:
        reached("4-sending")
    try:
        for message, result in gateway.send_together(messages):
            del silent[message.attempt_uuid]
            yield message, result
    except Exception as error:
        yield from ((message, _failed(message, error)) for message in silent.values())


def _failed(message: OutgoingMessage, error: Exception) -> SendResult:
    logger.error("gateway failed attempt=%s error=%s", message.attempt_uuid, type(error).__name__)
    return SendResult(outcome=SendOutcome.UNKNOWN, error_code=type(error).__name__)
