"""Where things wait, and since when: one question a step, for the page of the system and for IT's supervision."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from campaigns.enums import CampaignStatus, Channel
from campaigns.models import ImportStatus
from campaigns.rules.keyed_hash import hash_pads
from outreach.canary_sql import PAUSED_CHANNEL, WAITING
from outreach.enums import AttemptStatus, EventKind, NightStatus, TouchStatus
from outreach.rules.pending import Pending, read_table
from outreach.rules.stopping import TIME_LEFT
from outreach.stopping import FENCE_CLOSED, FIRST_CONTACTS

# What may leave now: a pause, a closed fence or a wave that waits are decisions, not delays.
_SENDABLE = f"""outreach_touch t JOIN campaigns_campaign c ON c.id = t.campaign_id
 AND c.status = '{CampaignStatus.RUNNING}' WHERE t.status = '{TouchStatus.PLANNED}' AND t.channel <> '{Channel.CALL}'"""

QUERIES: dict[str, str] = {
    "night": f"""SELECT count(*), min(coalesce(finished_at, started_at)) FROM outreach_night
        WHERE (status = '{NightStatus.RUNNING}' OR next_try_at <= %(now)s)
          AND "on" = (SELECT max("on") FROM outreach_night)""",
    "due": f"""SELECT count(*), min(t.due_at) FROM {_SENDABLE} AND t.due_at <= %(now)s
        AND t.closes_at > %(now)s + %(time_left)s AND t.expires_at > %(now)s
        AND NOT {FIRST_CONTACTS} AND NOT {FENCE_CLOSED}
        AND NOT {PAUSED_CHANNEL}""",
    "outage": "SELECT count(*), min(since) FROM outreach_outage",
    "missed": f"""SELECT count(*), min(least(closes_at, expires_at)) FROM outreach_touch
        WHERE status = '{TouchStatus.PLANNED}' AND least(closes_at, expires_at) <= %(now)s""",
    "claimed": f"SELECT count(*), min(status_at) FROM outreach_touch WHERE status = '{TouchStatus.CLAIMED}'",
    "sending": f"SELECT count(*), min(status_at) FROM outreach_touch WHERE status = '{TouchStatus.SENDING}'",
    "first": WAITING,
    "unconfirmed": f"SELECT count(*), min(status_at) FROM outreach_touch WHERE status = '{TouchStatus.UNCONFIRMED}'",
    "silent": f"""SELECT count(*), min(o.submitted_at) FROM outreach_touch t
        JOIN outreach_attempt o ON o.touch_id = t.id
         AND o.status IN ('{AttemptStatus.SUBMITTED}', '{AttemptStatus.SENT}')
        WHERE t.status IN ('{TouchStatus.SUBMITTED}', '{TouchStatus.SENT}') AND t.channel = '{Channel.SMS}'
          AND o.intent_at <= %(now)s - interval '30 minutes' AND o.intent_at > %(now)s - interval '7 days'""",
    "events": f"""SELECT count(*), min(received_at) FROM outreach_providerevent
        WHERE applied_at IS NULL AND kind = '{EventKind.STATUS}'""",
    "inbound": f"""SELECT count(*), min(received_at) FROM outreach_providerevent
        WHERE applied_at IS NULL AND kind = '{EventKind.INBOUND}'""",
    "replies": "SELECT count(*), min(received_at) FROM outreach_reply WHERE handled_at IS NULL",
    "uploads": f"""SELECT count(*), min(started_at) FROM campaigns_populationimport
        WHERE status IN ('{ImportStatus.WAITING}', '{ImportStatus.RUNNING}')""",
    "calls": "SELECT count(*), min(held_until) FROM outreach_call WHERE done_at IS NULL AND held_until <= %(now)s",
    "quarantine": f"SELECT count(*), min(status_at) FROM outreach_touch WHERE status = '{TouchStatus.QUARANTINED}'",
}


# One round trip for all of them. Only a wave is known to go on at some time: its question has a third column.
TABLE = " UNION ALL ".join(
    f"SELECT '{code}', q.*{'' if query is WAITING else ', NULL::timestamptz'} FROM ({query}) q"
    for code, query in QUERIES.items()
)


def read_pending(*, now: datetime) -> list[Pending]:
    """How many wait at each step, since when and until when, in the order of ``rules.pending.STEPS``."""
    hold = timedelta(seconds=settings.CANARY_HOLD_SECONDS)
    pads = hash_pads(settings.DESTINATION_HASH_KEY)
    values: dict[str, Any] = {"now": now, "time_left": TIME_LEFT, "hold": hold, **pads}
    with connection.cursor() as cursor:
        cursor.execute(TABLE, values)
        figures = {code: (number, since, until) for code, number, since, until in cursor.fetchall()}
    return read_table(figures, now=now)
