"""An operator that speaks Twilio's Messages API on this machine: what is sent in the demo and the tests ends here.

It keeps its own durable ledger, calls back with signed receipts, and lets people answer. Nothing leaves the machine.
"""

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from outreach.simulator.behaviour import STOP_TEXTS, Behaviour, count_segments
from outreach.simulator.operator_courier import Courier
from outreach.simulator.operator_ledger import Entry, Ledger, moved
from outreach.simulator.postman import Postman

E164 = re.compile(r"\+[1-9]\d{7,14}")
FRENCH_LANDLINE = re.compile(r"\+33[1-5]\d{8}")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STOP_WORDS = frozenset(text.lower() for text in STOP_TEXTS)
EARLY_SECONDS = 5.0
API = "/2010-04-01/Accounts/{account}"


@dataclass(frozen=True)
class OperatorConfig:
    """``inbound_url``: where the people's answers are posted; empty, nobody answers."""

    ledger: Path
    account_sid: str
    auth_token: str = field(repr=False)
    inbound_url: str = ""
    behaviour: Behaviour = field(default_factory=Behaviour)


class Refusal(Exception):
    """A request that the API refuses, with Twilio's code."""

    def __init__(self, http_status: int, code: int, text: str, retry_after: int = 0) -> None:
        super().__init__(text)
        self.http_status, self.code, self.retry_after = http_status, code, retry_after


