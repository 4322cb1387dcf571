"""A list comes in as a file, is replaced whole by the next delivery or not at all, and is a criterion with its date."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from campaigns import imported_lists
from campaigns.explanations import explain_segment
from campaigns.imported_lists import Delivery, ListInUse, ListRefused, archive_list, import_list
from campaigns.known_criteria import load_catalogue
from campaigns.models import Allocataire, ImportedList, ListEntry
from campaigns.rules.criteria import check, is_sensitive
from campaigns.segments import explain_criteria, matching
from tests.factories import NIGHT, NOW, make_allocataire, make_campaign, make_list, make_segment
from tests.pages import make_colleague, sign_in

pytestmark = pytest.mark.django_db

PPA = Delivery("Datamining PPA", "Cnaf", date(2025, 11, 3))
ADD = "/campaigns/importedlist/add/"


def on_list(*codes: str, op: str = "in") -> dict[str, Any]:
    return {"field": "list", "op": op, "value": list(codes)}


def deliver(path: Path, text: str, delivery: Delivery = PPA, **values: Any) -> ImportedList:
    path = path / "liste.csv"
    path.write_text(text, encoding="utf-8")
    return import_list(path=path, file_name=path.name, delivery=delivery, by=None, now=NOW, **values)


def members(code: str = "datamining-ppa") -> set[int]:
    return set(ListEntry.objects.filter(imported_list__code=code).values_list("allocataire_id", flat=True))


def people(count: int) -> list[Allocataire]:
    return [make_allocataire(matricule=f"00{number:05}") for number in range(1, count + 1)]


def test_every_line_is_accounted_for_and_the_same_file_changes_nothing(tmp_path: Path) -> None:
    first, second, third = people(3)
    text = "nom;Matricule\nA;0000001\nB;0000002\nB;0000002\nC;9999999\nD;pas un matricule\n"
    done = deliver(tmp_path, text)
    assert (done.read_count, done.people_count, done.unknown_count, done.rejected_count) == (5, 2, 1, 2)
    assert [(line, column) for line, column, _ in done.rejected] == [
        (4, "matricule"),
        (5, "matricule"),
        (6, "matricule"),
    ]
    assert "9999999" not in str(done.rejected)
    assert members() == {first.pk, second.pk}
    entries = set(ListEntry.objects.values_list("pk", flat=True))
    again = deliver(tmp_path, text)
    assert (again.pk, again.added_count, again.removed_count) == (done.pk, 0, 0)
    assert set(ListEntry.objects.values_list("pk", flat=True)) == entries
    later = deliver(tmp_path, "matricule\n0000002\n0000003\n", Delivery("Datamining PPA", "Cnaf", date(2025, 12, 1)))
    assert (later.pk, later.added_count, later.removed_count) == (done.pk, 1, 1)
    assert members() == {second.pk, third.pk}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Liste nationale de datamining PPA, trimestre 1", "Liste nationale de datamining PPA, trimestre 2"),
        ("Quotient A+", "Quotient A"),
        ("Étudiants", "Etudiants"),
    ],
)
def test_a_name_that_only_resembles_another_does_not_replace_its_people(tmp_path: Path, name: str, other: str) -> None:
    """Campaigns under way designate the first one by its code."""
    first, second = people(2)
    done = deliver(tmp_path, "matricule\n0000001\n", Delivery(name, "Cnaf", NIGHT))
    with pytest.raises(ListRefused, match="trop proche"):
        deliver(tmp_path, "matricule\n0000002\n", Delivery(other, "Cnaf", NIGHT))
    done.refresh_from_db()
    assert (done.name, members(done.code)) == (name, {first.pk})
    again = deliver(tmp_path, "matricule\n0000002\n", Delivery(f" {name.upper()}", "Cnaf", NIGHT))
    assert (again.pk, members(done.code)) == (done.pk, {second.pk}), "the same name, whatever its capitals"


def test_a_delivery_that_forgets_to_say_sensitive_does_not_make_the_list_ordinary(tmp_path: Path) -> None:
    """Segments that use it would no longer ask for a justification."""
    people(2)
    health = Delivery("Suivi AAH", "Partenaire", NIGHT, is_sensitive=True)
    done = deliver(tmp_path, "matricule\n0000001\n", health)
    with pytest.raises(ListRefused, match="est sensible"):
        deliver(tmp_path, "matricule\n0000002\n", replace(health, is_sensitive=False))
    done.refresh_from_db()
    assert done.is_sensitive
    archive_list(imported_list=done, now=NOW)
    assert not deliver(tmp_path, "matricule\n0000002\n", replace(health, is_sensitive=False)).is_sensitive


@pytest.mark.parametrize(
    ("text", "delivery", "said"),
    [
        ("", PPA, "vide"),
        ("nom;prenom\nA;B\n", PPA, "matricule"),
        ("matricule\n", PPA, "Aucune ligne"),
        ("matricule\n9999999\n", PPA, "Aucune ligne"),
        ("matricule\n0000002\n", Delivery("Datamining PPA", "Cnaf", date(2025, 11, 2)), "plus récente"),
        ("matricule\n0000002\n", Delivery("Datamining PPA", "Cnaf", NIGHT + timedelta(days=1)), "futur"),
        ("matricule\n0000002\n", Delivery("…", "Cnaf", NIGHT), "lettres"),
    ],
)
def test_a_delivery_that_fails_leaves_the_former_one(tmp_path: Path, text: str, delivery: Delivery, said: str) -> None:
    first, _ = people(2)
    before = deliver(tmp_path, "matricule\n0000001\n")
    with pytest.raises(ListRefused, match=said):
        deliver(tmp_path, text, delivery)
    before.refresh_from_db()
    assert (before.people_count, before.as_of, members()) == (1, PPA.as_of, {first.pk})


def test_a_failure_between_two_statements_leaves_the_former_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, _ = people(2)
    deliver(tmp_path, "matricule\n0000001\n")
    monkeypatch.setattr(imported_lists, "_ADD", "INSERT INTO campaigns_listentry VALUES ('0000002', %(list)s)")
    with pytest.raises(ListRefused, match="rien n’a été changé"):
        deliver(tmp_path, "matricule\n0000002\n")
    assert members() == {first.pk}
    assert "0000002" not in caplog.text


def test_a_workbook_gives_back_the_zeros_that_it_ate(tmp_path: Path) -> None:
    first, second = people(2)
    path = tmp_path / "liste.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate((["Matricule", "Score"], [1, 0.5], [2, 0.25])):
            sheet.write_row(number, 0, row)
    done = import_list(path=path, file_name="liste.xlsx", delivery=PPA, by=None, now=NOW)
    assert (done.people_count, members()) == (2, {first.pk, second.pk})


def test_a_line_with_a_nir_is_refused_without_being_repeated(tmp_path: Path) -> None:
    people(1)
    done = deliver(tmp_path, "matricule;nir\n0000001;\n0000001;2 85 05 66 136 001 28\n")
    assert (done.people_count, done.rejected_count) == (1, 1)
    assert "sécurité sociale" in done.rejected[0][2]
    assert "136" not in str(done.rejected)


def test_people_on_lists_are_selected_and_explained() -> None:
    on, off = make_allocataire(), make_allocataire()
    make_list(on, code="ppa", name="Datamining PPA", as_of=date(2026, 11, 3))
    make_list(code="asf", name="ASF")
    found = {
        op: set(matching(on_list("ppa", op=op), today=NIGHT).values_list("pk", flat=True)) for op in ("in", "not_in")
    }
    assert found == {"in": {on.pk}, "not_in": {off.pk}}
    assert explain_criteria(on_list("ppa")) == (
        "Allocataires figurant dans la liste «\u00a0Datamining PPA\u00a0» (Cnaf, 03/11/2026)."
    )
    assert " ni la liste «\u00a0ASF\u00a0»" in explain_criteria(on_list("ppa", "asf", op="not_in"))
    verdict = explain_segment(allocataire=on, criteria=on_list("ppa"), today=NIGHT)
    assert [(line.holds, line.value) for line in verdict.criteria] == [(True, "Datamining PPA")]


def test_lists_contradict_only_themselves_and_may_be_sensitive() -> None:
    make_list(code="ppa")
    make_list(code="aah", is_sensitive=True)
    catalogue = load_catalogue()
    assert check({"all": [on_list("ppa"), on_list("aah")]}, catalogue) == []
    assert "se contredisent" in check({"all": [on_list("ppa"), on_list("ppa", "aah", op="not_in")]}, catalogue)[0]
    assert is_sensitive(on_list("ppa", "aah"), catalogue)
    assert not is_sensitive(on_list("ppa"), catalogue)


def test_a_list_in_use_is_not_archived_and_an_archived_one_is_no_criterion() -> None:
    kept = make_list(make_allocataire(), code="ppa", name="Datamining PPA")
    segment = make_segment(on_list("ppa"), name="Non-recours")
    with pytest.raises(ListInUse, match="segment « Non-recours »"):
        archive_list(imported_list=kept, now=NOW)
    campaign = make_campaign(criteria=on_list("ppa"), name="Hiver")
    segment.criteria = {"field": "isolated", "op": "eq", "value": True}
    segment.save()
    with pytest.raises(ListInUse, match="campagne « Hiver »"):
        archive_list(imported_list=kept, now=NOW)
    campaign.status = "CLOSE"
    campaign.save()
    archive_list(imported_list=kept, now=NOW)
    assert not ListEntry.objects.exists()
    assert "la liste « ppa » n’existe plus" in check(on_list("ppa"), load_catalogue())[0]


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people(1)
    path = tmp_path / "ppa.csv"
    path.write_text("matricule\n0000001\n7777777\n", encoding="utf-8")
    call_command("import_list", str(path), "--name", "Datamining PPA", "--origin", "Cnaf", "--as-of", "03/11/2025")
    said = capsys.readouterr().out
    assert "2 lignes lues : 1 personnes (1 ajoutées, 0 retirées), 1 matricules inconnus, 0 rejetées." in said
    with pytest.raises(CommandError, match="as-of"):
        call_command("import_list", str(path), "--name", "X", "--origin", "Cnaf", "--as-of", "hier")


def test_pages_take_a_file_show_its_lines_and_archive() -> None:
    people(1)
    client = sign_in(make_colleague("Superviseur"))
    file = SimpleUploadedFile("ppa.csv", b"matricule\n0000001\n7777777\n")
    page = client.post(
        ADD, {"file": file, "name": "Datamining PPA", "origin": "Cnaf", "as_of": "2025-11-03"}, follow=True
    )
    kept = ImportedList.objects.get()
    text = page.content.decode()
    assert "établie le 3 novembre 2025" in text
    assert "n’est pas dans la population importée" in text
    assert "7777777" not in text
    rejected = client.get(f"/campaigns/importedlist/{kept.pk}/rejets.csv").content.decode()
    assert rejected.splitlines()[1].startswith("3;matricule;")
    assert 'value="Datamining PPA"' in client.get(f"{ADD}?liste={kept.pk}").content.decode()
    client.post(f"/campaigns/importedlist/{kept.pk}/archiver/")
    kept.refresh_from_db()
    assert kept.archived_at is not None
