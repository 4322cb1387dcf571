"""What a batch of receipts says against e-mail addresses: gone, refused again and again, or complained from.

An address that complained is not an opposition: it is set apart, and an agent may correct it.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from itertools import groupby

from django.db import connection

from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import BadDestinationReason, Channel
from outreach.enums import AttemptStatus
from outreach.rules.bounces import REPEATED, Blame, are_repeated, bad_address_reason, blame_of

MEMORY = timedelta(days=90)

# ``receipts_heard``: the batch being applied (see ``receipts_sql``). All that was heard, news or not: a report of
# failure may come after a server said that it delivered.
READ_BLAMED = f"""
SELECT DISTINCT t.allocataire_id, t.destination, t.destination_hash, h.code
  FROM receipts_heard h JOIN outreach_touch t ON t.id = h.touch_id
 WHERE t.channel = '{Channel.EMAIL}' AND t.destination <> '' AND h.code = ANY(%(codes)s)"""

READ_LAST = f"""
SELECT address, CASE WHEN status = '{AttemptStatus.UNDELIVERED}' THEN error_code ELSE '' END
  FROM (SELECT t.destination_hash AS address, o.status, o.error_code, o.intent_at,
               row_number() OVER (PARTITION BY t.destination_hash ORDER BY o.intent_at DESC, o.id DESC) AS place
          FROM outreach_touch t JOIN outreach_attempt o ON o.touch_id = t.id
         WHERE t.destination_hash = ANY(%(addresses)s) AND t.destination_hash <> '' AND t.channel = '{Channel.EMAIL}'
           AND o.intent_at > %(since)s) AS tried
 WHERE place <= {REPEATED} ORDER BY address, place"""


def note_bounces(*, codes: Iterable[str], now: datetime) -> int:
    """Note the addresses that these codes, heard in this batch, speak against. Returns how many findings there were."""
    blamed_codes = [code for code in codes if blame_of(code) in {Blame.ADDRESS, Blame.COMPLAINT, Blame.PASSING}]
    if not blamed_codes:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(READ_BLAMED, {"codes": blamed_codes})
        blamed = cursor.fetchall()
    passing = {address for _, _, address, code in blamed if blame_of(code) is Blame.PASSING}
    failing = _keep_failing(passing, now) if passing else set()
    findings = [
        Finding(person, destination, Channel.EMAIL, reason)
        for person, destination, address, code in blamed
        if (reason := bad_address_reason(code) or (BadDestinationReason.KEEPS_FAILING if address in failing else None))
    ]
    return record_bad_destinations(findings=findings, now=now)


def _keep_failing(addresses: Collection[str], now: datetime) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(READ_LAST, {"addresses": list(addresses), "since": now - MEMORY})
        rows = cursor.fetchall()
    return {address for address, told in groupby(rows, key=lambda row: row[0]) if are_repeated([c for _, c in told])}
