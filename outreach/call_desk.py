"""The calls of the day: listed at night, handed to agents one by one, each with its result."""

from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from campaigns.models import User
from outreach import call_desk_sql as sql
from outreach.models import Call, CallAttempt
from outreach.ringing import lease_next_call, write_ring

HOLD = timedelta(minutes=30)  # a call lasts less; beyond, the agent has gone and another may ring


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
    """Hand an agent the next call that nothing stops, for her alone during half an hour. The one she holds, if any."""
    held = Call.objects.held(agent, now).first()
    return held or lease_next_call(to=agent, until=now + HOLD, now=now)


def record_call_result(
    *, call: Call, agent: User, result: str, now: datetime, minutes: int = 0, note: str = ""
) -> CallAttempt:
    """Write the result of a ring that an agent has just made. ``minutes``: length. Raises ``CallNotHeld``."""
    with transaction.atomic():
        held = _lock_held(call, agent)
        return write_ring(call=held, by=agent, at=now, result=result, now=now, minutes=minutes, note=note)


def release_call(*, call: Call, agent: User, now: datetime) -> None:
    """Give a call back without having rung. Raises ``CallNotHeld``."""
    with transaction.atomic():
        call = _lock_held(call, agent)
        call.held_by = call.held_until = None
        call.save(update_fields=["held_by", "held_until"])


def _lock_held(call: Call, agent: User) -> Call:
    call = Call.objects.select_for_update().get(pk=call.pk)
    if call.held_by_id != agent.pk or call.done_at:
        raise CallNotHeld("Cet appel n’est plus entre vos mains. Prenez l’appel suivant de la liste.")
    return call


def _execute(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
