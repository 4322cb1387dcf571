"""How exactly two workers keep together to an operator's contract: when each message left, and when it arrived.

The operator is the lean one, which stamps what it reads and does nothing else: a simulator that is writing its ledger
reads what has been waiting for it meanwhile, as one burst.
"""

import time
from bisect import bisect_left
from pathlib import Path

from benchmarks.sending_stage import LeanOperator, Meter, Workers, cpu_of, plan_again, rows, wait_until_sent

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

    operator, departures = LeanOperator(0.0), folder / f"departures-{contract}"
    both = [
        Workers(operator.url, folder, slots=32, processes=1, BENCH_CONTRACT=str(contract), BENCH_CONNECTIONS="32",
                BENCH_DEPARTURES=str(departures))
        for _ in range(2)
    ]  # fmt: skip
    segments = sms_parts(SMS_TEXT).segments
    plan_again(int(contract * seconds / segments), folder / "sending.jsonl")
    rows("DELETE FROM outreach_providerpace")
    rows(AT_FULL_RATE.format(contract=contract, later=STARTS_IN))
    try:
        for workers in both:
            workers.ring()
        time.sleep(STARTS_IN - 1)
        meter, begun = Meter(*both), time.perf_counter()
        wait_until_sent(meter, *both, seconds=seconds * 2 + 20)
        shares = [used / (time.perf_counter() - begun) for used in meter.read()]
        left = sorted(map(float, departures.read_text().split()))
        report(contract, segments, left, sorted(operator.arrivals()), shares)
    finally:
        for workers in both:
            workers.close()
        operator.close()


def report(contract: int, segments: int, left: list[float], arrived: list[float], shares: list[float]) -> None:
    if len(left) != len(arrived):
        raise SystemExit(f"{len(left)} messages left, {len(arrived)} arrived")
    sustained = segments * (len(arrived) - 1) / (arrived[-1] - arrived[0]) / contract
    print(f"\ncontract of {contract} segments/s, two workers: {segments * len(arrived)} sent")
    print(f"  fullest sliding second {segments * fullest(arrived)} on arrival", end="")
    print(f" ({segments * fullest(left)} on leaving), {sustained:.3f} sustained")
    print(f"  latest on its way {max(b - a for a, b in zip(left, arrived, strict=True)) * 1e3:.1f} ms")
    print(f"  of a core: workers {shares[0]:.2%}, database {shares[1]:.2%}", end="")
    print(f"; the pacing alone {cost_of_pacing(contract):.2%}", flush=True)


def fullest(at: list[float]) -> int:
    """Messages of the fullest second that begins with one of them."""
    return max(bisect_left(at, begun + 1) - place for place, begun in enumerate(at))


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
