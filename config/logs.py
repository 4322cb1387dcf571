"""How a line of log is written: where it broke and of what kind, never the words of an exception."""

import logging
import traceback
from types import TracebackType

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class WithoutMessages(logging.Formatter):
    """Exceptions as frames and types: a database error quotes the row, and with it a phone or a name."""

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 — logging's own name
        lines: list[str] = []
        error = ei[1]
        while error is not None:
            lines = [*traceback.format_tb(error.__traceback__), type(error).__name__, "\n", *lines]
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "".join(lines).rstrip()
