"""Who may import whom: the contracts are in pyproject.toml."""

import subprocess
import sys

from tests.architecture.sources import APPS, ROOT, python_files, said

FORBIDDEN_NAMES = {"services.py", "utils.py", "helpers.py", "managers.py", "common.py", "misc.py", "signals.py"}


def test_import_contracts_are_kept() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    result = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_catch_all_module() -> None:
    assert [said(p) for p in python_files(*APPS, "config") if p.name in FORBIDDEN_NAMES] == []
