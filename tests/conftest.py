"""Conventions as failing tests, and the few fixtures everybody needs."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.conf import settings
from django.db.models.expressions import OrderBy
from django.db.models.functions import Random
from django.db.models.sql.compiler import SQLCompiler
from django.template import engines
from django.template.base import FilterExpression, Node

# What must never reach a log: French phone numbers and e-mail addresses.
PERSONAL = re.compile(r"(?:\+33|\b0)\s?[1-9](?:[\s.-]?\d{2}){4}\b|\b[\w.+-]+@[\w-]+\.[\w.]{2,}")


@pytest.fixture(autouse=True)
def _sends_alone_and_at_once(settings: Any, tmp_path: Path) -> None:
    """What one test sent is unknown to the database of the next one, which would refuse to send."""
    settings.SENDING_JOURNAL = tmp_path / "sending.jsonl"
    settings.CANARY_MINIMUM = 1_000_000  # a wave leaves as a whole, unless a test says otherwise


@pytest.fixture(autouse=True)
def _gateways_are_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process keeps its gateways: those of an earlier test would ask an operator that is gone."""
    from outreach.channels import registry

    monkeypatch.setattr(registry, "_providers", {})
    monkeypatch.setattr(registry, "_former", {})


@pytest.fixture(autouse=True)
def _stop_buttons(request: pytest.FixtureRequest) -> None:
    """Transactional tests empty every table; the stop buttons and the fence must exist or nothing may be sent."""
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        request.getfixturevalue("transactional_db")
        from outreach.models import Fence, Pause

        Pause.objects.bulk_create([Pause(scope=s) for s in ("", "SMS", "EMAIL", "CALL")], ignore_conflicts=True)
        Fence.objects.get_or_create()


@pytest.fixture(autouse=True)
def _nothing_personal_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    for when in ("setup", "call"):
        for record in caplog.get_records(when):
            found = PERSONAL.search(caplog.handler.format(record))
            assert found is None, f"{record.name} logs something personal at {record.pathname}:{record.lineno}"


@pytest.fixture(autouse=True, scope="session")
def _unordered_rows_come_shuffled() -> Iterator[None]:
    """A query that names no order gets a random one: a test that relied on luck fails."""
    original = SQLCompiler._order_by_pairs

    def shuffled(self: SQLCompiler) -> Iterator[Any]:
        pairs = list(original(self))
        query = self.query
        plain = not (query.distinct or query.combinator or query.subquery or query.group_by is not None)
        yield from pairs or ([(OrderBy(Random()), False)] if plain and not query.annotation_select else [])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLCompiler, "_order_by_pairs", shuffled)
        yield


@pytest.fixture(autouse=True, scope="session")
def _undefined_variables_fail() -> None:
    """In our templates a misspelt variable is an error, not an empty string."""
    engines["django"].engine.string_if_invalid = UndefinedVariable()


class UndefinedVariable(str):
    """Django asks whether this is true at the very moment when a variable is missing; Django's own templates may."""

    __slots__ = ()

    def __bool__(self) -> bool:
        caller = sys._getframe(1)
        expression = caller.f_locals.get("self")
        if isinstance(expression, FilterExpression) and not _has_default(expression):
            origin = _template_of(caller)
            if origin is not None and origin.is_relative_to(settings.BASE_DIR) and ".venv" not in origin.parts:
                where = origin.relative_to(settings.BASE_DIR)
                pytest.fail(f"{where}: undefined variable {expression.token}", pytrace=False)
        return False


def _has_default(expression: FilterExpression) -> bool:
    return any(function.__name__ in {"default", "default_if_none"} for function, _ in expression.filters)


def _template_of(frame: FrameType | None) -> Path | None:
    while frame is not None:
        node = frame.f_locals.get("self")
        if isinstance(node, Node) and getattr(node, "origin", None):
            return Path(node.origin.name)
        frame = frame.f_back
    return None
