"""The count of a segment over its last nights, as a curve and its table."""

from datetime import date, timedelta

from campaigns.admin.charts import HEIGHT, WIDTH, Line, LineChart, Tick
from campaigns.models import Segment
from campaigns.rules.french import french_number

NIGHTS = 60
PARTS = 4
MOST_OF_A_YEAR = 300  # days, beyond which a day and a month could be of two years


def build_evolution(segment: Segment) -> LineChart | None:
    """The last nights of a segment; nothing before there are two."""
    latest = segment.counts.order_by("-on").values_list("on", "count")[:NIGHTS]
    points = sorted(latest)
    return _chart(points) if len(points) > 1 else None


def _chart(points: list[tuple[date, int]]) -> LineChart:
    first, span = points[0][0], (points[-1][0] - points[0][0]).days
    top = _ceiling(max(count for _, count in points))
    places = [(round(WIDTH * (on - first).days / span), HEIGHT - round(HEIGHT * count / top)) for on, count in points]
    written = "%d/%m" if span < MOST_OF_A_YEAR else "%m/%Y"
    shown = [points[0][0] + timedelta(days=round(span * part / PARTS)) for part in range(PARTS + 1)]
    return LineChart(
        title="Effectif des dernières nuits",
        lines=(Line("Personnes", "1", " ".join(f"{x},{y}" for x, y in places), french_number(points[-1][1])),),
        x_ticks=tuple(Tick(round(WIDTH * (on - first).days / span), f"{on:{written}}") for on in dict.fromkeys(shown)),
        y_ticks=tuple(
            Tick(HEIGHT - round(HEIGHT * part / PARTS), french_number(top * part // PARTS)) for part in range(PARTS + 1)
        ),
        rows=tuple((f"{on:%d/%m/%Y}", (french_number(count),)) for on, count in reversed(points)),
        width=WIDTH,
        height=HEIGHT,
    )


def _ceiling(highest: int) -> int:
    """A number of which the quarters are whole and readable, above the highest count."""
    step = PARTS
    while step < highest:
        step = next((step * more for more in (2, 5, 10) if step * more >= highest), step * 10)
    return step
