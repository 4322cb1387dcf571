"""The calls of the day: listed at night, handed to agents one by one, each with its result."""

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import BadDestinationReason, Channel, FactState, OppositionSource
from campaigns.locks import lock_people
from campaigns.models import ContactFact, User
from campaigns.oppositions import record_opposition
from campaigns.rules.calendar import Window
from outreach import call_desk_sql as sql
from outreach.enums import CallResult, TouchStatus
from outreach.models import Call, CallAttempt, Touch
from outreach.rules.calls import next_ring
from outreach.stopping import current_fingerprints, stopping_values
from outreach.windows import contact_hours, territory_of_commune

logger = logging.getLogger(__name__)

HOLD = timedelta(minutes=30)  # a call lasts less; beyond, the agent has gone and another may ring

# What the contact has become when the call ends.
END_STATES = {
    CallResult.REACHED: TouchStatus.DELIVERED,
    CallResult.REFUSED: TouchStatus.DELIVERED,
    CallResult.WRONG_NUMBER: TouchStatus.FAILED,
}
# Whether the person was contacted, as the cap counts it; no answer changes nothing.
FACT_STATES = {
    CallResult.REACHED: FactState.ANSWERED,
    CallResult.REFUSED: FactState.ANSWERED,
    CallResult.CALL_BACK: FactState.ANSWERED,
    CallResult.VOICEMAIL: FactState.SUBMITTED,
    CallResult.WRONG_NUMBER: FactState.RELEASED,
}


class CallNotHeld(Exception):
    """The call is in somebody else's hands, or already done: its result cannot be written."""


def build_call_list(*, on: date, now: datetime) -> int:
    """List the calls of a day, by priority, under ``settings.CALLS_PER_DAY``; returns how many are open that day.

    Those left over from the days before come first. Idempotent.
    """
    values = {
        "on": on,
        "now": now,
        "zone": settings.TIME_ZONE,
        "calls_per_day": settings.CALLS_PER_DAY,
    }
    with transaction.atomic():
        for statement in (sql.CLOSE_STOPPED, sql.CARRY_OVER, sql.LIST_NEW):
            _execute(statement, **values)
        return int(_execute(sql.COUNT_OPEN, **values)[0][0])


def take_next_call(*, agent: User, now: datetime) -> Call | None:
    """Hand an agent the next call that nothing stops, for her alone during half an hour. The one she holds, if any.

    Every stop condition is read again, as for a message, after the person is locked. None: nothing to ring now.
    """
    held = Call.objects.filter(held_by=agent, held_until__gt=now, done_at=None).first()
    skipped: list[int] = []
    while held is None:
        with transaction.atomic():
            rows = _execute(sql.NEXT_CALL, skipped=skipped, now=now, **stopping_values())
            if not rows:
                return None
            call_id = rows[0][0]
            if _may_ring(rows[0], now):
                Call.objects.filter(pk=call_id).update(held_by=agent, held_until=now + HOLD)
                held = Call.objects.get(pk=call_id)
            skipped.append(call_id)
    return held


def record_call_result(
    *, call: Call, agent: User, result: str, now: datetime, minutes: int = 0, note: str = ""
) -> CallAttempt:
    """Write the result of a ring; decide whether, and when, the person is rung again. ``minutes``: length of the call.

    A refusal records the opposition to calls, a wrong number the address to correct, in the same transaction. Raises
    ``CallNotHeld``.
    """
    with transaction.atomic():
        call = _lock_held(call, agent)
        touch = Touch.objects.select_related("allocataire").get(pk=call.touch_id)
        lock_people(persons=[touch.allocataire_id], destinations=[touch.destination_hash])
        attempt = CallAttempt.objects.create(
            call=call, number=call.attempts.count() + 1, by=agent, at=now, result=result, minutes=minutes, note=note
        )
        touch.attempt_count = attempt.number
        window = None if CallResult(result).ends_the_call else _next_window(call, touch)
        _settle_touch(touch, result, window, now)
        _settle_fact(touch, result, has_ended=window is None, now=now)
        _settle_call(call, window, now)
        if result == CallResult.WRONG_NUMBER:  # somebody else answers there: nothing of hers may be sent to it
            finding = Finding(touch.allocataire_id, touch.destination, "", BadDestinationReason.SOMEBODY_ELSE)
            record_bad_destinations(findings=[finding], now=now)
        if result == CallResult.REFUSED:
            record_opposition(
                allocataire_ids=[touch.allocataire_id],
                channel=Channel.CALL,
                source=OppositionSource.CALL,
                now=now,
                by=agent,
            )
    logger.info("call recorded call=%s attempt=%s result=%s", call.pk, attempt.number, result)
    return attempt


def release_call(*, call: Call, agent: User, now: datetime) -> None:
    """Give a call back without having rung. Raises ``CallNotHeld``."""
    with transaction.atomic():
        call = _lock_held(call, agent)
        call.held_by = call.held_until = None
        call.save(update_fields=["held_by", "held_until"])


def _may_ring(row: Sequence[Any], now: datetime) -> bool:
    """Lock the person, then read every stop condition; what is stopped for good is written as such."""
    call_id, touch_id, campaign_id, person_id, destination_hash = row
    lock_people(persons=[person_id], destinations=[destination_hash])
    if _execute(sql.HELD_ELSEWHERE, person=person_id, call=call_id, now=now)[0][0]:
        return False
    fingerprints = current_fingerprints([campaign_id])
    ((code, is_stopped),) = _execute(
        sql.JUDGE_CALL,
        touch=touch_id,
        now=now,
        channel=Channel.CALL.value,
        campaigns=list(fingerprints),
        fingerprints=list(fingerprints.values()),
        **stopping_values(),
    )
    if is_stopped:
        Call.objects.filter(pk=call_id).update(done_at=now)
    return not code


def _lock_held(call: Call, agent: User) -> Call:
    call = Call.objects.select_for_update().get(pk=call.pk)
    if call.held_by_id != agent.pk or call.done_at:
        raise CallNotHeld("Cet appel n’est plus entre vos mains. Prenez l’appel suivant de la liste.")
    return call


def _next_window(call: Call, touch: Touch) -> Window | None:
    window = next_ring(
        rings=list(call.attempts.order_by("at").values_list("at", flat=True)),
        territory=territory_of_commune(touch.allocataire.commune_id),
        hours=contact_hours(Channel.CALL),
    )
    return window if window and window.opens_at < touch.expires_at else None


def _settle_touch(touch: Touch, result: str, window: Window | None, now: datetime) -> None:
    if touch.status == TouchStatus.PLANNED:  # a STOP by SMS may have come during the call: it stands
        touch.status_at = now
        if window:
            touch.due_at, touch.closes_at = window.opens_at, window.closes_at
        else:
            touch.status = END_STATES.get(CallResult(result), TouchStatus.UNDELIVERED)
    touch.save(update_fields=["status", "status_at", "due_at", "closes_at", "attempt_count"])


def _settle_fact(touch: Touch, result: str, *, has_ended: bool, now: datetime) -> None:
    facts = ContactFact.objects.filter(touch_ref=touch.pk)
    if state := FACT_STATES.get(CallResult(result)):
        facts.update(state=state, at=now)
    elif has_ended:
        facts.filter(state=FactState.RESERVED).update(state=FactState.RELEASED)


def _settle_call(call: Call, window: Window | None, now: datetime) -> None:
    call.held_by = call.held_until = None
    call.next_try_at = window.opens_at if window else None
    call.done_at = None if window else now
    call.save(update_fields=["held_by", "held_until", "next_try_at", "done_at"])


def _execute(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