class GroupCommit:
    """Writes what several requests ask for in one commit; each goes on once its own line is written."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._new: list[Entry] = []
        self._changed: list[Entry] = []
        self._refusals: list[tuple[str, str, float]] = []
        self._done: asyncio.Future[None] | None = None

    async def add(self, entry: Entry) -> None:
        self._new.append(entry)
        await self._next_commit()

    async def change(self, entry: Entry) -> None:
        self._changed.append(entry)
        await self._next_commit()

    async def refuse(self, code: int, recipient: str) -> None:
        self._refusals.append((str(code), recipient, time.time()))
        await self._next_commit()

    def _next_commit(self) -> "asyncio.Future[None]":
        if self._done is None:
            loop = asyncio.get_running_loop()
            self._done = loop.create_future()
            loop.call_soon(self._commit)
        return self._done

    def _commit(self) -> None:
        new, changed, refusals, done = self._new, self._changed, self._refusals, self._done
        self._new, self._changed, self._refusals, self._done = [], [], [], None
        self._ledger.write(new, changed, refusals)
        if done and not done.done():
            done.set_result(None)


class Operator:
    """The operator's state; the handlers below speak HTTP for it."""

    def __init__(self, config: OperatorConfig) -> None:
        self.config = config
        self.behaviour = config.behaviour
        self.ledger = Ledger(config.ledger)
        self.commits = GroupCommit(self.ledger)
        self.postman = Postman(config.auth_token)
        self.mischief: Counter[str] = Counter()
        self.courier = Courier(self.tell, self.lie_about, self._begin, self.mischief)
        self.scripts: dict[str, deque[str]] = {}
        self.stopped = self.ledger.stopped(STOP_WORDS)
        self.clock_shift = 0.0
        self._calls: Counter[str] = Counter()
        self._numbers: Counter[tuple[str, str]] = Counter(
            ("in", entry.sender) if entry.direction == "inbound" else ("out", entry.recipient)
            for entry in self.ledger.search()
        )
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, _: object = None) -> None:
        await self.postman.open()
        for entry in self.ledger.unfinished():
            self._begin(self._live(entry))

    async def stop(self, _: object = None) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.postman.close()
        self.ledger.close()

    def trouble_for(self, form: Mapping[str, str]) -> str:
        uuid = uuid_in(form.get("StatusCallback", "")) or form.get("To", "")
        return self.next_trouble(uuid, form.get("To", ""))

    def next_trouble(self, key: str, recipient: str) -> str:
        """What goes wrong with this request: what was scripted for the recipient, else what the seed draws."""
        self._calls[key] += 1
        script = self.scripts.get(recipient)
        trouble = script.popleft() if script else self.behaviour.trouble(uuid=key, call=self._calls[key])
        if trouble:
            self.mischief[trouble] += 1
        return trouble

    async def take(self, form: Mapping[str, str], *, key: str = "") -> Entry:
        """Check and write a message; its life begins once it is in the ledger. With an early one, every receipt has
        been carried when this returns. ``key``: what the sender knows it by, when its callback does not say.
        """
        try:
            self._check(form)
        except Refusal as refusal:
            await self.commits.refuse(refusal.code, form.get("To", ""))
            raise
        entry = self._enter(form, key or uuid_in(form.get("StatusCallback", "")))
        await self.commits.add(entry)
        told = asyncio.Event()
        self._begin(self._live(entry, told))
        if self.behaviour.is_early(entry.sid):
            self.mischief["early"] += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), EARLY_SECONDS)
        return entry

    async def hear(self, *, sender: str, recipient: str, text: str) -> Entry:
        """A person writes to us: kept in the ledger, then posted to our webhook."""
        now = time.time()
        sid = self._next_sid("in", sender)
        entry = Entry(
            sid=sid,
            direction="inbound",
            recipient=recipient,
            sender=sender,
            body=text,
            attempt_uuid="",
            callback="",
            service_sid="",
            segments=count_segments(text),
            validity_seconds=0,
            status="received",
            error_code="",
            accepted_at=now,
            application_at=now + self.clock_shift,
            updated_at=now,
        )
        await self.commits.add(entry)
        if text.strip().lower() in STOP_WORDS:
            self.stopped.add(sender)
        self._begin(self._tell_inbound(entry))
        return entry

    def _check(self, form: Mapping[str, str]) -> None:
        to, body = form.get("To", ""), form.get("Body", "")
        if not E164.fullmatch(to):
            raise Refusal(400, 21211, "The 'To' number is not a valid phone number.")
        if FRENCH_LANDLINE.fullmatch(to):
            raise Refusal(400, 21614, "'To' number is not a valid mobile number.")
        if not (form.get("From") or form.get("MessagingServiceSid")):
            raise Refusal(400, 21603, "A 'From' phone number is required.")
        if not body:
            raise Refusal(400, 21602, "Message body is required.")
        if len(body) > 1600:
            raise Refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
        if to in self.stopped:
            raise Refusal(400, 21610, "Attempt to send to unsubscribed recipient.")

    def _enter(self, form: Mapping[str, str], key: str) -> Entry:
        now = time.time()
        callback = form.get("StatusCallback", "")
        return Entry(
            sid=self._next_sid("out", form["To"]),
            direction="outbound-api",
            recipient=form["To"],
            sender=form.get("From", ""),
            body=form["Body"],
            attempt_uuid=key,
            callback=callback,
            service_sid=form.get("MessagingServiceSid", ""),
            segments=count_segments(form["Body"]),
            validity_seconds=int(form.get("ValidityPeriod") or 0),
            status="accepted" if form.get("MessagingServiceSid") else "queued",
            error_code="",
            accepted_at=now,
            application_at=now + self.clock_shift,
            updated_at=now,
        )

    def _next_sid(self, kind: str, number: str) -> str:
        """Decided by the seed, the number and how many messages it had: a second run meets the same fates."""
        self._numbers[kind, number] += 1
        key = f"{self.behaviour.seed}\x1f{kind}\x1f{number}\x1f{self._numbers[kind, number]}"
        return "SM" + sha256(key.encode()).hexdigest()[:32]

    def _begin(self, life: Awaitable[None]) -> None:
        task = asyncio.ensure_future(life)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def storm(self, text: str = "") -> int:
        """Everybody who was sent something writes at once: STOP in some spelling, or this text."""
        people = {entry.recipient: entry.sender for entry in self.ledger.search(direction="outbound-api")}
        for person, sender in people.items():
            await self.hear(sender=person, recipient=sender, text=text or self.behaviour.stop_text(person))
        return len(people)

    async def _live(self, entry: Entry, told: asyncio.Event | None = None) -> None:
        """Say what becomes of a message, step by step, then let the person answer."""
        for step in self.behaviour.fate(sid=entry.sid, to=entry.recipient, is_queued_first=bool(entry.service_sid)):
            await asyncio.sleep(step.after)
            entry = moved(entry, status=step.status, error_code=step.error_code, at=time.time())
            await self.commits.change(entry)
            if entry.callback:
                await self.courier.carry(entry, self.behaviour.mood(sid=entry.sid, status=entry.status))
        if told:
            told.set()
        if entry.status == "delivered" and self.config.inbound_url:
            await self._answer(entry)

    async def tell(self, entry: Entry) -> None:
        await self.postman.post(entry.callback, receipt_form(entry, self.config.account_sid))

    async def lie_about(self, entry: Entry) -> None:
        """The number would be refused and the person opposed, if it were believed."""
        form = {
            **receipt_form(entry, self.config.account_sid),
            "MessageStatus": "failed",
            "SmsStatus": "failed",
            "ErrorCode": "21610",
        }
        await self.postman.lie(entry.callback, form=form)

    async def _answer(self, entry: Entry) -> None:
        answer = self.behaviour.answer(sid=entry.sid, to=entry.recipient)
        if answer is None or entry.recipient in self.stopped:
            return
        await asyncio.sleep(answer.after)
        await self.hear(sender=entry.recipient, recipient=entry.sender, text=answer.text)

    async def _tell_inbound(self, entry: Entry) -> None:
        if self.config.inbound_url:
            form = inbound_form(entry, self.config.account_sid)
            await self.postman.post(self.config.inbound_url, form)


def receipt_form(entry: Entry, account_sid: str) -> dict[str, str]:
    """What a status callback says."""
    form = {
        "MessageSid": entry.sid,
        "SmsSid": entry.sid,
        "MessageStatus": entry.status,
        "SmsStatus": entry.status,
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "To": entry.recipient,
        "From": entry.sender,
    }
    if entry.service_sid:
        form["MessagingServiceSid"] = entry.service_sid
    if entry.error_code:
        form["ErrorCode"] = entry.error_code
    return form


def inbound_form(entry: Entry, account_sid: str) -> dict[str, str]:
    """What the webhook of a message that a person wrote says."""
    return {
        "MessageSid": entry.sid,
        "SmsSid": entry.sid,
        "SmsMessageSid": entry.sid,
        "AccountSid": account_sid,
        "From": entry.sender,
        "To": entry.recipient,
        "Body": entry.body,
        "NumMedia": "0",
        "NumSegments": str(entry.segments),
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
    }


def uuid_in(address: str) -> str:
    found = UUID.search(address)
    return found.group() if found else ""
