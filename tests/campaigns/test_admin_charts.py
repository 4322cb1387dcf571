"""Geometry of the charts: whole coordinates, a common scale, French figures."""

from decimal import Decimal

from campaigns.admin.charts import (
    SCALE,
    build_bar_chart,
    build_funnel,
    build_line_chart,
    french_euros,
    french_percent,
)
from campaigns.rules.french import french_number


def test_french_figures() -> None:
    assert french_number(1234567) == "1\u202f234\u202f567"
    assert french_number(2.5) == "2,5"
    assert french_percent(0.1234) == "12,3\u202f%"
    assert french_percent(0.0043) == "0,43\u202f%"
    assert french_percent(0) == "0,0\u202f%"
    assert french_euros(Decimal("1234.5")) == "1\u202f234,50\u00a0€"


def test_the_longest_bar_fills_the_width() -> None:
    chart = build_bar_chart("Essai", [("a", 50), ("b", 25), ("c", 0)])
    assert [bar.width for bar in chart.bars] == [SCALE, SCALE // 2, 0]


def test_nothing_to_show_is_not_an_error() -> None:
    assert build_bar_chart("Essai", []).bars == ()
    assert build_bar_chart("Essai", [("a", 0)]).bars[0].width == 0
    assert build_funnel("Essai", [("a", None, "non renseigné", "")]).bars[0].width == 0


def test_a_funnel_is_drawn_out_of_its_first_stage() -> None:
    chart = build_funnel("", [("Ciblés", 200, "200", ""), ("Retenus", 50, "50 sur 200", ""), ("?", None, "—", "")])
    assert [bar.width for bar in chart.bars] == [SCALE, SCALE // 4, 0]
    assert chart.bars[1].text == "50 sur 200"


def test_a_line_is_level_until_somebody_is_added() -> None:
    chart = build_line_chart("Essai", [("Contactés", "1", [(15, 0.06), (30, 0.12)]), ("Témoins", "control", [])])
    assert [line.label for line in chart.lines] == ["Contactés"]
    assert (chart.width, chart.height) == (720, 260)
    assert chart.lines[0].points == "0,260 360,260 360,130 720,130 720,0 720,0"
    assert [tick.text for tick in chart.x_ticks] == ["J+0", "J+8", "J+15", "J+22", "J+30"]
    assert chart.rows == (("J+0", ("—",)), ("J+15", ("6,0\u202f%",)), ("J+30", ("12,0\u202f%",)))


def test_a_curve_without_points_is_empty() -> None:
    assert build_line_chart("Essai", []).lines == ()
