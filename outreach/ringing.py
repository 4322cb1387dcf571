"""One ring, made by an agent or by a dialler: which call may be rung now, and what a result means."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import BadDestinationReason, Channel, FactState, OppositionSource
from campaigns.locks import lock_people
from campaigns.models import ContactFact, User
from campaigns.oppositions import record_opposition
from campaigns.rules.calendar import Window
from outreach import call_desk_sql as sql
from outreach.enums import CallResult, TouchStatus
from outreach.models import Call, CallAttempt, CallHandover, Touch
from outreach.rules.calls import next_ring
from outreach.stopping import current_fingerprints, stopping_values
from outreach.windows import contact_hours, territory_of_commune

logger = logging.getLogger(__name__)

# What the contact has become when the call ends.
END_STATES = {
    CallResult.REACHED: TouchStatus.DELIVERED,
    **dict.fromkeys(CallResult.refusals(), TouchStatus.DELIVERED),
    CallResult.WRONG_NUMBER: TouchStatus.FAILED,
}
# Whether the person was contacted, as the cap counts it; no answer changes nothing.
FACT_STATES = {
    CallResult.REACHED: FactState.ANSWERED,
    **dict.fromkeys(CallResult.refusals(), FactState.ANSWERED),
    CallResult.CALL_BACK: FactState.ANSWERED,
    CallResult.VOICEMAIL: FactState.SUBMITTED,
    CallResult.WRONG_NUMBER: FactState.RELEASED,
}


def lease_next_call(*, to: User | CallHandover, until: datetime, now: datetime) -> Call | None:
    """Give an agent, or a dialler, the next call that nothing stops, until then; None: nothing to ring now.

    Every stop condition is read again, as for a message, after the person is locked (one person a transaction); what is
    stopped for good is written as such.
    """
    skipped: list[int] = []
    while True:
        with transaction.atomic():
            rows = _execute(sql.NEXT_CALL, skipped=skipped, now=now, **stopping_values())
            if not rows:
                return None
            call_id = rows[0][0]
            if _may_ring(rows[0], now):
                holder: dict[str, Any] = {"held_by": to} if isinstance(to, User) else {"held_by": None, "handover": to}
                Call.objects.filter(pk=call_id).update(held_until=until, **holder)
                return Call.objects.get(pk=call_id)
            skipped.append(call_id)


@transaction.atomic
def write_ring(
    *, call: Call, by: User | None, at: datetime, result: str, now: datetime, minutes: int = 0, note: str = ""
) -> CallAttempt:
    """Write what a ring gave; decide whether, and when, the person is rung again. ``minutes``: length of the call.

    A refusal records the opposition (to calls, or to everything), a wrong number the address to correct, in the same
    transaction. A ring of a call that had ended meanwhile is kept, and re-opens nothing.
    """
    touch = Touch.objects.select_related("allocataire").get(pk=call.touch_id)
    lock_people(persons=[touch.allocataire_id], destinations=[touch.destination_hash])
    touch.refresh_from_db(fields=["status"])  # a refusal may have been recorded while we waited for the lock
    attempt = CallAttempt.objects.create(
        call=call, number=call.attempts.count() + 1, by=by, at=at, result=result, minutes=minutes, note=note
    )
    touch.attempt_count = attempt.number
    is_open = call.done_at is None
    window = _next_window(call, touch, now) if is_open and not CallResult(result).ends_the_call else None
    _settle_touch(touch, result, window, now)
    _settle_fact(touch, result, has_ended=window is None, at=at)
    _settle_call(call, window, now)
    _act_on(touch, result, by, now)
    logger.info("call recorded call=%s attempt=%s result=%s", call.pk, attempt.number, result)
    return attempt


def _may_ring(row: Sequence[Any], now: datetime) -> bool:
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


def _next_window(call: Call, touch: Touch, now: datetime) -> Window | None:
    window = next_ring(
        rings=list(call.attempts.order_by("at").values_list("at", flat=True)),
        territory=territory_of_commune(touch.allocataire.commune_id),
        hours=contact_hours(Channel.CALL),
        now=now,
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


def _settle_fact(touch: Touch, result: str, *, has_ended: bool, at: datetime) -> None:
    facts = ContactFact.objects.filter(touch_ref=touch.pk)
    if state := FACT_STATES.get(CallResult(result)):
        facts.update(state=state, at=at)
    elif has_ended:
        facts.filter(state=FactState.RESERVED).update(state=FactState.RELEASED)


def _settle_call(call: Call, window: Window | None, now: datetime) -> None:
    call.held_by = call.held_until = None
    call.next_try_at = window.opens_at if window else None
    call.done_at = call.done_at or (None if window else now)
    call.save(update_fields=["held_by", "held_until", "next_try_at", "done_at"])


def _act_on(touch: Touch, result: str, by: User | None, now: datetime) -> None:
    if result == CallResult.WRONG_NUMBER:  # somebody else answers there: nothing of hers may be sent to it
        finding = Finding(touch.allocataire_id, touch.destination, "", BadDestinationReason.SOMEBODY_ELSE)
        record_bad_destinations(findings=[finding], now=now)
    if (refused := CallResult.refusals().get(CallResult(result))) is not None:
        record_opposition(
            allocataire_ids=[touch.allocataire_id], channel=refused, source=OppositionSource.CALL, now=now, by=by
        )


def _execute(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
