"""The value of a criterion as typed in inputs ⇄ as kept in JSON: one widget for each kind of value."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from campaigns.rules.criteria_catalogue import Field, FieldType

Parts = Mapping[str, tuple[str, ...]]

AGO, AHEAD, ON = "ago", "ahead", "date"
DETAILS = ("plan", "theme", "channel", "outcome")
_INTEGER = re.compile(r"-?\d{1,15}")
_DECIMAL = re.compile(r"-?\d{1,15}\.\d{1,15}")


class Widget(StrEnum):
    """What a row shows for its value; ``RAW``: a criterion that the catalogue no longer knows, kept as it was."""

    NONE = "none"
    YES_NO = "yes_no"
    CHOICE = "choice"
    CHOICES = "choices"
    TEXT = "text"
    TEXTS = "texts"
    NUMBER = "number"
    NUMBERS = "numbers"
    MOMENT = "moment"
    MOMENTS = "moments"
    HISTORY = "history"
    RAW = "raw"


def widget_of(field: Field | None, op: str) -> Widget:
    """Which inputs a criterion needs: by the type of its fact, and by its operator."""
    if field is None or op not in field.operators:
        return Widget.RAW
    if op in ("is_set", "is_not_set"):
        return Widget.NONE
    if field.type in (FieldType.BOOLEAN, FieldType.HISTORY):
        return Widget.YES_NO if field.type == FieldType.BOOLEAN else Widget.HISTORY
    if field.type == FieldType.DATE:
        return Widget.MOMENTS if op == "between" else Widget.MOMENT
    if field.type in (FieldType.NUMBER, FieldType.AGE, FieldType.CHILD_AGE):
        return Widget.NUMBERS if op == "between" else Widget.NUMBER
    is_many = op in ("in", "not_in", "has_any", "has_none")
    if field.choices or field.type in (FieldType.SEGMENT, FieldType.LIST):
        return Widget.CHOICES if is_many else Widget.CHOICE
    return Widget.TEXTS if is_many else Widget.TEXT


# --- JSON → inputs ----------------------------------------------------------------------------------


def read_parts(widget: Widget, leaf: Mapping[str, Any]) -> Parts:
    """What the inputs of a criterion show. A value of another shape shows as well as it can: it will not write back."""
    if widget is Widget.RAW:
        return {"raw": (json.dumps(leaf["value"]),)} if "value" in leaf else {}
    value = leaf.get("value")
    match widget:
        case Widget.NONE:
            return {}
        case Widget.NUMBERS | Widget.MOMENTS:
            low, high = value if isinstance(value, list) and len(value) == 2 else (None, None)
            return {**_bound_parts("low", low), **_bound_parts("high", high)}
        case Widget.MOMENT:
            return _bound_parts("low", value)
        case Widget.HISTORY:
            detail = value if isinstance(value, dict) else {"days": value}
            return {key: (_shown(detail[key]),) for key in ("days", *DETAILS) if key in detail}
        case Widget.CHOICES:
            return {"value": tuple(map(_shown, value))} if isinstance(value, list) else {}
        case Widget.TEXTS:
            return {"value": ("\n".join(map(_shown, value)),)} if isinstance(value, list) else {}
        case _:
            return {"value": (_shown(value),)}


def _bound_parts(name: str, value: object) -> Parts:
    days = value.get("days") if isinstance(value, dict) else None
    if isinstance(days, int):
        return {f"{name}_mode": (AHEAD if days > 0 else AGO,), name: (str(abs(days)),)}
    return {f"{name}_mode": (ON,), name: (_shown(value),)}


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


# --- Inputs → JSON ----------------------------------------------------------------------------------


def write_value(widget: Widget, parts: Parts) -> dict[str, Any]:
    """``{"value": …}``, or ``{}`` when nothing is typed. What cannot be read as expected stays the text typed."""
    if widget is Widget.RAW:
        return _raw(parts)
    if widget is Widget.NONE:
        return {}
    value = _WRITERS[widget](parts)
    return {} if value is None else {"value": value}


def _raw(parts: Parts) -> dict[str, Any]:
    try:
        return {"value": json.loads(parts["raw"][0])}
    except (KeyError, IndexError, ValueError, RecursionError):
        return {}


def _first(parts: Parts, name: str) -> str:
    values = parts.get(name, ())
    return values[0].strip() if values else ""


def _number(parts: Parts, name: str = "value") -> int | float | str | None:
    """A French comma and spaces between thousands are understood."""
    typed = _first(parts, name)
    text = re.sub(r"[\s\u00a0\u202f]", "", typed).replace(",", ".")
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else typed or None


def _moment(parts: Parts, name: str = "low") -> dict[str, int] | str | None:
    mode, typed = _first(parts, f"{name}_mode"), _first(parts, name)
    if mode in (AGO, AHEAD) and re.fullmatch(r"\d{1,6}", typed):
        return {"days": -int(typed) if mode == AGO else int(typed)}
    return typed or None


def _pair(read: Callable[[Parts, str], Any]) -> Callable[[Parts], list[Any] | None]:
    def both(parts: Parts) -> list[Any] | None:
        values = [read(parts, "low"), read(parts, "high")]
        return None if values == [None, None] else [value for value in values if value is not None]

    return both


def _yes_no(parts: Parts) -> bool | str | None:
    typed = _first(parts, "value")
    return {"true": True, "false": False}.get(typed, typed or None)


def _lines(parts: Parts) -> list[str] | None:
    return [line.strip() for line in _first(parts, "value").splitlines() if line.strip()] or None


def _choices(parts: Parts) -> Sequence[str] | None:
    return [value for value in parts.get("value", ()) if value] or None


def _history(parts: Parts) -> Any:
    days = _number(parts, "days")
    details = {key: text for key in DETAILS if (text := _first(parts, key))}
    return {"days": days, **details} if details else days


_WRITERS: Mapping[Widget, Callable[[Parts], Any]] = {
    Widget.YES_NO: _yes_no,
    Widget.CHOICE: lambda parts: _first(parts, "value") or None,
    Widget.CHOICES: _choices,
    Widget.TEXT: lambda parts: _first(parts, "value") or None,
    Widget.TEXTS: _lines,
    Widget.NUMBER: _number,
    Widget.NUMBERS: _pair(_number),
    Widget.MOMENT: _moment,
    Widget.MOMENTS: _pair(_moment),
    Widget.HISTORY: _history,
}
