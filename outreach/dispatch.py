"""Send what is due: claim a few, commit the intent, then call the operator, then record. Never the other way round.

The numbered points (``reached``) are where the fault tests kill the process.
"""

import logging
import secrets
import time
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction

from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import OppositionSource
from campaigns.locks import lock_people
from campaigns.models import Allocataire, Step, read_now
from campaigns.oppositions import record_opposition
from campaigns.rules.messages import MissingValue
from outreach import dispatch_sql as sql
from outreach.channels.ports import Gateway, OutgoingMessage, SendOutcome, SendResult
from outreach.channels.registry import gateway_for
from outreach.enums import Suppression
from outreach.fence import may_send, note_departures
from outreach.recording import Answer, record_answers
from outreach.rules.delivery import Action, action_for, bad_number_reason
from outreach.rules.retry import CLAIM_LEASE, CRASH_MARGIN
from outreach.rules.stopping import WAITS_ALONE
from outreach.sending_journal import Departure
from outreach.stopping import Content, read_contents, stopping_values
from outreach.texts import write_text

logger = logging.getLogger(__name__)

BATCH_SIZE = 32
MAX_VALID_SECONDS = 1800  # an operator that is late by more must not send
GATHER_SECONDS = 0.02  # answers that come close together are recorded together


@dataclass(frozen=True)
class Claimed:
    id: int
    campaign_id: int
    step_id: int
    allocataire_id: int
    destination: str
    destination_hash: str
    attempts: int  # real ones so far
    crashes: int  # claims that ended with their worker


@dataclass(frozen=True)
class Draft:
    """A contact whose text is written. Its attempt exists once the intent is committed under that identifier."""

    claimed: Claimed
    attempt_uuid: UUID
    subject: str
    body: str


@dataclass(frozen=True)
class Intent:
    claimed: Claimed
    message: OutgoingMessage


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


def dispatch_due(*, channel: str, worker: str, deadline_seconds: float) -> DispatchReport:
    """Send what is due on a channel until nothing is left or the deadline has passed; any number may run at once.

    Whatever interrupts it, what was claimed and not decided is given back; what was decided is recorded, or left
    for ``reconciliation``.
    """
    if not may_send(now=read_now()):
        return DispatchReport(stopped={"fence_closed": 1})
    run = _Run(channel, f"{worker[:60]}#{secrets.token_hex(6)}", time.monotonic() + deadline_seconds)
    with ThreadPoolExecutor(settings.SMS_CONNECTIONS, thread_name_prefix="wire") as pool:
        try:
            run.send_all(pool)
        finally:
            run.finish()
    logger.info("dispatched channel=%s attempts=%s stopped=%s", channel, run.report.attempts, run.report.stopped)
    return run.report


