from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.bells import Bells
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


@pytest.fixture
def start_bells(tmp_path: Path) -> Iterator[Callable[..., Bells]]:
    started: list[Bells] = []

    def start(operator: OperatorProcess, **options: object) -> Bells:
        started.append(Bells(tmp_path, operator, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for bells in started:
        bells.close()
