"""Real processes around a test: the operator simulator, dispatching workers, and how they are started and killed."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float = PATIENCE) -> None:
    pause = Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError(f"not reached in {seconds} s: {what}")


def test_database_url() -> str:
    """The address of the database of this test run, for other processes."""
    named = connection.settings_dict
    host = named["HOST"] or named.get("OPTIONS", {}).get("host", "localhost")
    port = f":{named['PORT']}" if named["PORT"] else ""
    if host.startswith("/"):
        return f"postgresql://{named['USER']}@/{named['NAME']}?host={quote(host)}"
    password = f":{quote(named['PASSWORD'])}" if named["PASSWORD"] else ""
    return f"postgresql://{named['USER']}{password}@{host}{port}/{named['NAME']}"


def say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Print what was injected and seen, even when the test passes."""
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")


class OperatorProcess:
    """The operator simulator in a process of its own; its ledger judges."""

    def __init__(self, folder: Path, **behaviour: float) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        options = {"stop": 0, "reply": 0, "delivered": 1, "receipt_ms": 0, **behaviour}
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "operator", f"--port={self.port}", f"--ledger={folder / 'ledger.sqlite'}",
             "--inbound-url=", *arguments],
            cwd=ROOT, env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.test"}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self.is_up, what="the operator simulator answers")

    def is_up(self) -> bool:
        try:
            return self.count() == 0
        except URLError:
            return False

    def read(self, *, messages: bool = False) -> dict[str, Any]:
        with urlopen(f"{self.url}/__ledger__{'?messages=1' if messages else ''}", timeout=10) as answer:
            return dict(json.load(answer))

    def count(self) -> int:
        return int(self.read()["count"])

    def has_taken(self, number: float) -> bool:
        return self.count() > number

    def recipients(self) -> Counter[str]:
        return Counter(m["recipient"] for m in self.read(messages=True)["messages"])

    def behave(self, **shares: float) -> None:
        body = json.dumps(shares).encode()
        urlopen(Request(f"{self.url}/__behaviour__", data=body, method="POST"), timeout=10).close()

    def close(self) -> None:
        """At once: what it was asked is in its ledger, and kept connections would make it wait for their clients."""
        self.process.kill()
        self.process.wait(10)


class Workers:
    """Dispatching processes on the database of the test."""

    def __init__(self, operator: OperatorProcess) -> None:
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "DATABASE_URL": test_database_url(),
            "OPERATOR_URL": operator.url,
            "SENDING_JOURNAL": str(settings.SENDING_JOURNAL),
            "LOG_LEVEL": "WARNING",
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker", *arguments], cwd=ROOT, env=self.environment | environment
        )
        self.running.append(process)
        return process

    def drain(self, *, seconds: float = PATIENCE) -> None:
        """Run one worker until nothing is left to send."""
        worker = self.start("--until-idle")
        worker.wait(seconds)
        self.running.remove(worker)
        assert worker.returncode == 0

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait(10)
        self.running.remove(process)

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(PATIENCE)
        self.running.clear()

    def close(self) -> None:
        for process in list(self.running):
            self.kill(process)
