"""What a sending benchmark needs around it: an operator, real Celery workers, contacts to send, processor times."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

from django.db import connection

ROOT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")
AGAIN = """
TRUNCATE outreach_attempt RESTART IDENTITY CASCADE;
UPDATE outreach_touch SET status = 'PREVU', attempt_count = 0, claimed_by = '', claimed_until = NULL, reason = '';
UPDATE campaigns_contactfact SET state = 'RESERVE';
UPDATE outreach_fence SET known_seq = 0, closed_at = NULL, reason = '';"""
MOVING = "SELECT count(*) FROM outreach_touch WHERE status IN ('PREVU', 'RESERVE', 'ENVOI')"


def wait_for(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"not reached in {seconds:.0f} s: {what}")
        time.sleep(0.05)


class LeanOperator:
    """``benchmarks.lean_operator`` in a process of its own."""

    def __init__(self, latency: float) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "benchmarks.lean_operator", str(port), str(latency)]
        self.process = subprocess.Popen(command, cwd=ROOT)
        wait_for(self.is_up, seconds=10, what="the operator answers")

    def is_up(self) -> bool:
        try:
            return bool(self.read())
        except OSError:
            return False

    def read(self, page: str = "count") -> dict[str, float]:
        with urlopen(f"{self.url}/__{page}__", timeout=10) as answer:
            return dict(json.load(answer))

    def arrivals(self) -> list[float]:
        """The instants at which messages arrived."""
        with urlopen(f"{self.url}/__taken__", timeout=10) as answer:
            return list(json.load(answer))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class Workers:
    """Celery workers, ``processes`` in all, on a queue of this run; ``slots`` requests at once, all together."""

    def __init__(self, operator_url: str, folder: Path, *, slots: int, processes: int = 2, **settings: str) -> None:
        from tests.faults.harness import test_database_url

        self.queue, self.processes = f"bench-{uuid4().hex[:12]}", processes
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings_sending",
            "DATABASE_URL": test_database_url(),
            "BENCH_OPERATOR": operator_url,
            "BENCH_CONNECTIONS": str(slots // processes),
            "BENCH_JOURNAL": str(folder / "sending.jsonl"),
            "LOG_LEVEL": "WARNING",
            **settings,
        }
        self.log = (folder / f"{self.queue}.log").open("wb")
        quietly = ["--without-mingle", "--without-gossip", "--without-heartbeat", "-l", "warning"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "benchmarks.sending_worker", "worker", "-Q", self.queue,
             "-c", str(processes), "-n", f"{self.queue}@%h", *quietly],
            cwd=ROOT, env=environment, stdout=self.log, stderr=self.log, start_new_session=True,
        )  # fmt: skip
        self.app = self._app()
        wait_for(self.is_ready, seconds=40, what="the workers answer")

    def _app(self) -> Any:
        from benchmarks.sending_worker import app

        return app

    def is_ready(self) -> bool:
        return len(self.children()) >= self.processes and bool(
            self.app.control.inspect(destination=[f"{self.queue}@{socket.gethostname()}"], timeout=0.5).ping()
        )

    def children(self) -> list[int]:
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def ring(self) -> None:
        """One sending for each process."""
        for _ in range(self.processes):
            self.app.send_task("outreach.tasks.dispatch_due", kwargs={"channel": "SMS"}, queue=self.queue, expires=5)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        self.log.close()


def cpu_of(pid: int) -> float:
    """Processor seconds of a process; 0 when it cannot be seen from here."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


class Meter:
    """Processor seconds of workers and of their database sessions, which end with each task: looked at all along."""

    SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    def __init__(self, *workers: Workers) -> None:
        self._children = [pid for one in workers for pid in one.children()]
        self._sessions: dict[int, list[float]] = {}
        self._begun = self._workers()
        self.look()

    def look(self) -> None:
        """A database on another machine is not seen: 0."""
        for (pid,) in rows(self.SESSIONS):
            self._sessions.setdefault(pid, [cpu_of(pid)]).append(cpu_of(pid))

    def read(self) -> tuple[float, float]:
        """Seconds since it was made: workers, database."""
        return self._workers() - self._begun, sum(max(seen) - seen[0] for seen in self._sessions.values())

    def _workers(self) -> float:
        return sum(map(cpu_of, self._children))


def wait_until_sent(meter: Meter, *workers: Workers, seconds: float) -> None:
    """Beat's part is played here: a sending lasts 20 s at most, and these workers are rung again every 2 s."""
    rung_at = time.monotonic()

    def is_over() -> bool:
        nonlocal rung_at
        meter.look()
        if time.monotonic() - rung_at > 2:
            rung_at = time.monotonic()
            for one in workers:
                one.ring()
        return bool(rows(MOVING)[0][0] == 0)

    wait_for(is_over, seconds=seconds, what="everything is recorded")


def rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def plan_again(number: int, journal: Path) -> None:
    """The same contacts, to be sent once more; only the first ``number`` of them."""
    journal.unlink(missing_ok=True)
    rows(AGAIN)
    rows(f"UPDATE outreach_touch SET status = 'ANNULE' WHERE id > (SELECT min(id) + {number} - 1 FROM outreach_touch)")
    rows("VACUUM ANALYZE outreach_touch, campaigns_contactfact")


def touch_ids() -> Iterable[int]:
    return [pk for (pk,) in rows("SELECT id FROM outreach_touch WHERE status = 'PREVU' ORDER BY id")]
