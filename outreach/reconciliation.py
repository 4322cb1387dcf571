"""Put in order what a crash, a silence or a closed window left behind: sweepers, to be run as often as wished."""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from campaigns.models import Allocataire, Step, User
from campaigns.oppositions import hash_destination
from campaigns.rules.calendar import next_window
from campaigns.rules.messages import MissingValue
from outreach import reconciliation_sql as sql
from outreach.channels.ports import FoundMessage, LookUpResult, OutgoingMessage
from outreach.channels.registry import gateway_of
from outreach.enums import TouchStatus
from outreach.models import Attempt, Touch, TouchDecision
from outreach.recording import Answer, record_answers
from outreach.rules.retry import BETWEEN_LOOKUPS, CRASHES_BEFORE_QUARANTINE, Resolution, may_resend
from outreach.rules.stopping import TIME_LEFT
from outreach.texts import write_text
from outreach.windows import contact_hours, territory_of_commune

logger = logging.getLogger(__name__)

BATCH_SIZE = 64  # looked up together; the worker that asks has other work
ASKING_SECONDS = 20.0  # no batch begins later: who was not looked up is at the next bell
LOOKUP_MARGIN = timedelta(minutes=1)  # between our clock and the operator's
# A message made since an attempt began is of no attempt that began so long before it: deadline and clocks included.
RIVAL_MARGIN = timedelta(minutes=5)


class ResolutionRefused(Exception):
    """The contact is not one whose fate is unknown: there is nothing to decide."""


@dataclass(frozen=True)
class Doubt:
    """An attempt whose answer nobody knows, with what its look-up and its re-send need."""

    attempt_id: int
    touch_id: int
    uuid: UUID
    channel: str
    destination: str
    step_id: int
    allocataire_id: int
    intent_at: datetime
    lookups: int
    allows_resend: bool
    provider: str
    attempts: int


def release_expired_claims(*, now: datetime) -> int:
    """Give back what dead workers had claimed; a contact that saw three of them die is put in quarantine."""
    return _count(sql.RELEASE_EXPIRED, now=now, crashes=CRASHES_BEFORE_QUARANTINE)


def mark_crashed_attempts(*, now: datetime) -> int:
    """Say "unconfirmed" of the intents whose answer was never written within the deadline and its margin."""
    return _count(sql.MARK_CRASHED, now=now)


def reconcile_unconfirmed(*, now: datetime, limit: int = 500) -> int:
    """Ask the operators about unconfirmed attempts; returns how many were found.

    Found: it was submitted. Not found twice and 15 minutes gone by: planned again, once, when the plan allows it;
    otherwise it stays unconfirmed, and shown, until a receipt or a superviseur decides. However slow the operators are,
    it stops soon after ``ASKING_SECONDS``; the next call goes on where it stopped.
    """
    stop_at = time.monotonic() + ASKING_SECONDS
    asked = found = 0
    while asked < limit and time.monotonic() < stop_at:
        size = min(BATCH_SIZE, limit - asked)
        doubts = [Doubt(*row) for row in _rows(sql.CHOOSE_UNCONFIRMED, now=now, limit=size, between=BETWEEN_LOOKUPS)]
        if not doubts:
            break
        asked += len(doubts)
        found += _reconcile(doubts, now)
    return found


def reschedule_missed(*, now: datetime) -> int:
    """Move the contacts whose window closed before they could leave to the next one, or let them expire."""
    with transaction.atomic():
        moved = _count(sql.EXPIRE, now=now)
        places = _rows(sql.MISSED_PLACES, now=now, time_left=TIME_LEFT)
        if places:
            moved += _count(sql.RESCHEDULE, now=now, time_left=TIME_LEFT, **_window_values(places, now))
    return moved


def resolve_touch(*, touch: Touch, decision: Resolution, by: User, now: datetime, reason: str = "") -> None:
    """A superviseur decides of a contact that is unconfirmed or in quarantine: try once more, or close it.

    Closed, an unconfirmed contact goes on counting in the cap: it may have been received.
    Raises ``ResolutionRefused`` when its fate is known meanwhile, or when a quarantine is left without a reason.
    """
    if touch.status == TouchStatus.QUARANTINED and not reason:
        raise ResolutionRefused("Dites pourquoi ce contact sort de quarantaine.")
    values: dict[str, Any]
    if decision == Resolution.RESEND:
        statement, values = sql.PLAN_AGAIN, {"touches": [touch.pk]}
    else:
        statement, values = sql.CLOSE_DOUBT, {"touch": touch.pk}
    from_states = [TouchStatus.UNCONFIRMED.value, TouchStatus.QUARANTINED.value]
    with transaction.atomic():
        is_decided = _count(statement, now=now, from_states=from_states, **values)
        if is_decided:
            TouchDecision.objects.create(touch=touch, decision=decision, by=by, at=now, reason=reason)
    if not is_decided:
        raise ResolutionRefused("Le sort de ce contact est connu : il n’y a plus rien à décider. Rechargez la page.")
    touch.refresh_from_db()
    logger.warning("touch resolved touch=%s decision=%s user=%s", touch.pk, decision, by.pk)


def _reconcile(doubts: Sequence[Doubt], now: datetime) -> int:
    looked_up = _look_up_all(doubts, now)
    rivals = _rivals([doubt for doubt, result in zip(doubts, looked_up, strict=True) if result.found], doubts)
    asked = [*zip(doubts, looked_up, strict=True), *zip(rivals, _look_up_all(rivals, now), strict=True)]
    answers, absent = _sort_look_ups(doubts, asked)
    record_answers(answers=answers, now=now)
    _give_up_or_resend(absent, now)
    return len(answers)


