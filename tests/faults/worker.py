"""A real dispatching process, to be killed: ``python -m tests.faults.worker [--until-idle]``.

Its database and its operator come from the environment; ``CRASH_AT`` names the point where it kills itself.
"""

import os
import signal
import sys
from functools import partial
from threading import Event


def die_at(mortal: str, point: str) -> None:
    if point == mortal:
        os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> None:
    import django
    from django.conf import settings

    settings.TWILIO_API_URL = os.environ["OPERATOR_URL"]
    settings.SMS_CONNECTIONS = int(os.environ.get("OPERATOR_CONNECTIONS", "16"))
    django.setup()
    from outreach import dispatch

    stopping = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    if point := os.environ.get("CRASH_AT"):
        dispatch.reached = partial(die_at, point)
    while not stopping.is_set():
        report = dispatch.dispatch_due(channel="SMS", worker=f"worker-{os.getpid()}", deadline_seconds=5)
        if not report.attempts and not stopping.wait(0.05) and "--until-idle" in arguments:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
