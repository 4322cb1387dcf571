"""The narrow row that criteria read says what the person's own row says, whoever wrote it."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.models import Allocataire, SelectionCode, SelectionRow
from campaigns.population_import import import_population
from outreach.simulator.population import write_population
from tests.factories import NOW, make_allocataire, make_allocataires, make_commune

WORDS = (
    "family_situation", "housing", "professional_situation", "civility", "rib_state", "quittance_state", "language",
    "commune_id",
)  # fmt: skip
HELD = {"has_mobile": "mobile", "has_email": "email", "has_landline": "landline"}

pytestmark = pytest.mark.django_db


def assert_rows_say_the_truth() -> None:
    """Every row, read back into the words of its person: nobody missing, nobody too many."""
    codes = {(code.kind, code.number): code.value for code in SelectionCode.objects.all()}
    columns = [field.attname for field in SelectionRow._meta.concrete_fields]
    with connection.cursor() as cursor:
        # Dates as text: Python has no word for "infinity".
        dates = {f.attname for f in SelectionRow._meta.concrete_fields if f.get_internal_type() == "DateField"}
        read = ", ".join(f"NULLIF({name}, 'infinity')" if name in dates else name for name in columns)
        cursor.execute(f"SELECT {read} FROM campaigns_selectionrow")
        rows = {row[0]: dict(zip(columns, row, strict=True)) for row in cursor.fetchall()}
    people = {person.pk: person for person in Allocataire.objects.all()}
    assert rows.keys() == people.keys()
    for pk, row in rows.items():
        assert {name: say(name, row[name], codes) for name in columns[1:]} == {
            name: truth(name, people[pk]) for name in columns[1:]
        }


def say(name: str, value: Any, codes: dict[tuple[str, int], str]) -> Any:
    if name == "prestations":
        return {codes[name, bit] for bit in range(63) if value >> bit & 1}
    if name in WORDS:
        return codes[name, value] if value else ""
    return value


def truth(name: str, person: Allocataire) -> Any:
    if name in HELD:
        return getattr(person, HELD[name]) != ""
    value = getattr(person, name)
    if name == "prestations":
        return set(value)
    return value or "" if name in WORDS else value


days = st.one_of(st.none(), st.dates(date(1930, 1, 1), date(2030, 1, 1)))
changes = st.fixed_dictionaries(
    {},
    optional={
        "family_situation": st.sampled_from(["", "CELIBATAIRE", "PACSE", "VEUF"]),
        "housing": st.sampled_from(["", "LOCATAIRE", "HEBERGE"]),
        "prestations": st.dictionaries(st.sampled_from(["RSA", "PPA", "APL", "L'AUTRE"]), st.just("2024-01-01")),
        "commune_id": st.sampled_from([None, "66136", "2A004"]),
        "mobile": st.sampled_from(["", "+33600000000"]),
        "children_count": st.integers(0, 12),
        "is_scholar": st.booleans(),
        "born_on": days,
        "dtr_due_on": days,
        "closed_on": days,
        "language": st.sampled_from(["fr", "es", ""]),
    },
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(changes, min_size=1, max_size=4), changes, changes)
def test_creation_edition_and_deletion(people: list[dict[str, Any]], edit: Any, every: dict[str, Any]) -> None:
    make_commune()
    make_commune("2A004", "Ajaccio")
    made = [make_allocataire(**values) for values in people]
    assert_rows_say_the_truth()
    for name, value in edit.items():
        setattr(made[0], name, value)
    made[0].save()
    if every:
        Allocataire.objects.update(**every)
    assert_rows_say_the_truth()
    made[-1].delete()
    assert_rows_say_the_truth()


@pytest.mark.usefixtures("communes_of_66")
def test_import_changes_and_closings(tmp_path: Path) -> None:
    extract = tmp_path / "extract.csv"
    write_population(path=extract, department="66", size=400, seed=1, on=date(2026, 3, 1))
    import_population(path=extract, file_name="extract.csv", by=None, now=NOW)
    assert_rows_say_the_truth()
    lines = extract.read_text(encoding="utf-8").splitlines(keepends=True)
    changed = [line.replace(";oui;", ";non;", 1) for line in lines[:380]]
    extract.write_text("".join([lines[0], *changed[1:]]), encoding="utf-8")
    done = import_population(
        path=extract, file_name="extract.csv", by=None, now=NOW + timedelta(days=30), is_full_extract=True,
        accept_closures=True,
    )  # fmt: skip
    assert done.updated_count
    assert done.closed_count
    assert_rows_say_the_truth()


def test_a_row_that_does_not_differ_is_not_rewritten() -> None:
    people = make_allocataires(3)
    before = _versions()
    Allocataire.objects.update(last_name="AUTRE", updated_at=NOW)
    assert _versions() == before
    people[0].children_count = 9
    people[0].save()
    assert len(set(_versions().items()) - set(before.items())) == 1


def test_a_number_once_given_stays() -> None:
    make_allocataire(family_situation="VEUF")
    first = SelectionCode.objects.get(kind="family_situation", value="VEUF").number
    make_allocataire(family_situation="CELIBATAIRE")
    assert SelectionCode.objects.get(kind="family_situation", value="VEUF").number == first
    assert SelectionCode.objects.filter(kind="family_situation").count() == 2


def _versions() -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT allocataire_id, ctid::text FROM campaigns_selectionrow")
        return dict(cursor.fetchall())


@pytest.fixture
def communes_of_66() -> None:
    from campaigns.territories import load_territories

    load_territories()
