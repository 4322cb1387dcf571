"""Beat, tasks, queues and workers agree, and nothing is scheduled in the broker."""

import ast
import inspect
import re
from pathlib import Path

import pytest
import yaml
from celery import Task

from config.celery import app
from config.local.serving import WORKERS
from tests.architecture.sources import APPS, ROOT, python_files, said, tree_of


def _our_tasks() -> dict[str, Task]:
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if name.startswith(APPS)}


def _compose_queues() -> set[str]:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    commands = [service["command"] for service in compose["services"].values() if "-Q" in service.get("command", ())]
    return {queue for command in commands for queue in command[command.index("-Q") + 1].split(",")}


def test_there_are_tasks() -> None:
    assert _our_tasks()
    assert app.conf.beat_schedule


def test_beat_names_existing_tasks() -> None:
    assert {e["task"] for e in app.conf.beat_schedule.values()} - set(_our_tasks()) == set()


def queue_of(name: str) -> str:
    return app.amqp.router.route({}, name)["queue"].name


def test_only_routes_choose_queues() -> None:
    """A task's own ``queue`` is on its way out of Celery; a beat entry's would hide the route."""
    assert [name for name, task in _our_tasks().items() if getattr(task, "queue", None)] == []
    assert [name for name, entry in app.conf.beat_schedule.items() if "queue" in entry["options"]] == []


def test_routes_name_existing_tasks() -> None:
    assert set(app.conf.task_routes) - set(_our_tasks()) == set()


def test_beat_ticks_by_fixed_interval() -> None:
    """A crontab loses an hour at the change of hour; SQL decides what is due."""
    assert [n for n, e in app.conf.beat_schedule.items() if not isinstance(e["schedule"], int | float)] == []


def test_every_task_is_rung_by_beat() -> None:
    """A lost message is harmless only if a tick comes back to it."""
    assert set(_our_tasks()) - {e["task"] for e in app.conf.beat_schedule.values()} == set()


@pytest.mark.parametrize("consumed", [set(WORKERS.values()), _compose_queues()], ids=["dev", "compose"])
def test_every_queue_has_a_worker(consumed: set[str]) -> None:
    queues = {queue_of(name) for name in _our_tasks()} | {app.conf.task_default_queue}
    assert queues == consumed


def test_what_people_say_waits_behind_nothing_long() -> None:
    """Neither sending, the night, an import, nor an operator that answers slowly."""
    short = {"apply_receipts", "receive_replies", "poll_inbound", "read_bounces", "watch_campaigns"}
    short |= {"release_expired_claims", "mark_crashed_attempts"}
    assert {name.rpartition(".")[2] for name in _our_tasks() if queue_of(name) == "listening"} == short


def test_tasks_take_keywords_and_bear_unknown_ones() -> None:
    """Messages of the former version are still in the queue after a deployment."""
    wrong = []
    for name, task in _our_tasks().items():
        kinds = [p.kind for p in inspect.signature(task.run).parameters.values()]
        if kinds[-1:] != [inspect.Parameter.VAR_KEYWORD] or inspect.Parameter.POSITIONAL_OR_KEYWORD in kinds:
            wrong.append(name)
    assert wrong == []


def test_tasks_are_thin() -> None:
    """One call of a story each."""
    path = ROOT / "outreach" / "tasks.py"
    functions = [n for n in tree_of(path).body if isinstance(n, ast.FunctionDef) and n.decorator_list]
    thick = [f.name for f in functions if len([s for s in f.body if not _is_docstring(s)]) > 1]
    assert thick == []


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def test_nothing_is_due_in_the_broker() -> None:
    """ "Due at" is a column: ``eta`` and ``countdown`` would vanish with the broker."""
    pattern = re.compile(r"\b(eta|countdown)\s*=")
    files: list[Path] = list(python_files(*APPS, "config"))
    assert [said(p) for p in files if pattern.search(p.read_text(encoding="utf-8"))] == []
