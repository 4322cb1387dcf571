"""The story of a segment that is kept: checked against the others where nobody else is writing one."""

from dataclasses import replace

from django.db import connection, transaction

from campaigns.known_criteria import load_catalogue
from campaigns.models import Segment
from campaigns.rules.criteria import Catalogue, InvalidCriteria, check, check_or_refuse
from campaigns.rules.criteria_catalogue import NamedTree

SEGMENTS_LOCK = 4_205


def keep_segment(*, segment: Segment) -> None:
    """Save it, new or changed. Raises ``InvalidCriteria`` when its criteria no longer can be, as the others now stand,
    or when one of those that contain it could no longer be read.

    One at a time: of two that come to contain each other at the same instant, the second is refused.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEGMENTS_LOCK])
        catalogue = load_catalogue(writing=segment if segment.pk else None)
        check_or_refuse(segment.criteria, catalogue)
        if problems := _break_others(segment, catalogue):
            raise InvalidCriteria(problems)
        segment.save()


def _break_others(segment: Segment, catalogue: Catalogue) -> list[str]:
    """What the other segments could no longer say, and can now: too many inside one another, or too long."""
    changed = {**catalogue.segments, catalogue.own: NamedTree(segment.name, segment.criteria)}
    return [
        f"Le segment « {other.name} », qui le contient, ne pourrait plus être lu. {' '.join(problems)}"
        for code, other in catalogue.segments.items()
        if code != catalogue.own
        and (problems := check(other.tree, replace(catalogue, own=code, segments=changed)))
        and not check(other.tree, replace(catalogue, own=code))
    ]
