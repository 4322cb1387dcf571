from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.harness import OperatorProcess, Workers

StartOperator = Callable[..., OperatorProcess]


@pytest.fixture
def start_operator(tmp_path: Path, settings: object) -> Iterator[StartOperator]:
    started: list[OperatorProcess] = []

    def start(**behaviour: float) -> OperatorProcess:
        started.append(OperatorProcess(tmp_path, **behaviour))
        settings.TWILIO_API_URL = started[-1].url  # type: ignore[attr-defined]
        return started[-1]

    yield start
    for operator in started:
        operator.close()


@pytest.fixture
def start_workers() -> Iterator[Callable[[OperatorProcess], Workers]]:
    started: list[Workers] = []

    def start(operator: OperatorProcess) -> Workers:
        started.append(Workers(operator))
        return started[-1]

    yield start
    for workers in started:
        workers.close()
