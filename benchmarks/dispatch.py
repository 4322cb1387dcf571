"""Sending against the client alone: ``python -m benchmarks.dispatch [--messages 1000] [--pairs 3]``.

Anchor and ours are interleaved in one run; medians and their ratio are printed (``docs/performance.md``). The messages
go to the operator simulator, in a process of its own, on a test database that is dropped at the end.
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4


def send_alone(gateway: Any, number: int) -> float:
    """Messages a second through the gateway, without database."""
    from django.conf import settings

    from outreach.channels.ports import OutgoingMessage
    from tests.factories import SMS_TEXT

    messages = [OutgoingMessage(uuid4(), f"+3369{i:07d}", SMS_TEXT) for i in range(number)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(settings.SMS_CONNECTIONS) as pool:
        list(pool.map(gateway.send, messages))
    return number / (time.perf_counter() - begun)


def send_dispatched(number: int) -> float:
    """Messages a second through the whole of dispatch, one worker."""
    from outreach.dispatch import dispatch_due
    from tests.outreach.waves import make_wave

    make_wave(size=number)
    begun = time.perf_counter()
    report = dispatch_due(channel="SMS", worker="benchmark", deadline_seconds=600)
    elapsed = time.perf_counter() - begun
    if report.sent != number:
        raise SystemExit(f"{report.sent} messages sent instead of {number}: {report.stopped}")
    return number / elapsed


def measure(number: int, pairs: int, folder: Path) -> None:
    from django.conf import settings

    from outreach.channels.registry import gateway_for
    from tests.faults.harness import OperatorProcess

    operator = OperatorProcess(folder)
    settings.TWILIO_API_URL = operator.url
    try:
        send_alone(gateway_for("SMS"), 100)
        send_dispatched(100)
        rates = [(send_alone(gateway_for("SMS"), number), send_dispatched(number)) for _ in range(pairs)]
    finally:
        operator.close()
    for alone, ours in rates:
        print(f"client alone {alone:7.0f}/s   dispatch {ours:7.0f}/s   ratio {ours / alone:.2f}")
    alone, ours = (median(column) for column in zip(*rates, strict=True))
    print(f"medians      {alone:7.0f}/s            {ours:7.0f}/s   ratio {median(o / a for a, o in rates):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000)
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    import django

    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(asked.messages, asked.pairs, Path(folder))
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
