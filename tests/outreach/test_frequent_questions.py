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
    """Whatever was sent before: the tables hold months of it."""
    make_wave(size=200)
    with connection.cursor() as cursor:
        cursor.execute(HISTORY, {"now": MORNING})
        cursor.execute("ANALYZE outreach_touch; ANALYZE outreach_attempt")
        cursor.execute(f"EXPLAIN {polling.CHOOSE_SILENT}", {"channel": "SMS", "now": MORNING, "limit": 64})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on outreach_attempt" not in plan
    plan = plan_of(polling.CHOOSE_SILENT, channel=Channel.SMS.value, now=MORNING, limit=64)
    assert "Seq Scan" not in plan


# All is in flight today, after a hundred days at one try each.
HISTORY = """
WITH flying AS (UPDATE outreach_touch SET status = 'REMIS_OPERATEUR', attempt_count = 101 RETURNING id)
INSERT INTO outreach_attempt (touch_id, number, uuid, provider, provider_ref, status, intent_at, error_code, segments,
                              lookup_count)
SELECT flying.id, day, gen_random_uuid(), 'fake', flying.id || '-' || day,
       CASE day WHEN 101 THEN 'REMIS_OPERATEUR' ELSE 'REMIS' END, %(now)s::timestamptz - (101 - day) * interval '1 day',
       '', 1, 0
  FROM generate_series(1, 101) AS day CROSS JOIN flying ORDER BY day"""


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
