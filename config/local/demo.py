"""``./dev demo``: the whole product on this machine, speaking to a simulated operator and to a mail sink only."""

import os
import secrets
import shutil
import sys
import time
from pathlib import Path

import django

from config.local import LOCAL
from config.local.processes import Processes, free_port, listens
from config.local.servers import Environment, database, python, shared, start_broker
from config.local.serving import migrate, require, site, start_bell, start_site, usual_port

FOLDER = LOCAL / "demo"
# Below what pauses a campaign (settings AUTO_PAUSE_*): at the very limit, chance alone would decide.
OPERATOR = ("--delivered", "0.97", "--stop", "0.005")
# Whatever the caller's shell says, a demo reaches nothing real.
FORGOTTEN = ("EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS", "TWILIO_MESSAGING_SERVICE_SID")


def demo(*, port: int, size: int, reset: bool, leave: bool) -> int:
    """Play the demo, then serve it until Ctrl-C (``leave``: stop after the bilan). ``reset`` starts over."""
    started = time.monotonic()
    if reset:
        shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    processes = Processes()
    try:
        with database(afresh=reset) as reached:
            port = port or (free_port() if leave else usual_port())
            environment = demo_environment(port, FOLDER) | reached | start_broker(processes)
            migrate(environment)
            play(environment, "--prepare")
            start_outside_world(processes, environment, FOLDER, *OPERATOR)
            start_site(processes, environment, port=port)
            start_bell(processes, environment)
            with shared(environment):
                play(environment, *(["--size", str(size)] if size else []))
                print(f"\nDémonstration prête en {time.monotonic() - started:.0f} s.", flush=True)
                if not leave:
                    say_where(port, environment)
                    processes.serve()
                print("\nArrêt…", flush=True)
                processes.stop()
    finally:
        processes.stop()
    return 0


def demo_environment(port: int, folder: Path) -> Environment:
    operator, mail = free_port(), free_port()
    inherited = {name: value for name, value in os.environ.items() if name not in FORGOTTEN}
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
        "DEMO": "1",
        "BELL_SPEED": "4",  # days last seconds here
        "SEGMENTS_PER_SECOND": "sms=10000",  # and the simulated operator has signed for that
        "PUBLIC_BASE_URL": site(port),
        "TWILIO_API_URL": site(operator),
        "TWILIO_ACCOUNT_SID": f"AC{secrets.token_hex(16)}",
        "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
        "TWILIO_SENDER": "+33600000001",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(mail),
        "FILES_DIR": str(folder / "files"),
        # A demo's oppositions must never be replayed into a real database.
        "OPPOSITION_JOURNAL": str(folder / "oppositions.jsonl"),
        "SENDING_JOURNAL": str(folder / "sending.jsonl"),
        "CANARY_HOLD_SECONDS": "2",  # the same steps, in compressed time
    }


def start_outside_world(processes: Processes, environment: Environment, folder: Path, *operator_options: str) -> None:
    """The operator and the mail server that stand for the outside."""
    print("→ Opérateur simulé et boîte d’envoi…", flush=True)
    operator, mail = int(environment["TWILIO_API_URL"].rpartition(":")[2]), int(environment["EMAIL_PORT"])
    processes.start(
        "operator",
        python(
            "manage.py", "operator", "--port", str(operator), "--ledger", folder / "operator.sqlite3", *operator_options
        ),
        environment=environment,
        is_ready=lambda: listens(operator),
    )
    processes.start(
        "mail",
        python("manage.py", "smtp_sink", "--port", str(mail), "--ledger", folder / "mail.jsonl"),
        environment=environment,
        is_ready=lambda: listens(mail),
    )


def play(environment: Environment, *options: str) -> None:
    quiet = environment | {"LOG_LEVEL": "WARNING"}  # what the demo says stands alone on the screen
    require(python("manage.py", "demo", "--folder", FOLDER, *options), quiet)


def say_where(port: int, environment: Environment) -> None:
    os.environ.update(environment)
    django.setup()
    from outreach.simulator.team import ACCOUNTS, PASSWORD

    print(f"\nAller-vers : {site(port)}   (Ctrl-C pour arrêter)\n\n  Comptes, mot de passe « {PASSWORD} » :")
    for name, (first_name, last_name, role) in ACCOUNTS.items():
        print(f"  {name:15} {role:15} {first_name} {last_name}")
    sys.stdout.flush()
