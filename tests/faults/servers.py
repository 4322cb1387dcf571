"""A PostgreSQL server of a test's own, which really writes to disk, to be crashed."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.core.management import call_command
from django.db import connection

from config.local.postgres import Postgres
from tests.faults.harness import wait_until

DATABASE = "pannes"
SAFE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "autovacuum": "off"}


class MortalServer(Postgres):
    def crash(self) -> None:
        """As a power cut: no checkpoint, every session cut. What comes back is what was committed."""
        self._pg_ctl("stop", "-m", "immediate")
        self._pg_ctl("start", "-l", str(self.data / "server.log"), "-o", self._server_options())

    def lose_a_session(self) -> None:
        """``kill -9`` on the server process of one session: the server cuts all of them and recovers by itself."""
        with psycopg.connect(self.url(DATABASE), autocommit=True) as witness:
            query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            os.kill(witness.execute(f"{query} LIMIT 1").fetchone()[0], signal.SIGKILL)  # type: ignore[index]
            wait_until(lambda: is_cut(witness), what="every session is cut")
        wait_until(self._answers, what="the server answers again")

    def count_recoveries(self) -> int:
        return (self.data / "server.log").read_text(errors="replace").count("redo done at")


def is_cut(session: psycopg.Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


@contextmanager
def mortal_server() -> Iterator[MortalServer]:
    """Migrated, and the one that Django speaks to meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="aller-vers-test-"))
    folder.chmod(0o711)
    server = MortalServer(folder, options=SAFE)
    try:
        server.start()
        server.ensure_database(DATABASE)
        with connected_to(server):
            call_command("migrate", verbosity=0)
            yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def connected_to(server: MortalServer) -> Iterator[None]:
    usual = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(
        NAME=DATABASE, USER="postgres", PASSWORD="", HOST=str(server.socket_folder), PORT=""
    )
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(usual)
