"""Figures as French readers write them. What is not known is said in words, never shown as 0."""

from datetime import date

from outreach.rules.statistics import Interval

UNKNOWN = "non renseigné"
_THIN = "\u202f"  # narrow no-break space, between thousands
_SPACE = "\u00a0"  # no-break space, before a unit
_MINUS = "−"
_MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)


def write_count(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}".replace(",", _THIN)


def write_number(value: float, decimals: int) -> str:
    """``-1234.5`` with one decimal → ``−1 234,5``. A value that rounds to 0 carries no sign."""
    text = f"{abs(value):,.{decimals}f}".replace(",", _THIN).replace(".", ",")
    return _MINUS + text if value < 0 and text.strip("0,") else text


def write_rate(value: float | None) -> str:
    """A proportion as a percentage; under 10 %, with two decimals, because these rates are small."""
    if value is None:
        return UNKNOWN
    if value in (0, 1):
        return f"{value * 100:.0f}{_SPACE}%"
    return f"{write_number(value * 100, 2 if value < 0.0995 else 1)}{_SPACE}%"


def write_points(value: float) -> str:
    """A difference of proportions in points, always with its sign."""
    text = write_number(value * 100, 2)
    unit = "point" if abs(value) < 0.02 else "points"
    return f"{'+' if not text.startswith(_MINUS) else ''}{text}{_SPACE}{unit}"


def write_points_interval(interval: Interval) -> str:
    low, high = (write_number(edge * 100, 2) for edge in (interval.low, interval.high))
    return f"de {low} à {high}{_SPACE}points"


def write_rate_interval(interval: Interval) -> str:
    return f"de {write_rate(interval.low)} à {write_rate(interval.high)}"


def write_euros(value: float | None) -> str:
    """Euros and cents below a thousand, whole euros above."""
    if value is None:
        return UNKNOWN
    whole = abs(value) >= 1_000 or float(value).is_integer()
    return f"{write_number(value, 0 if whole else 2)}{_SPACE}€"


def write_p(value: float) -> str:
    return "p < 0,001" if value < 0.001 else f"p = {write_number(value, 3)}"


def write_day(day: date, *, with_year: bool = True) -> str:
    number = "1er" if day.day == 1 else str(day.day)
    return f"{number} {_MONTHS[day.month - 1]}" + (f" {day.year}" if with_year else "")
