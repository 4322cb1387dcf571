"""The size of every segment, night after night: what shows that a public grows, or that an import lost people."""

from dataclasses import dataclass
from datetime import date

from campaigns.models import Segment, SegmentCount
from campaigns.rules.criteria import InvalidCriteria
from campaigns.segments import count_matching


@dataclass(frozen=True)
class SegmentCounts:
    counted: int
    unreadable: int  # criteria that mean nothing any more (a field that was removed)


def record_segment_counts(*, on: date) -> SegmentCounts:
    """Count every segment for the night ``on``; the same night again corrects its counts."""
    counts: list[SegmentCount] = []
    unreadable = 0
    for segment in Segment.objects.order_by("pk"):
        try:
            counts.append(SegmentCount(segment=segment, on=on, count=count_matching(segment.criteria, today=on)))
        except InvalidCriteria:
            unreadable += 1
    SegmentCount.objects.bulk_create(
        counts, update_conflicts=True, unique_fields=["segment", "on"], update_fields=["count"]
    )
    return SegmentCounts(len(counts), unreadable)
