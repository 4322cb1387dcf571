"""A dispatcher whose base refuses it for an instant: nothing is lost, nobody is held for the killer of a worker."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected

from campaigns.models import set_clock
from outreach import dispatch, dispatch_sql
from outreach.channels.fake import FakeGateway
from outreach.enums import TouchStatus
from outreach.models import Attempt, Touch
from tests.outreach.waves import MORNING, make_wave


def send() -> None:
    dispatch.dispatch_due(channel="SMS", worker="test", deadline_seconds=5)


@pytest.mark.django_db
def test_a_batch_given_up_in_a_deadlock_is_decided_again(
    operator: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    def deadlock_twice(**people: Any) -> dict[int, str]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise OperationalError from DeadlockDetected()
        return lock_people(**people)

    lock_people = dispatch.lock_people
    monkeypatch.setattr(dispatch, "lock_people", deadlock_twice)
    make_wave(size=3)
    send()
    assert (tries, len(operator.ledger), Attempt.objects.count()) == (3, 3, 3)


@pytest.mark.django_db(transaction=True)
def test_claims_are_given_back_on_a_fresh_connection(operator: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session ends while a batch is claimed, and the base is not back at once."""
    set_clock(MORNING)
    make_wave(size=3)
    refused = 0

    def cut(point: str) -> None:
        if point == "1-claimed":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    def refuse_once(statement: str, **values: Any) -> list[tuple[Any, ...]]:
        nonlocal refused
        if statement == dispatch_sql.RELEASE and not refused:
            refused += 1
            raise OperationalError("the database system is starting up")
        return run_statement(statement, **values)

    run_statement = dispatch.run_statement
    with monkeypatch.context() as broken:
        broken.setattr(dispatch, "reached", cut)
        broken.setattr(dispatch, "run_statement", refuse_once)
        broken.setattr(dispatch, "GIVE_BACK_PAUSES", (0,))
        with pytest.raises(OperationalError):
            send()
    assert refused == 1
    assert set(Touch.objects.values_list("status", "attempt_count")) == {(TouchStatus.PLANNED, 0)}
