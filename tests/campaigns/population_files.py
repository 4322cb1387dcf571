"""A population file and what its import says: shared by the tests of the import."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import connection

from campaigns.models import PopulationImport
from campaigns.population_import import import_population

NOW = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
NIR = "184127645108946"
HEADER = "matricule;nom;prenom;date_naissance;commune;email;mobile;prestations"
LINE = "0000001;MARTIN;Léa;1990-05-17;66136;lea@example.fr;0612345678;RSA:2021-03-01|PPA:2022-01-01"


def load(path: Path, content: str | bytes, **options: Any) -> PopulationImport:
    path = path / "extrait.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    given_options: dict[str, Any] = {"path": path, "file_name": path.name, "by": None, "now": NOW}
    return import_population(**(given_options | options))


def rejections(path: Path, *lines: str, header: str = HEADER) -> list[tuple[int, str, str, str]]:
    done = load(path, "\n".join([header, *lines]), accept_rejections=True)
    assert done.created_count + done.updated_count + done.unchanged_count + done.rejected_count == done.read_count
    return list(done.rejected_lines.values_list("line", "column", "value_class", "reason"))


def line(**cells: str) -> str:
    values = dict(zip(HEADER.split(";"), LINE.split(";"), strict=True)) | cells
    return ";".join(values.values())


def fetch(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def assert_nowhere(secret: str) -> None:
    """In no row that the import writes."""
    for table in ("campaigns_allocataire", "campaigns_populationimport", "campaigns_rejectedline"):
        assert fetch(f"SELECT 1 FROM {table} t WHERE strpos(t::text, '{secret}') > 0") == []