def _look_up_all(doubts: Sequence[Doubt], now: datetime) -> list[LookUpResult]:
    if not doubts:
        return []
    with ThreadPoolExecutor(settings.SMS_CONNECTIONS, thread_name_prefix="look-up") as pool:
        return list(pool.map(_look_up, doubts, _messages(doubts), [now] * len(doubts)))


def _rivals(found: Sequence[Doubt], known: Sequence[Doubt]) -> list[Doubt]:
    """Other attempts whose message the operator may have shown. To be read before the references that are taken."""
    rows = _rows(
        sql.RIVALS,
        destinations=[hash_destination(doubt.destination) for doubt in found],
        providers=[doubt.provider for doubt in found],
        since=[doubt.intent_at - RIVAL_MARGIN for doubt in found],
        attempts=[doubt.attempt_id for doubt in known],
    )
    return [Doubt(*row) for row in rows] if found else []


def _messages(doubts: Sequence[Doubt]) -> list[OutgoingMessage | None]:
    """The messages as they were sent (an operator finds them by recipient and text); None when that cannot be told."""
    steps = Step.objects.in_bulk({doubt.step_id for doubt in doubts})
    ids = {doubt.allocataire_id for doubt in doubts}
    people = {person["id"]: person for person in Allocataire.objects.filter(pk__in=ids).values()}
    return [_message(doubt, steps[doubt.step_id], people[doubt.allocataire_id]) for doubt in doubts]


def _message(doubt: Doubt, step: Step, person: Mapping[str, Any]) -> OutgoingMessage | None:
    if "{{" in step.body and person["updated_at"] > doubt.intent_at:
        return None  # her data changed since: the text may not be the one that left
    try:
        subject, body = write_text(step=step, person=person, attempt_uuid=doubt.uuid)
        return OutgoingMessage(doubt.uuid, doubt.destination, body, subject)
    except MissingValue:
        return None


def _look_up(doubt: Doubt, message: OutgoingMessage | None, now: datetime) -> LookUpResult:
    """Asked of the operator that may hold it, and of no other: another's "no" would prove nothing."""
    gateway = gateway_of(doubt.channel, doubt.provider)
    if message is None or gateway is None:
        return LookUpResult(is_answered=False)
    age = (now - doubt.intent_at + LOOKUP_MARGIN).total_seconds()
    return gateway.look_up(message, max_age_seconds=age)


def _sort_look_ups(
    doubts: Sequence[Doubt], asked: Sequence[tuple[Doubt, LookUpResult]]
) -> tuple[list[Answer], list[Doubt]]:
    """Answers found, and doubts that the operator does not know. One message stands for one attempt only: where several
    may have sent it, none is answered for, nor held for absent.

    Latest first: what can only be theirs is not left to the earlier ones.
    """
    references = {found.provider_ref for _, result in asked for found in result.found}
    taken = {*Attempt.objects.filter(provider_ref__in=references).values_list("provider", "provider_ref")}
    unanswered, answers, absent = list(asked), [], []
    for doubt, result in sorted(asked, key=lambda one: one[0].intent_at, reverse=True):
        free = [found for found in result.found if (doubt.provider, found.provider_ref) not in taken]
        if doubt not in doubts or not result.is_answered:
            continue
        if not free:
            absent.append(doubt)
        elif len(free) >= len([one for one in unanswered if _may_have_sent(*one, doubt, free)]):
            taken.add((doubt.provider, free[0].provider_ref))
            unanswered.remove((doubt, result))
            answers.append(_answer(doubt, free[0]))
    return answers, absent


def _may_have_sent(other: Doubt, result: LookUpResult, doubt: Doubt, free: Sequence[FoundMessage]) -> bool:
    """Whether one of these messages, found for an attempt, may be that of another one (or of the same)."""
    if (other.provider, other.destination) != (doubt.provider, doubt.destination):
        return False
    shown = {found.provider_ref for found in free}
    is_near = other.intent_at >= doubt.intent_at - RIVAL_MARGIN
    return is_near and (not result.is_answered or any(found.provider_ref in shown for found in result.found))


def _answer(doubt: Doubt, found: FoundMessage) -> Answer:
    return Answer(doubt.uuid, found.status, found.provider_ref, found.error_code, found.segments)


def _give_up_or_resend(absent: Sequence[Doubt], now: datetime) -> None:
    _execute(sql.COUNT_EMPTY_LOOKUPS, attempts=[doubt.attempt_id for doubt in absent])
    again = [
        doubt.touch_id
        for doubt in absent
        if may_resend(
            allowed=doubt.allows_resend,
            attempts=doubt.attempts,
            lookups=doubt.lookups + 1,
            intent_at=doubt.intent_at,
            now=now,
        )
    ]
    _execute(sql.PLAN_AGAIN, touches=again, from_states=[TouchStatus.UNCONFIRMED.value], now=now)


def _window_values(places: Sequence[tuple[str, str | None]], now: datetime) -> dict[str, list[Any]]:
    windows = [
        next_window(
            now + TIME_LEFT, channel=channel, territory=territory_of_commune(commune), hours=contact_hours(channel)
        )
        for channel, commune in places
    ]
    return {
        "channels": [channel for channel, _ in places],
        "communes": [commune or "" for _, commune in places],
        "opens": [window.opens_at for window in windows],
        "closes": [window.closes_at for window in windows],
    }


def _count(statement: str, **values: Any) -> int:
    return int(_rows(statement, **values)[0][0])


def _rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _execute(statement: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
