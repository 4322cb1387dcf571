"""A log never repeats the words of an exception: they quote people."""

import logging

from celery.app.trace import LOG_FAILURE
from django.conf import settings

from config.logs import WithoutMessages


def test_an_exception_is_told_without_its_words() -> None:
    words = "Key (mobile)=(" + "+3363998" + "0001)"
    record = None
    try:
        try:
            raise ValueError(words)
        except ValueError as error:
            raise RuntimeError(words) from error
    except RuntimeError as error:
        exc_info = (type(error), error, error.__traceback__)
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "it broke", (), exc_info)
    text = WithoutMessages().format(record)
    assert "RuntimeError" in text
    assert "ValueError" in text
    assert "test_logs.py" in text
    assert "0001" not in text


def test_what_a_task_raised_is_told_by_its_kind() -> None:
    """Celery writes the words of an exception into its own sentence."""
    said = {"name": "outreach.tasks.dispatch_due", "id": "1", "exc": "IntegrityError('Key (mobile)=(0001)')"}
    record = logging.LogRecord("celery.app.trace", logging.ERROR, __file__, 1, LOG_FAILURE, (), None)
    record.args = {**said, "description": "raised unexpected"}
    text = WithoutMessages().format(record)
    assert text == "Task outreach.tasks.dispatch_due[1] raised unexpected: IntegrityError"
    assert record.args["exc"] == said["exc"], "other handlers have what they had"


def test_every_handler_writes_so() -> None:
    formatters = settings.LOGGING["formatters"]
    assert all(
        formatters[handler["formatter"]]["()"] == "config.logs.WithoutMessages"
        for handler in settings.LOGGING["handlers"].values()
    )
