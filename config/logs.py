"""How a line of log is written: where it broke and of what kind, never the words of an exception."""

import copy
import logging
import traceback
from collections.abc import Mapping
from types import TracebackType

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class WithoutMessages(logging.Formatter):
    """Exceptions as frames and types: a database error quotes the row, and with it a phone or a name."""

    def format(self, record: logging.LogRecord) -> str:
        said = record.args
        if isinstance(said, Mapping) and "exc" in said:  # Celery says what a task raised, in its own sentence
            record = copy.copy(record)
            record.args = {**said, "exc": str(said["exc"]).partition("(")[0]}
        return super().format(record)

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 — logging's own name
        lines: list[str] = []
        error = ei[1]
        while error is not None:
            lines = [*traceback.format_tb(error.__traceback__), type(error).__name__, "\n", *lines]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "".join(lines).rstrip()