class _Run:
    """One dispatcher at work: its claims, its requests on the wire, and the campaigns it found it may not send."""

    def __init__(self, channel: str, claimer: str, stop_at: float) -> None:
        self.channel = channel
        self.claimer = claimer
        self.stop_at = stop_at
        self.gateway: Gateway = gateway_for(channel)
        self.report = DispatchReport()
        self.held: set[int] = set()
        self.contents: dict[int, Content] = {}
        self.on_the_wire: dict[Future[SendResult], Intent] = {}

    def send_all(self, pool: ThreadPoolExecutor) -> None:
        slots = settings.SMS_CONNECTIONS
        more = True
        while more or self.on_the_wire:
            more = more and time.monotonic() < self.stop_at
            free = slots - len(self.on_the_wire)
            if more and free * 2 >= slots:
                more = self._fill(pool, min(free, BATCH_SIZE))
            self._record_answers()

    def finish(self) -> None:
        """Wait for what is on the wire (each request has its own deadline) and give the rest back."""
        while self.on_the_wire:
            self._record_answers()
        _execute(sql.RELEASE, claimer=self.claimer, kept=[])

    def _fill(self, pool: ThreadPoolExecutor, size: int) -> bool:
        """Put a batch on the wire; False when nothing more can be claimed."""
        self.gateway = gateway_for(self.channel)  # its name goes into the intents: one operator for a whole batch
        claimed = self._claim(size)
        reached("1-claimed")
        for intent in self._decide(self._render(claimed)):
            self.on_the_wire[pool.submit(_send, self.gateway, intent.message)] = intent
        return bool(claimed)

    def _claim(self, size: int) -> list[Claimed]:
        rows = _execute(
            sql.CLAIM, claimer=self.claimer, channel=self.channel, held=list(self.held), size=size, lease=CLAIM_LEASE,
            **stopping_values(),
        )  # fmt: skip
        claimed = [Claimed(*row) for row in rows]
        suspect = next((row for row in claimed if row.crashes), None)
        if suspect is None:
            return claimed
        # Its worker died holding it: it goes alone, so that it takes nobody with it if it kills again.
        _execute(sql.RELEASE, claimer=self.claimer, kept=[suspect.id])
        return [suspect]

    def _render(self, claimed: Sequence[Claimed]) -> dict[int, Draft]:
        """Subject and text of each contact. A value that misses suppresses; any other failure is left to its lease."""
        self._read_contents({row.campaign_id for row in claimed})
        people = {p["id"]: p for p in Allocataire.objects.filter(pk__in=[r.allocataire_id for r in claimed]).values()}
        drafts, missing = {}, []
        for row in claimed:
            try:
                drafts[row.id] = _draft(
                    row, self.contents[row.campaign_id].steps[row.step_id], people[row.allocataire_id]
                )
            except MissingValue:
                missing.append(row.id)
            except Exception:
                logger.exception("text not rendered touch=%s", row.id)
        if missing:
            _execute(sql.SUPPRESS, claimer=self.claimer, touches=missing, reason=Suppression.MISSING_VALUE.value)
            self._count_stop("missing_value", len(missing))
        return drafts

    def _read_contents(self, campaign_ids: Set[int]) -> None:
        """Once a run: what is written is what is fingerprinted, whatever changes meanwhile."""
        if missing := campaign_ids - self.contents.keys():
            self.contents |= read_contents(missing)

    def _decide(self, drafts: Mapping[int, Draft]) -> list[Intent]:
        """Commit the intents that nothing stops. After this commit, and only after, the operator may be called."""
        if not drafts:
            return []
        rows = [draft.claimed for draft in drafts.values()]
        fingerprints = {row.campaign_id: self.contents[row.campaign_id].fingerprint for row in rows}
        with transaction.atomic():
            lock_people(
                persons={row.allocataire_id for row in rows}, destinations=[row.destination_hash for row in rows]
            )
            verdicts = _execute(
                sql.DECIDE,
                touches=list(drafts),
                uuids=[draft.attempt_uuid for draft in drafts.values()],
                claimer=self.claimer,
                channel=self.channel,
                provider=self.gateway.name,
                campaigns=list(fingerprints),
                fingerprints=list(fingerprints.values()),
                crash_after=timedelta(seconds=settings.SEND_DEADLINE_SECONDS) + CRASH_MARGIN,
                **stopping_values(),
            )
            reached("2-decided")
        reached("3-committed")
        return self._write_down(self._sort_verdicts(verdicts, drafts))

    def _write_down(self, intents: list[Intent]) -> list[Intent]:
        """What may leave, once it is written outside the database; else nothing, and each will be tried again."""
        left = [
            Departure(i.message.attempt_uuid, i.claimed.id, i.claimed.step_id, i.claimed.destination_hash)
            for i in intents
        ]
        if not left or note_departures(departures=left, provider=self.gateway.name, now=read_now()):
            return intents
        unsent = SendResult(SendOutcome.RETRY, error_code="JOURNAL")
        record_answers(answers=[_answer(intent, unsent) for intent in intents], now=read_now())
        return []

    def _sort_verdicts(self, verdicts: Sequence[tuple[Any, ...]], drafts: Mapping[int, Draft]) -> list[Intent]:
        intents = []
        for touch_id, campaign_id, code, effect, seconds_left in verdicts:
            if effect == "SEND":
                intents.append(_intent(drafts[touch_id], seconds_left))
                continue
            self._count_stop(code, 1)
            if effect == "HOLD" and code not in WAITS_ALONE:
                self.held.add(campaign_id)
        return intents

    def _count_stop(self, code: str, number: int) -> None:
        self.report.stopped[code] = self.report.stopped.get(code, 0) + number

    def _record_answers(self) -> None:
        """Write down the answers that came, and free their places."""
        if not self.on_the_wire:
            return
        done, rest = wait(self.on_the_wire, return_when=FIRST_COMPLETED)
        if rest:
            done |= wait(rest, timeout=GATHER_SECONDS).done
        reached("5-answered")
        now = read_now()
        results = [(self.on_the_wire[future], future.result()) for future in done]
        for intent, result in results:
            if action_for(result.error_code) == Action.OPPOSE:
                self._oppose(intent, now)
        record_bad_destinations(findings=self._bad_numbers(results), now=now)
        record_answers(answers=[_answer(intent, result) for intent, result in results], now=now)
        reached("6-recorded")
        for future in done:
            del self.on_the_wire[future]
            self._count(future.result())

    def _bad_numbers(self, results: Sequence[tuple[Intent, SendResult]]) -> list[Finding]:
        return [
            Finding(intent.claimed.allocataire_id, intent.claimed.destination, self.channel, reason)
            for intent, result in results
            if (reason := bad_number_reason(result.error_code))
        ]

    def _oppose(self, intent: Intent, now: datetime) -> None:
        """The person refused at the operator's: known before the answer is written, so that no crash loses it."""
        record_opposition(
            allocataire_ids=[intent.claimed.allocataire_id],
            channel=self.channel,
            source=OppositionSource.OPERATOR,
            now=now,
            destination=intent.claimed.destination,
        )

    def _count(self, result: SendResult) -> None:
        name = {
            SendOutcome.ACCEPTED: "sent",
            SendOutcome.REFUSED: "refused",
            SendOutcome.RETRY: "retried",
            SendOutcome.UNKNOWN: "unconfirmed",
        }[result.outcome]
        setattr(self.report, name, getattr(self.report, name) + 1)


