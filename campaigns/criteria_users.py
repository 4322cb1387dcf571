"""Who would lose something if a segment or a list went: what names it."""

from collections.abc import Iterator, Mapping
from typing import Any

from campaigns.enums import CampaignStatus
from campaigns.models import Campaign, ImportedList, Segment
from campaigns.rules.criteria import leaves
from campaigns.rules.criteria_segments import references


def find_users_of_segment(segment: Segment) -> list[str]:
    """What names it, in French. A campaign that was submitted holds a copy of the criteria: it needs nothing more."""
    code = str(segment.pk)
    others = Segment.objects.exclude(pk=segment.pk).order_by("name").values_list("name", "criteria")
    campaigns = segment.campaigns.order_by("name").values_list("name", flat=True)
    return [
        *(f"segment « {name} »" for name, tree in others if code in references(tree)),
        *(f"campagne « {name} »" for name in campaigns),
    ]


def find_users_of_list(imported_list: ImportedList) -> list[str]:
    """The segments that name it, and the campaigns still to be played whose pinned criteria do."""
    over = (CampaignStatus.CLOSED, CampaignStatus.CANCELLED)
    campaigns = Campaign.objects.exclude(status__in=over).exclude(criteria=None).order_by("name")
    segments = Segment.objects.order_by("name").values_list("name", "criteria")
    return [
        *(f"segment « {name} »" for name, tree in segments if imported_list.code in _codes(tree)),
        *(f"campagne « {each.name} »" for each in campaigns if imported_list.code in _codes(each.criteria or {})),
    ]


def _codes(tree: Mapping[str, Any]) -> Iterator[str]:
    for leaf in leaves(tree):
        if leaf["field"] == "list":
            yield from leaf["value"]
