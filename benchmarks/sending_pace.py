"""How exactly two workers keep together to an operator's contract, by the ledger of the operator simulator."""

import time
from pathlib import Path
from typing import Any

from benchmarks.sending_stage import Meter, Workers, cpu_of, plan_again, rows, wait_until_sent

JITTER = 0.02  # what a loaded machine may add between the instant of leaving and the ledger of the operator
STARTS_IN = 6  # seconds, so that both workers are there
AT_FULL_RATE = """
INSERT INTO outreach_providerpace (provider, contract, rate, ceiling, changed_at, cut_at, next_at, held_until, recent,
                                   version)
SELECT 'twilio', {contract}, {contract}, {contract}, at, 0, at, 0, '[]', 0
  FROM (SELECT extract(epoch FROM clock_timestamp()) + {later} AS at) AS begins"""


def measure_pacing(contract: int, seconds: float, folder: Path) -> None:
    """At the full rate from the first message on: the slow start is a rule, tested elsewhere."""
    from campaigns.rules.messages import sms_parts
    from tests.factories import SMS_TEXT
    from tests.faults.harness import OperatorProcess

    simulator = OperatorProcess(folder / str(contract))
    both = [
        Workers(simulator.url, folder, slots=32, processes=1, BENCH_CONTRACT=str(contract), BENCH_CONNECTIONS="32")
        for _ in range(2)
    ]
    plan_again(int(contract * seconds / sms_parts(SMS_TEXT).segments), folder / "sending.jsonl")
    rows("DELETE FROM outreach_providerpace")
    rows(AT_FULL_RATE.format(contract=contract, later=STARTS_IN))
    try:
        for workers in both:
            workers.ring()
        time.sleep(STARTS_IN - 1)
        meter, begun = Meter(*both), time.perf_counter()
        wait_until_sent(meter, *both, seconds=seconds * 2 + 20)
        shares = [used / (time.perf_counter() - begun) for used in meter.read()]
        report(contract, simulator.read(messages=True)["messages"], shares)
    finally:
        for workers in both:
            workers.close()
        simulator.close()


def report(contract: int, messages: list[dict[str, Any]], shares: list[float]) -> None:
    at = sorted((message["accepted_at"], message["segments"]) for message in messages)
    strict, allowed = (fullest(at, contract, window) for window in (1.0, 1.0 - JITTER))
    segments = sum(n for _, n in at)
    sustained = (segments - at[-1][1]) / (at[-1][0] - at[0][0]) / contract
    print(f"\ncontract of {contract} segments/s, two workers: {segments} sent")
    print(f"  fullest sliding second {strict} ({allowed} in {1 - JITTER:.2f} s), {sustained:.3f} sustained")
    print(f"  of a core: workers {shares[0]:.2%}, database {shares[1]:.2%}", end="")
    print(f"; the pacing alone {cost_of_pacing(contract):.2%}", flush=True)


def fullest(at: list[tuple[float, int]], contract: int, window: float) -> int:
    """Segments of the fullest window that begins with an arrival."""
    return max(sum(n for t, n in at[i : i + 2 * contract] if t < begun + window) for i, (begun, _) in enumerate(at))


def cost_of_pacing(contract: int, rounds: int = 300) -> float:
    """What asking and reserving cost at that rate, Python and database, as a share of a core."""
    from outreach.pacing import SharedPacer
    from outreach.rules.pacing import HORIZON, REFILL

    batch = max(1, min(32, int(contract * (HORIZON - REFILL))))
    begun, session = time.process_time(), rows("SELECT pg_backend_pid()")[0][0]
    before = cpu_of(session)
    for _ in range(rounds):
        pacer = SharedPacer("benchmark", contract)  # another worker's turn: nothing is known beforehand
        pacer.room()
        pacer.reserve([1] * batch)
    spent = time.process_time() - begun + cpu_of(session) - before
    return spent / rounds * contract / batch
