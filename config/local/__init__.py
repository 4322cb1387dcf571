"""What ``./dev`` does once the virtual environment exists: servers, processes, tests. Never imported in production."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LOCAL = ROOT / ".local"
LOGS = LOCAL / "logs"


class LocalFailure(Exception):
    """Something this machine could not do; the message is a French sentence with the way out."""
