"""What is asked every few seconds finds its rows by an index: the tables only grow."""

from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from campaigns.enums import Channel
from campaigns.rules.keyed_hash import hash_pads
from outreach import canary_sql, polling
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from tests.outreach.waves import MORNING, make_wave

pytestmark = pytest.mark.django_db


def plan_of(statement: str, **values: Any) -> str:
    """The plan that full tables would have, told on empty ones."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}", values)
        return "\n".join(line for (line,) in cursor.fetchall())


def test_waves_that_wait_for_their_first_contacts() -> None:
    plan = plan_of(canary_sql.READ_HELD, **hash_pads(settings.DESTINATION_HASH_KEY))
    assert "touch_canary" in plan
    assert "Seq Scan on outreach_touch" not in plan


def test_messages_without_a_final_receipt() -> None:
    plan = plan_of(polling.CHOOSE_SILENT, channel=Channel.SMS.value, now=MORNING, limit=64)
    assert "touch_in_flight" in plan
    assert "Seq Scan" not in plan


def test_the_first_contacts_that_are_due() -> None:
    """Read in order, and no more of them than a batch has: however many are due, a claim costs the same."""
    make_wave(size=500)
    with connection.cursor() as cursor, use_gateway(Channel.SMS, FakeGateway()):
        cursor.execute("UPDATE outreach_touch SET channel = 'EMAIL' WHERE id % 2 = 0; ANALYZE outreach_touch")
        cursor.execute("SET LOCAL random_page_cost = 40")  # reading in order looks dear
        dispatch_due(channel=Channel.SMS, worker="test", deadline_seconds=0.1)
        cursor.execute("SELECT name, cardinality(parameter_types) FROM pg_prepared_statements WHERE statement ~ 'SKIP'")
        ((name, parameters),) = cursor.fetchall()
        cursor.execute(f"EXPLAIN EXECUTE {name} ({', '.join(['NULL'] * parameters)})")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Scan using touch_due" in plan
    assert "Sort" not in plan
