"""What ``./dev`` decides by itself."""

import fcntl
import json
import os
import runpy
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from config.local import LocalFailure, processes, servers, testing
from config.local.benchmarks import STAGES, bench
from config.local.postgres import Postgres, is_last_user, socket_folder
from config.local.processes import Processes, free_port, listens

ROOT = Path(__file__).resolve().parent.parent.parent


def test_socket_path_stays_short_and_plain_whatever_the_clone() -> None:
    deep = Path("/home/agent") / "dossier avec espaces" / ("x" * 150)
    address = str(socket_folder(deep) / ".s.PGSQL.5432")
    assert len(address) < 100
    assert " " not in address


def test_two_clones_have_two_sockets() -> None:
    assert socket_folder(Path("/a/data")) != socket_folder(Path("/b/data"))


def test_address_of_the_database_is_quoted(tmp_path: Path) -> None:
    assert Postgres(tmp_path).url("aller_vers").startswith("postgresql://postgres@/aller_vers?host=%2F")


def test_the_last_user_is_known(tmp_path: Path) -> None:
    path = tmp_path / "users.lock"
    with path.open("w") as mine, path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not is_last_user(mine)
        other.close()
        assert is_last_user(mine)


def test_reset_refuses_a_database_that_is_not_a_demo() -> None:
    with pytest.raises(LocalFailure, match="effacerait la base « production »"):
        servers.recreate_given("postgresql://nobody@127.0.0.1:1/production")


def test_env_file_never_overrides_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text('# note\nH_ONE="from file"\nH_TWO=from file\n\nbroken line\n')
    monkeypatch.setattr(servers, "ROOT", tmp_path)
    monkeypatch.setenv("H_TWO", "already there")
    monkeypatch.delenv("H_ONE", raising=False)
    servers.read_env_file()
    assert (os.environ.pop("H_ONE"), os.environ["H_TWO"]) == ("from file", "already there")


def test_a_finished_demo_is_not_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "SHARED", tmp_path / "running.json")
    assert servers.running_environment() == {}
    with servers.shared({"A": "1"}):
        assert servers.running_environment() == {"A": "1"}
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    servers.SHARED.write_text(json.dumps({"pid": gone.pid, "environment": {"A": "1"}}))
    assert servers.running_environment() == {}


@pytest.mark.parametrize(
    ("arguments", "added"), [([], ["-n", "2"]), (["tests/x"], ["-n", "2"]), (["-n0"], []), (["--pdb"], [])]
)
def test_two_workers_unless_told_otherwise(arguments: list[str], added: list[str]) -> None:
    assert testing.workers(arguments) == added


def test_children_are_started_waited_for_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOGS", tmp_path)
    port, children = free_port(), Processes()
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    children.start("web", server, environment=os.environ, is_ready=lambda: listens(port))
    children.wait_until_ready()
    assert listens(port)
    children.stop()
    assert not listens(port)


def test_a_child_that_dies_is_said_with_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOGS", tmp_path)
    monkeypatch.setattr(processes, "ROOT", tmp_path)
    children = Processes()
    code = "import sys; print('le port est pris'); sys.exit(3)"
    children.start("web", [sys.executable, "-c", code], environment=os.environ, is_ready=lambda: False)
    with pytest.raises(LocalFailure, match=r"(?s)« web » s’est arrêté \(code 3\).*le port est pris"):
        children.wait_until_ready()


def test_a_child_is_killed_and_starts_again_under_another_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOGS", tmp_path)
    port, children = free_port(), Processes()
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    children.start("web", server, environment=os.environ, is_ready=lambda: listens(port))
    children.wait_until_ready()
    first = children._children[0].process
    children.kill_and_restart("web")
    assert first.returncode == -signal.SIGKILL
    children.wait_until_ready()
    assert children._children[0].process.pid != first.pid
    children.stop()


@pytest.mark.fault
def test_children_die_with_a_killed_parent() -> None:
    """``kill -9`` of ``./dev`` leaves no orphan (Linux)."""
    code = (
        "import os, sys\nfrom config.local.processes import Processes\n"
        "children = Processes()\n"
        "children.start('orphan-test', ['sleep', '600'], environment=os.environ, is_ready=lambda: True)\n"
        "print(children._children[0].process.pid, flush=True)\nsys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = os.pidfd_open(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    ended, _, _ = select.select([child], [], [], 10)
    assert ended


def test_the_entry_script_is_up_to_date_only_for_the_very_file_installed() -> None:
    script = runpy.run_path(str(ROOT / "dev"))
    assert script["fingerprint"]("dev") != script["fingerprint"]("local")
    assert str(script["VENV"]) in script["fingerprint"]("dev")


@pytest.mark.parametrize(
    ("held", "wanted", "installed"),
    [
        ("", "local", ["local"]),
        ("local", "local", []),
        ("local", "dev", ["dev"]),
        ("dev", "local", []),
        ("benchmarks", "dev", []),
        ("dev outdated", "local", ["dev"]),
        ("benchmarks outdated", "dev", ["benchmarks"]),
    ],
)
def test_the_entry_script_installs_no_less_than_what_is_there(
    held: str, wanted: str, installed: list[str], tmp_path: Path
) -> None:
    prepare = runpy.run_path(str(ROOT / "dev"))["prepare"]
    names, done = prepare.__globals__, []
    names |= {"PYTHON": tmp_path / "python", "STAMP": tmp_path / "stamp", "create_venv": lambda: None}
    names["install"] = lambda requirements: done.append(requirements.stem)
    if held:
        (tmp_path / "python").touch()
        is_outdated = held.endswith(" outdated")
        (tmp_path / "stamp").write_text(f"{held}\n" if is_outdated else names["fingerprint"](held))
    prepare(wanted)
    assert done == installed


@pytest.mark.parametrize("arguments", [[], ["speed"], ["all", "--size"]])
def test_a_measure_that_does_not_exist_is_refused(arguments: list[str]) -> None:
    with pytest.raises(LocalFailure, match="import_population, months, segments"):
        bench(arguments)


def test_every_measure_has_its_command() -> None:
    written = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "\ndef main()" in path.read_text()}
    assert set(STAGES) == written - {"lean_operator", "mail_sink"}


def test_the_entry_script_needs_nothing_installed() -> None:
    """``-I -S``: no environment variable, no site-packages."""
    result = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "dev", "--help"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert "./dev COMMANDE" in result.stdout
