"""``./dev check`` and ``./dev lock``."""

import os
import subprocess
from collections.abc import Sequence

from config.local import LOCAL, ROOT, LocalFailure
from config.local.servers import python, throwaway_database

# Enough for Django to judge the production settings; reaches nothing.
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "check-only-Zx81-qWertY-0123456789-abcdefghijklmnopqrstuvwxyz",
    "DESTINATION_HASH_KEY": "check-only-hash-key-0123456789-abcdefghijklmnop",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "PUBLIC_BASE_URL": "https://aller-vers.exemple.fr",
    "ALLOWED_HOSTS": "aller-vers.exemple.fr",
}
TOOLS: dict[str, list[str]] = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy", "campaigns", "outreach", "config"],
    "lint-imports": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
    "djlint lint": ["-m", "djlint", "templates", "--lint"],
    "djlint format": ["-m", "djlint", "templates", "--check"],
    "migrations": ["manage.py", "makemigrations", "--check", "--dry-run"],
    "check --deploy": ["manage.py", "check", "--deploy", "--fail-level", "WARNING"],
}


def check(names: Sequence[str]) -> int:
    """Run every tool (or those whose name is given), each to its end; 0 when all are content."""
    unknown = set(names) - set(TOOLS)
    if unknown:
        raise LocalFailure(f"Outil inconnu : {', '.join(sorted(unknown))} (connus : {', '.join(TOOLS)}).")
    LOCAL.mkdir(exist_ok=True)
    with throwaway_database() as reached:
        failed = [name for name in names or TOOLS if not is_content(name, reached)]
    total = len(names or TOOLS)
    print(f"{total - len(failed)} passed, {len(failed)} failed" + (f" : {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def is_content(name: str, reached: dict[str, str]) -> bool:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.dev", **reached}
    if name == "check --deploy":
        environment |= PRODUCTION
    result = subprocess.run(
        python(*TOOLS[name]), env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    print(f"{'✓' if result.returncode == 0 else '✗'} {name}", flush=True)
    if result.returncode:
        print(result.stdout + result.stderr, flush=True)
    return result.returncode == 0


def lock(options: Sequence[str]) -> int:
    """Recompile the requirement files from pyproject (``--upgrade``: newest allowed versions)."""
    extras_of = {
        "production": [],
        "local": ["local"],
        "dev": ["local", "dev"],
        "benchmarks": ["local", "dev", "benchmarks"],
    }
    for name, extras in extras_of.items():
        command = ["-m", "uv", "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes", "--quiet"]
        command += ["--custom-compile-command", "./dev lock", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--python-version", "3.11", "-o", f"requirements/{name}.txt", *options]
        command += [f"--extra={extra}" for extra in extras]
        print(f"→ requirements/{name}.txt", flush=True)
        if code := subprocess.call(python(*command), cwd=ROOT):
            return code
    return 0
