"""``./dev bench``: the measures of ``benchmarks/``, on a PostgreSQL and a broker of their own."""

import os
from collections.abc import Sequence

from config.local import LOCAL, ROOT, LocalFailure
from config.local.processes import Processes, call
from config.local.servers import python, start_broker, throwaway_database

# As delivered, but for what depends on the disk of the day.
SERVER = {"fsync": "off", "max_connections": "200"}
# What ``./dev bench all`` measures of each stage, one command after the other.
STAGES: dict[str, list[list[str]]] = {
    "import_population": [[]],
    "months": [[]],
    "segments": [[], ["--growth", "10000,113000,1000000"]],
    "pages": [[]],
    "dispatch": [[]],
    "email": [[]],
    "receipts": [[], ["--burst", "1000000", "--pairs", "1"]],
}


def bench(arguments: Sequence[str]) -> int:
    """One stage with the options given, or ``all``; 0 when each measure was taken. Measures want a quiet machine."""
    name, *options = arguments or [""]
    if name not in {*STAGES, "all"} or (name == "all" and options):
        raise LocalFailure(
            f"Usage : ./dev bench all, ou ./dev bench MESURE [options] avec MESURE parmi {', '.join(STAGES)}"
        )
    runs = [(stage, run) for stage in STAGES for run in STAGES[stage]] if name == "all" else [(name, options)]
    LOCAL.mkdir(exist_ok=True)
    processes = Processes()
    try:
        with throwaway_database(SERVER) as reached:
            environment = {**os.environ, **reached, **start_broker(processes)}
            return max([_measure(stage, run, environment) for stage, run in runs])
    finally:
        processes.stop()


def _measure(stage: str, options: Sequence[str], environment: dict[str, str]) -> int:
    print(f"\n=== {' '.join([stage, *options])}", flush=True)
    return call(python("-m", f"benchmarks.{stage}", *options), environment=environment, cwd=ROOT)
