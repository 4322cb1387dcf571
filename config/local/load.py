"""``./dev load``: many messages through real workers, killed with -9 on request; the operator's ledger judges."""

import shutil
import subprocess
import time
from dataclasses import dataclass
from random import Random

from config.local import LOCAL, ROOT
from config.local.demo import demo_environment, play, start_outside_world
from config.local.processes import Processes, end, free_port, spawn_in_front
from config.local.servers import Environment, database, python, start_broker
from config.local.serving import migrate, sender_names, start_bell, start_site
from outreach.simulator.operator_desk import OperatorDesk

FOLDER = LOCAL / "load"
KILL_LOG = FOLDER / "kills"
DATABASE = "aller_vers_load"
SEED = 20260303
# Each message is delivered, so that each is to be sent once; people may still answer STOP.
CALM = ("--delivered", "1", "--stop", "0.01")
TROUBLES = ("--throttled", "0.02", "--error-before", "0.01", "--error-after", "0.01", "--reset-after", "0.005")


@dataclass(frozen=True)
class Asked:
    messages: int
    kills: int
    senders: int


def load(asked: Asked) -> int:
    """Start everything afresh, play, judge. Returns 0 only when each message left exactly once."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    processes = Processes()
    try:
        with database(name=DATABASE, afresh=True) as reached:
            port = free_port()
            environment = demo_environment(port, FOLDER) | reached | start_broker(processes) | {"BELL_SPEED": "1"}
            migrate(environment)
            play(environment, "--prepare")
            start_outside_world(processes, environment, FOLDER, *CALM, *(TROUBLES if asked.kills else ()))
            start_site(processes, environment, port=port)
            start_bell(processes, environment, senders=asked.senders)
            code = _play(processes, environment, asked)
            processes.stop()
            return code
    finally:
        processes.stop()


def _play(processes: Processes, environment: Environment, asked: Asked) -> int:
    command = python("manage.py", "load_run", "--folder", FOLDER, "--messages", str(asked.messages))
    command += ["--kills", str(asked.kills), "--kill-log", str(KILL_LOG)]
    run = spawn_in_front(command, environment | {"LOG_LEVEL": "ERROR"}, cwd=ROOT)
    try:
        _kill_on_the_way(run, processes, OperatorDesk(environment["TWILIO_API_URL"]), asked)
        return run.wait()
    finally:
        end(run, seconds=10)


def _kill_on_the_way(
    run: "subprocess.Popen[bytes]", processes: Processes, operator: OperatorDesk, asked: Asked
) -> None:
    """At seeded moments of the sending, counted in messages that left."""
    chance = Random(SEED)  # noqa: S311 — replayable on purpose
    names = sender_names(asked.senders)
    for share in sorted(chance.uniform(0.1, 0.85) for _ in range(asked.kills)):
        while run.poll() is None and operator.read_ledger()["count"] < share * asked.messages:
            time.sleep(0.5)
        if run.poll() is not None:
            return
        name = chance.choice(names)
        processes.kill_and_restart(name)
        with KILL_LOG.open("a") as log:
            log.write(f"{name} {share:.3f}\n")
        print(f"    kill -9 de « {name} », {share:.0%} des messages partis", flush=True)
