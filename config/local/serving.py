"""The web site, the worker and the beat; ``./dev run``."""

import os
from pathlib import Path

from config.local import LOCAL, ROOT
from config.local.processes import Processes, answers, call, free_port, has_logged, listens
from config.local.servers import Environment, database, python, read_env_file, shared, start_broker

# A worker for each queue: receipts and STOPs wait neither for a long sending nor for the night or an import.
WORKERS = {"worker": "default", "listener": "listening", "sender": "sending"}
CELERY = python("-m", "celery", "-A", "config")


def run(*, port: int) -> int:
    """Serve for real use until Ctrl-C: what is sent and where depends on the environment and on ``.env``."""
    LOCAL.mkdir(exist_ok=True)
    read_env_file()
    processes = Processes()
    try:
        with database() as reached:
            port = port or usual_port()
            environment = {**os.environ, **reached, **start_broker(processes)}
            environment.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
            environment.setdefault("PUBLIC_BASE_URL", site(port))
            migrate(environment)
            start_site(processes, environment, port=port)
            start_bell(processes, environment)
            with shared(environment):
                print(f"\nAller-vers : {site(port)}  (Ctrl-C pour arrêter)", flush=True)
                processes.serve()
                print("\nArrêt…", flush=True)
                processes.stop()
    finally:
        processes.stop()
    return 0


def migrate(environment: Environment) -> None:
    print("→ Base de données…", flush=True)
    require(python("manage.py", "migrate", "--verbosity", "0"), environment)


def require(command: list[str], environment: Environment) -> None:
    """Run a step in the foreground; its own words say what went wrong."""
    if code := call(command, environment=environment, cwd=ROOT):
        raise SystemExit(code)


def start_site(processes: Processes, environment: Environment, *, port: int) -> None:
    options = ["--workers", "2", "--threads", "4", "--bind", f"127.0.0.1:{port}", "--worker-tmp-dir", "/dev/shm"]
    if not Path("/dev/shm").is_dir():
        options = options[:-2]
    print("→ Site…", flush=True)
    processes.start(
        "web",
        python("-m", "gunicorn", "config.wsgi", *options),
        environment=environment,
        is_ready=lambda: answers(f"{site(port)}/sante/"),
    )


def start_bell(processes: Processes, environment: Environment, *, senders: int = 1) -> None:
    """The workers (``senders`` of them send) and the beat, then wait for everything that was started."""
    print("→ Workers et battement…", flush=True)
    for name in ("worker", "listener", *sender_names(senders)):
        start_worker(processes, environment, name, WORKERS[name.partition("-")[0]])
    beat = [*CELERY, "beat", "-s", str(LOCAL / "beat"), "--pidfile=", "-l", "info"]
    processes.start("beat", beat, environment=environment, is_ready=lambda: has_logged("beat", "beat: Starting"))
    processes.wait_until_ready()


def sender_names(number: int) -> list[str]:
    return ["sender", *(f"sender-{rank}" for rank in range(2, number + 1))]


def start_worker(processes: Processes, environment: Environment, name: str, queue: str) -> None:
    quietly = ["-n", f"{name}@%h", "-l", "info", "--without-mingle", "--without-gossip"]
    processes.start(
        name,
        [*CELERY, "worker", "-Q", queue, "-c", "2", *quietly],
        environment=environment,
        is_ready=lambda: has_logged(name, " ready."),
    )


def site(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def usual_port() -> int:
    return free_port() if listens(8000) else 8000
