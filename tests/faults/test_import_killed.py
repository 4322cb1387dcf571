"""A process that imports is killed with -9, at every stage: the population is as it was, and the file goes in after."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from campaigns.models import Allocataire, ImportStatus, PopulationImport
from campaigns.population_import import import_population
from tests.campaigns.population_files import HEADER, NOW, fetch, line
from tests.factories import make_commune
from tests.faults import harness
from tests.faults.harness import ROOT, say, wait_until

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

LINES = 12_000  # several processes read them
POINTS = ["staging.copy_rows", "staging.compare", "staging.write", "staging.close_absent", "known_lines.remember_lines"]
PEOPLE = "SELECT md5(string_agg(a::text, '' ORDER BY id)) FROM campaigns_allocataire a"
# The import of a path, in a process that says where it is and waits there to be killed.
CHILD = """
import sys, threading
import django
django.setup()
from pathlib import Path
from campaigns import known_lines, population_staging as staging
from campaigns.population_import import import_population
from tests.campaigns.population_files import NOW
module, name = {"staging": staging, "known_lines": known_lines}[sys.argv[2].split(".")[0]], sys.argv[2].split(".")[1]
story = getattr(module, name)
def stop_there(*arguments, **named):
    story(*arguments, **named)
    print("there", flush=True)
    threading.Event().wait()
setattr(module, name, stop_there)
options = {"by": None, "now": NOW, "is_full_extract": True, "accept_closures": True}
import_population(path=Path(sys.argv[1]), file_name="x.csv", **options)
"""


def write(path: Path, *, name: str, people: range) -> Path:
    path.write_text("\n".join([HEADER, *(line(matricule=f"{n:07d}", nom=name) for n in people)]))
    return path


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_import_leaves_the_population_as_it_was(
    tmp_path: Path, point: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_commune()
    first = write(tmp_path / "first.csv", name="A", people=range(LINES))
    import_population(path=first, file_name="first.csv", by=None, now=NOW)
    second = write(tmp_path / "second.csv", name="B", people=range(LINES // 2, 2 * LINES))
    before = fetch(PEOPLE)
    _kill_at(point, second)
    assert fetch(PEOPLE) == before
    assert PopulationImport.objects.filter(status=ImportStatus.RUNNING).count() == 1

    wait_until(_nobody_imports, what="PostgreSQL notices that its client is dead")
    done = import_population(
        path=second, file_name="second.csv", by=None, now=NOW, is_full_extract=True, accept_closures=True
    )
    counts = (done.created_count, done.updated_count, done.closed_count)
    assert counts == (LINES, LINES // 2, LINES // 2)
    assert PopulationImport.objects.filter(problem__startswith="Import interrompu").count() == 1
    assert Allocataire.objects.count() == 2 * LINES
    say(capsys, f"killed at {point}: nothing changed, then {counts}")


def _kill_at(point: str, path: Path) -> None:
    ours = {"DJANGO_SETTINGS_MODULE": "config.settings.test", "DATABASE_URL": harness.test_database_url()}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), point], cwd=ROOT, env=os.environ | ours, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        child.send_signal(signal.SIGKILL)


def _nobody_imports() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return cursor.fetchone() == (0,)