def reached(point: str) -> None:
    """A place where a process may die: named so that the fault tests can make it so."""


def _draft(claimed: Claimed, step: Step, person: Mapping[str, Any]) -> Draft:
    attempt_uuid = uuid4()
    return Draft(claimed, attempt_uuid, *write_text(step=step, person=person, attempt_uuid=attempt_uuid))


def _intent(draft: Draft, seconds_left: int) -> Intent:
    message = OutgoingMessage(
        attempt_uuid=draft.attempt_uuid,
        destination=draft.claimed.destination,
        subject=draft.subject,
        body=draft.body,
        valid_seconds=min(seconds_left, MAX_VALID_SECONDS),
    )
    return Intent(draft.claimed, message)


def _answer(intent: Intent, result: SendResult) -> Answer:
    if result.is_alert:
        logger.error("operator refuses our settings attempt=%s code=%s", intent.message.attempt_uuid, result.error_code)
    return Answer.to_sending(intent.message.attempt_uuid, result, tried=intent.claimed.attempts + 1)


def _send(gateway: Gateway, message: OutgoingMessage) -> SendResult:
    """Call the operator. Whatever goes wrong here, nobody knows whether the message left."""
    reached("4-sending")
    try:
        return gateway.send(message)
    except Exception as error:
        logger.error("gateway failed attempt=%s error=%s", message.attempt_uuid, type(error).__name__)
        return SendResult(outcome=SendOutcome.UNKNOWN, error_code=type(error).__name__)


def _execute(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
