"""``./dev manage …``: one administration command, with the servers it needs."""

import os

from config.local import LOCAL, ROOT
from config.local.processes import Processes, call
from config.local.servers import database, python, read_env_file, running_environment, start_broker


def manage(arguments: list[str]) -> int:
    """Run ``manage.py``; joins the demo or the server of this clone when one runs. Returns its exit code."""
    LOCAL.mkdir(exist_ok=True)
    if joined := running_environment():
        return call_manage(arguments, {**os.environ, **joined})
    read_env_file()
    processes = Processes()
    try:
        with database() as reached:
            environment = {**os.environ, **reached, **start_broker(processes)}
            return call_manage(arguments, environment)
    finally:
        processes.stop()


def call_manage(arguments: list[str], environment: dict[str, str]) -> int:
    """In the caller's folder, so that file names on the command line mean what they say."""
    environment.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    return call(python(ROOT / "manage.py", *arguments), environment=environment)
