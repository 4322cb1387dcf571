"""How fast messages leave, and how exactly paced: ``python -m benchmarks.dispatch [--runs 3] [--only speed|pacing]``.

Real Celery workers (two processes) send through PostgreSQL to an operator that costs next to nothing, at 0 and 80 ms,
with 100 and 256 requests at once. Anchors of the same run: one Celery task for each message with Twilio's own client,
and clients alone, ours and Twilio's. Pacing is judged on leaving and on arrival. Needs DATABASE_URL and
REDIS_URL; a test database is made and dropped. Medians; the figures go to ``docs/performance.md``.
"""

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from uuid import uuid4

from benchmarks.sending_stage import (
    LeanOperator,
    Meter,
    Workers,
    plan_again,
    rows,
    touch_ids,
    wait_for,
    wait_until_sent,
)

PROCESSES = 2
PER_TASK = 200
JOURNAL = "sending.jsonl"


@dataclass(frozen=True)
class Run:
    """Messages a second, and processor milliseconds of each part for a message."""

    rate: float
    workers: float = 0.0
    database: float = 0.0
    operator: float = 0.0

    @property
    def parts(self) -> str:
        return f"CPU ms/message: workers {self.workers:.2f}, database {self.database:.2f}, operator {self.operator:.2f}"


def middle(runs: list[Run]) -> Run:
    return Run(*(median(getattr(run, name) for run in runs) for name in ("rate", "workers", "database", "operator")))


def send_alone(operator: LeanOperator, slots: int, number: int, *, is_twilio: bool) -> Run:
    """A client in a loop, without database nor broker: ours, or Twilio's as it comes."""
    from tests.factories import SMS_TEXT

    send = twilio_sender(operator, SMS_TEXT) if is_twilio else our_sender(operator, SMS_TEXT)
    spent, begun = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(send, range(number)))
    return Run(number / (time.perf_counter() - begun), (time.process_time() - spent) / number * 1e3)


def our_sender(operator: LeanOperator, text: str) -> Callable[[int], object]:
    from outreach.channels.ports import OutgoingMessage
    from outreach.channels.sms_twilio import TwilioGateway

    gateway = replace(TwilioGateway.from_settings(), api_url=operator.url)
    return lambda i: gateway.send(OutgoingMessage(uuid4(), f"+3369{i:07d}", text))


def twilio_sender(operator: LeanOperator, text: str) -> Callable[[int], object]:
    from benchmarks.sending_worker import plain_client

    create = plain_client(operator.url).messages.create
    return lambda i: create(to=f"+3369{i:07d}", from_="+33600000001", body=f"{text} {uuid4()}")


def send_by_workers(operator: LeanOperator, workers: Workers, folder: Path, number: int, *, per_task: bool) -> Run:
    """``per_task``: one Celery task for each message; else ours."""
    plan_again(number, folder / JOURNAL)
    spent = operator.read("reset")["cpu"]
    meter = Meter(workers)
    if per_task:
        for touch_id in touch_ids():
            workers.app.send_task("benchmarks.send_one", args=[touch_id], queue=workers.queue)
    else:
        workers.ring()
    wait_until_sent(meter, *(() if per_task else (workers,)), seconds=120)
    told = operator.read()
    if told["count"] != number or told["doubled"]:
        raise SystemExit(f"{told['count']:.0f} messages instead of {number}, {told['doubled']:.0f} doubled")
    parts = [seconds / number * 1e3 for seconds in (*meter.read(), told["cpu"] - spent)]
    return Run((number - 1) / (told["last"] - told["first"]), *parts)


def count_in_doubt(operator: LeanOperator, folder: Path, slots: int) -> int:
    """Requests whose fate nobody knows after every worker is killed with -9 in the middle."""
    workers = Workers(operator.url, folder, slots=slots, processes=PROCESSES)
    plan_again(slots * 40, folder / JOURNAL)
    operator.read("reset")
    workers.ring()
    wait_for(lambda: operator.read()["count"] > slots * 10, seconds=60, what="messages are leaving")
    workers.kill()
    return int(rows("SELECT count(*) FROM outreach_attempt WHERE status = 'ENVOI'")[0][0])


def measure_speed(latency: float, slots: int, runs: int, folder: Path) -> None:
    number = min(8_000, max(4_000, slots * 40))
    operator = LeanOperator(latency)
    workers = Workers(operator.url, folder, slots=slots, processes=PROCESSES)
    found: dict[str, list[Run]] = {"ours": [], "alone": [], "twilio": [], "per_task": []}
    try:
        send_by_workers(operator, workers, folder, 1_000, per_task=False)
        for _ in range(runs):
            found["alone"].append(send_alone(operator, slots, number, is_twilio=False))
            found["ours"].append(send_by_workers(operator, workers, folder, number, per_task=False))
            found["twilio"].append(send_alone(operator, slots, 1_000, is_twilio=True))
            found["per_task"].append(send_by_workers(operator, workers, folder, PER_TASK, per_task=True))
    finally:
        workers.close()
    in_doubt = count_in_doubt(operator, folder, slots) if latency else 0
    operator.close()
    report_speed(latency, slots, {name: middle(several) for name, several in found.items()}, in_doubt)


def report_speed(latency: float, slots: int, found: dict[str, Run], in_doubt: int) -> None:
    ours, alone, twilio, per_task = (found[name] for name in ("ours", "alone", "twilio", "per_task"))
    print(f"\n{latency * 1000:.0f} ms, {slots} requests at once")
    print(f"  dispatch              {ours.rate:7.0f}/s   {ours.parts}")
    print(f"  our client alone      {alone.rate:7.0f}/s   CPU ms/message: {alone.workers:.2f}")
    print(f"  Twilio's client alone {twilio.rate:7.0f}/s   CPU ms/message: {twilio.workers:.2f}")
    print(f"  one task a message    {per_task.rate:7.0f}/s   {per_task.parts}")
    told = [
        f"{ours.rate / alone.rate:.2f} of our client alone",
        f"{ours.rate / twilio.rate:.2f} of Twilio's",
        f"{ours.rate / per_task.rate:.1f} times one task a message",
    ]
    if latency:
        told.append(f"{ours.rate * latency / slots:.2f} of slots ÷ latency")
        told.append(f"{in_doubt} in doubt after kill -9")
    print(f"  → dispatch: {', '.join(told)}", flush=True)


def measure(asked: argparse.Namespace, folder: Path) -> None:
    from benchmarks.sending_pace import measure_pacing
    from tests.outreach.waves import make_wave

    make_wave(size=10_300)
    if asked.only != "pacing":
        for latency in (0.0, 0.08):
            for slots in (100, 256):
                measure_speed(latency, slots, asked.runs, folder)
    if asked.only != "speed":
        for contract in (10, 100):
            measure_pacing(contract, asked.seconds, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20, help="of pacing, for each contract")
    parser.add_argument("--only", choices=["speed", "pacing"], default="")
    asked = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings_sending"
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    import django

    django.setup()
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # Twilio's client keeps ten connections, and says so
    from django.test.utils import setup_databases, teardown_databases

    databases = setup_databases(verbosity=0, interactive=False, serialized_aliases=())
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(asked, Path(folder))
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
