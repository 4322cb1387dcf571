"""The cell of a workbook → the text that the same cell holds in a CSV file."""

import re
from datetime import date, datetime, time, timedelta

_BREAKS = re.compile(r"[\r\n\t\v\f]+")
_EXACT = 10**15  # Excel keeps fifteen digits of a number


def text_of_cell(value: object) -> str:
    """Dates in ISO form, whole numbers without decimals, ``oui``/``non``; a break inside a cell becomes a space."""
    if isinstance(value, str):
        return _BREAKS.sub(" ", value)
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, int | float):
        return _text_of_number(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return "" if value is None or isinstance(value, timedelta) else str(value)


def _text_of_number(value: int | float) -> str:
    """Beyond fifteen digits, the last ones are zeros that Excel put there: shown as lost (see ``excel_damage``)."""
    if abs(value) >= _EXACT:
        return f"{value:.4E}"
    return str(int(value)) if value == int(value) else repr(value)
