"""Geometry of the charts drawn by templates: numbers in, whole coordinates out. No HTML here."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from campaigns.rules.french import french_number

SCALE = 1000  # a bar of the full width


@dataclass(frozen=True)
class Bar:
    label: str
    value: int | float
    width: int  # of SCALE
    text: str
    note: str = ""
    series: str = "1"


@dataclass(frozen=True)
class BarChart:
    title: str
    bars: tuple[Bar, ...]
    value_label: str = "Personnes"
    label_label: str = "Groupe"


@dataclass(frozen=True)
class Tick:
    position: int
    text: str


@dataclass(frozen=True)
class Line:
    label: str
    series: str
    points: str  # "x,y x,y", as SVG reads them
    last: str


@dataclass(frozen=True)
class LineChart:
    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]  # the table behind: day, one text a line
    width: int
    height: int


WIDTH, HEIGHT = 720, 260


def build_bar_chart(
    title: str, rows: Sequence[tuple[str, int | float]], *, value_label: str = "Personnes", label_label: str = "Groupe"
) -> BarChart:
    """Horizontal bars on a common scale from zero. ``rows``: (label, number)."""
    top = max((value for _, value in rows), default=0) or 1
    bars = tuple(Bar(label, value, round(SCALE * value / top), french_number(value)) for label, value in rows)
    return BarChart(title, bars, value_label, label_label)


def build_funnel(title: str, rows: Sequence[tuple[str, int | None, str, str]]) -> BarChart:
    """Stages of a funnel. ``rows``: (label, persons or None when not known, text, definition); widths of the first."""
    top = rows[0][1] if rows and rows[0][1] else 1
    bars = tuple(
        Bar(label, value or 0, min(SCALE, round(SCALE * (value or 0) / top)), text, definition)
        for label, value, text, definition in rows
    )
    return BarChart(title, bars, "Personnes", "Étape")


def build_line_chart(title: str, series: Sequence[tuple[str, str, Sequence[tuple[int, float]]]]) -> LineChart:
    """Cumulative shares by day. ``series``: (label, series code, [(days since the launch, share between 0 and 1)])."""
    days = sorted({0, *(day for _, _, points in series for day, _ in points)})
    top = _ceiling(max((share for _, _, points in series for _, share in points), default=0.0))
    span = max(days[-1], 1)
    lines = tuple(_line(label, code, points, span, top) for label, code, points in series if points)
    x_ticks = tuple(Tick(round(WIDTH * part / 4), f"J+{round(span * part / 4)}") for part in range(5))
    y_ticks = tuple(Tick(HEIGHT - round(HEIGHT * part / 4), french_percent(top * part / 4)) for part in range(5))
    rows = tuple(
        (f"J+{day}", tuple(_share_on(points, day) for _, _, points in series if points)) for day in _some(days, 12)
    )
    return LineChart(title, lines, x_ticks, y_ticks, rows, WIDTH, HEIGHT)


def french_euros(amount: Decimal) -> str:
    """12.5 → "12,50 €"."""
    return f"{amount:,.2f}".replace(",", "\u202f").replace(".", ",") + "\u00a0€"


def french_percent(share: float) -> str:
    """0.1234 → "12,3 %". Two digits after the comma under 1 %."""
    digits = 2 if 0 < abs(share) < 0.01 else 1
    return f"{100 * share:.{digits}f}".replace(".", ",") + "\u202f%"


def _line(label: str, code: str, points: Sequence[tuple[int, float]], span: int, top: float) -> Line:
    places = [(round(WIDTH * day / span), HEIGHT - round(HEIGHT * share / top)) for day, share in _stairs(points, span)]
    text = " ".join(f"{x},{y}" for x, y in places)
    return Line(label, code, text, french_percent(points[-1][1]))


def _stairs(points: Sequence[tuple[int, float]], last_day: int) -> list[tuple[int, float]]:
    """From nothing on day 0, level until each day that adds somebody, and on to the last day shown."""
    stairs = [(0, 0.0)]
    for day, share in points:
        stairs += [(day, stairs[-1][1]), (day, share)]
    return [*stairs, (last_day, stairs[-1][1])]


def _ceiling(share: float) -> float:
    """The first round share above the highest point, so that four gridlines fall on readable numbers."""
    steps = (0.004, 0.01, 0.02, 0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8)
    return next((step for step in steps if share <= step), 1.0)


def _some(days: Sequence[int], count: int) -> list[int]:
    if len(days) <= count:
        return list(days)
    return [days[round(place * (len(days) - 1) / (count - 1))] for place in range(count)]


def _share_on(points: Sequence[tuple[int, float]], day: int) -> str:
    known = [share for when, share in points if when <= day]
    return french_percent(known[-1]) if known else "—"
