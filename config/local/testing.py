"""``./dev test``: the whole suite on servers of its own."""

import os
import shutil

from config.local import LOCAL, ROOT
from config.local.processes import Processes, call
from config.local.servers import python, start_broker, throwaway_database

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def run_tests(arguments: list[str]) -> int:
    """Pytest on a throw-away database and broker; two runs at once never share anything."""
    LOCAL.mkdir(exist_ok=True)
    processes = Processes()
    try:
        with throwaway_database() as reached:
            environment = {**os.environ, **reached, **start_broker(processes)}
            environment["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
            command = python("-m", "pytest", *workers(arguments), *arguments)
            code = call(command, environment=environment, cwd=ROOT)
    finally:
        processes.stop()
    warn_of_left_out_journeys()
    return code


def workers(arguments: list[str]) -> list[str]:
    """Two workers, unless the caller says otherwise or wants a debugger."""
    chosen = any(a.startswith(("-n", "--numprocesses", "--pdb")) for a in arguments)
    return [] if chosen else ["-n", "2"]


def warn_of_left_out_journeys() -> None:
    if not any(shutil.which(name) for name in CHROMIUM):
        print("\n⚠ Chromium est absent : les parcours dans le navigateur n’ont PAS été joués (apt install chromium).")
