"""The processes of a demo or of a server: started, waited for, stopped together, never orphaned."""

import ctypes
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.local import LOGS, ROOT, LocalFailure

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Stop(Exception):
    """Somebody asked to stop, by Ctrl-C or SIGTERM."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class Child:
    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    is_ready: Callable[[], bool]
    process: subprocess.Popen[bytes]


class Processes:
    """Children in their own process groups: Ctrl-C reaches ``./dev`` alone, which stops them in reverse order."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        is_ready: Callable[[], bool],
    ) -> None:
        """Start ``command``; its output goes to .local/logs/<name>.log."""
        LOGS.mkdir(parents=True, exist_ok=True)
        log_of(name).write_bytes(b"")
        self._children.append(Child(name, command, environment, is_ready, spawn(name, command, environment)))

    def kill_and_restart(self, name: str) -> None:
        """``kill -9`` on a child and its whole group, as a power cut would, then the same command again."""
        child = next(child for child in self._children if child.name == name)
        kill_group(child.process)
        child.process.wait()
        child.process = spawn(name, child.command, child.environment)

    def wait_until_ready(self, *, seconds: float = 90) -> None:
        """Wait for every child, in the order of their start: they warm up side by side."""
        deadline = time.monotonic() + seconds
        for child in self._children:
            while not child.is_ready():
                self.refuse_dead()
                if time.monotonic() > deadline:
                    raise LocalFailure(
                        f"« {child.name} » ne répond pas après {seconds:.0f} s.\n{end_of_log(child.name)}"
                    )
                time.sleep(0.1)

    def refuse_dead(self) -> None:
        for child in self._children:
            if child.process.poll() is not None:
                code = child.process.returncode
                raise LocalFailure(f"« {child.name} » s’est arrêté (code {code}).\n{end_of_log(child.name)}")

    def serve(self) -> None:
        """Return only when asked to stop; fail when a child dies."""
        try:
            while True:
                self.refuse_dead()
                time.sleep(1)
        except Stop:
            return

    def stop(self, *, seconds: float = 20) -> None:
        """Ask each child to end, last started first; a second Ctrl-C, or too long a wait, kills the rest."""
        try:
            for child in reversed(self._children):
                end(child.process, seconds=seconds)
        except Stop:
            for child in self._children:
                kill_group(child.process)
        self._children.clear()


def spawn(name: str, command: Sequence[str | Path], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log_of(name).open("ab") as log:
        return subprocess.Popen(
            [str(part) for part in command],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def spawn_in_front(
    command: Sequence[str], environment: Mapping[str, str], *, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=dict(environment), cwd=cwd, preexec_fn=die_with_parent)


def call(command: Sequence[str], *, environment: Mapping[str, str], cwd: Path | None = None) -> int:
    """Run one foreground command to its end. The terminal gives it Ctrl-C itself; SIGTERM is passed on."""
    child = spawn_in_front(command, environment, cwd=cwd)
    while True:
        try:
            return child.wait()
        except Stop as stop:
            if stop.number == signal.SIGTERM:
                child.terminate()


def end(child: subprocess.Popen[bytes], *, seconds: float) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_group(child)
            child.wait()


def kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself


def die_with_parent() -> None:
    """Linux: should ``./dev`` be killed with -9, its children are told to end."""
    if hasattr(_libc, "prctl"):
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stop_on_signals() -> None:
    def ask(number: int, _frame: object) -> None:
        raise Stop(number)

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    """Any HTTP answer below 500 counts; redirects are not followed further than this machine."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


def log_of(name: str) -> Path:
    return LOGS / f"{name}.log"


def has_logged(name: str, words: str) -> bool:
    return words in log_of(name).read_text(errors="replace")


def end_of_log(name: str, lines: int = 25) -> str:
    path = log_of(name)
    if not path.exists():
        return ""
    last = path.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"--- fin de {path.relative_to(ROOT)} ---", *last])
