"""The first contacts of a wave leave alone: chosen when it is planned, so that no dispatcher can overshoot them."""

from datetime import datetime

from django.conf import settings
from django.db import connection

from campaigns.rules.keyed_hash import hash_pads
from outreach import canary_sql as sql
from outreach.rules.safeguards import canary_size


def choose_canaries(*, audience_id: int, now: datetime) -> int:
    """Mark the contacts of a planned wave that leave first; returns how many. A wave not larger is open at once.

    To be called in the transaction that plans: until it commits the wave does not exist. Idempotent.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.COUNT_PLANNED, {"audience": audience_id})
        total = int(cursor.fetchone()[0])
        size = canary_size(total=total, share=settings.CANARY_SHARE, minimum=settings.CANARY_MINIMUM)
        released_at = now if size == total else None
        cursor.execute(sql.OPEN, {"audience": audience_id, "size": size, "released_at": released_at})
        if cursor.fetchone() and released_at is None:
            mark_first(audience_id=audience_id, size=size)
    return size


def mark_first(*, audience_id: int, size: int) -> None:
    """So many more contacts of the wave leave without waiting: the first due that may leave at all."""
    pads = hash_pads(settings.DESTINATION_HASH_KEY)
    with connection.cursor() as cursor:
        cursor.execute(sql.MARK, {"audience": audience_id, "size": size, **pads})
