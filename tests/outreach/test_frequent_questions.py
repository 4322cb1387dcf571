"""What is asked every few seconds finds its rows by an index: the tables only grow."""

from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from campaigns.enums import Channel
from campaigns.rules.keyed_hash import hash_pads
from outreach import canary_sql, polling
from tests.outreach.waves import MORNING

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
