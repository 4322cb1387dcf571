"""The story of a segment that is kept: checked against the others where nobody else is writing one."""

from django.db import connection, transaction

from campaigns.models import Segment
from campaigns.rules.criteria import check_or_refuse
from campaigns.segments import load_catalogue

SEGMENTS_LOCK = 4_205


def keep_segment(*, segment: Segment) -> None:
    """Save it, new or changed. Raises ``InvalidCriteria`` when its criteria no longer can be, as the others now stand.

    One at a time: of two that come to contain each other at the same instant, the second is refused.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEGMENTS_LOCK])
        check_or_refuse(segment.criteria, load_catalogue(writing=segment if segment.pk else None))
        segment.save()
