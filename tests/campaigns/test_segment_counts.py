"""Every segment counted once a night, and the curve of its page."""

from datetime import date, timedelta

import pytest
from django.urls import reverse

from campaigns.admin.segment_evolution import build_evolution
from campaigns.models import Segment, SegmentCount
from campaigns.segment_counts import SegmentCounts, record_segment_counts
from outreach.roles import DPO
from tests.factories import NIGHT, make_allocataires, make_segment
from tests.pages import make_colleague, sign_in

pytestmark = pytest.mark.django_db


def kept() -> list[tuple[date, int]]:
    return list(SegmentCount.objects.order_by("on").values_list("on", "count"))


def counted(segment: Segment, *counts: int) -> None:
    SegmentCount.objects.bulk_create(
        SegmentCount(segment=segment, on=NIGHT + timedelta(days=n), count=count) for n, count in enumerate(counts)
    )


def test_each_night_keeps_a_count_and_the_same_night_again_corrects_it() -> None:
    make_segment()
    make_allocataires(2)
    assert record_segment_counts(on=NIGHT) == SegmentCounts(1, 0)
    make_allocataires(1)
    record_segment_counts(on=NIGHT)
    record_segment_counts(on=NIGHT + timedelta(days=1))
    assert kept() == [(NIGHT, 3), (NIGHT + timedelta(days=1), 3)]


def test_a_segment_that_means_nothing_any_more_stops_nobody() -> None:
    make_segment({"field": "disparu", "op": "eq", "value": 1})
    make_segment()
    assert record_segment_counts(on=NIGHT) == SegmentCounts(1, 1)


@pytest.mark.parametrize("counts", [(0, 0), (1, 5, 1), (787, 812), (99_999, 113_000)])
def test_the_curve_stays_inside_its_frame(counts: tuple[int, ...]) -> None:
    segment = make_segment()
    counted(segment, *counts)
    chart = build_evolution(segment)
    assert chart is not None
    places = [tuple(map(int, pair.split(","))) for pair in chart.lines[0].points.split()]
    assert len(places) == len(counts)
    assert all(0 <= x <= chart.width and 0 <= y <= chart.height for x, y in places)
    assert len(chart.rows) == len(counts)


def test_one_night_makes_no_curve() -> None:
    segment = make_segment()
    counted(segment, 3)
    assert build_evolution(segment) is None


def test_the_page_shows_the_curve_and_its_table() -> None:
    segment = make_segment()
    counted(segment, 787, 812)
    client = sign_in(make_colleague(DPO))
    page = client.get(reverse("admin:campaigns_segment_change", args=[segment.pk])).content.decode()
    assert "Effectif des dernières nuits" in page
    assert "787" in page


def test_nights_of_several_years_are_told_apart() -> None:
    segment = make_segment()
    for on in (date(2023, 1, 1), date(2026, 3, 1)):
        SegmentCount.objects.create(segment=segment, on=on, count=3)
    chart = build_evolution(segment)
    assert chart
    assert [chart.x_ticks[0].text, chart.x_ticks[-1].text] == ["01/2023", "03/2026"]
