"""An upload that is not simply read: large workbooks, dead workers, forgotten files, differences, kept mappings."""

import os
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from campaigns import population_uploads
from campaigns.models import (
    AccessLog,
    Allocataire,
    ColumnMapping,
    ImportStatus,
    PopulationDifference,
    PopulationImport,
    read_now,
)
from campaigns.population_uploads import purge_import_files
from outreach.roles import ADMINISTRATEUR, SUPERVISEUR
from outreach.tasks import purge_import_files as purge_task
from outreach.tasks import run_waiting_uploads
from tests.factories import make_commune
from tests.pages import make_colleague, sign_in

pytestmark = pytest.mark.django_db
NAMES = ("matricule", "nom", "prenom", "commune")
GOOD = "matricule;nom;prenom;commune\n1234567;MARTIN;Camille;66136\n7654321;DURAND;Alix;66136\n"
CHANGED = GOOD.replace("DURAND", "DUPONT").replace("1234567;MARTIN;Camille;66136\n", "") + (
    "2345678;PETIT;Zoé;66136\n3456789;=SECRET;Zoé;66136\n"
)


@pytest.fixture
def client() -> Client:
    make_commune()
    return sign_in(make_colleague(ADMINISTRATEUR))


@pytest.fixture(autouse=True)
def kept_files(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path / "imports"


def upload(client: Client, content: str | bytes, name: str = "extrait.csv", **data: str) -> PopulationImport:
    file = SimpleUploadedFile(name, content if isinstance(content, bytes) else content.encode())
    response = client.post(reverse("admin:campaigns_populationimport_add"), {"file": file, **data})
    assert response.status_code == 302, response.content.decode()
    return PopulationImport.objects.latest("pk")


def start(client: Client, record: PopulationImport) -> None:
    choices = {f"column-{p}": name for p, name in enumerate(NAMES)} | {"save_as": ""}
    client.post(reverse("admin:population_import_prepare", args=[record.pk]), choices)
    record.refresh_from_db()


def post(client: Client, url: str, record: PopulationImport | ColumnMapping, **data: str) -> str:
    page = client.post(reverse(f"admin:{url}", args=[record.pk]), data, follow=True).content.decode()
    if isinstance(record, PopulationImport):
        record.refresh_from_db()
    return page


def see(client: Client, record: PopulationImport) -> str:
    page = client.get(reverse("admin:campaigns_populationimport_change", args=[record.pk]), follow=True)
    return page.content.decode()


def workbook(text: str) -> bytes:
    target = BytesIO()
    with xlsxwriter.Workbook(target) as book:
        sheet = book.add_worksheet()
        for row, line in enumerate(text.splitlines()):
            for column, cell in enumerate(line.split(";")):
                sheet.write_string(row, column, cell)
    return target.getvalue()


# --- Large workbooks ---------------------------------------------------------------------------------


def test_a_large_workbook_is_read_by_a_worker(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population_uploads, "SHORT_FILE", 10)
    record = upload(client, workbook(GOOD), "extrait.xlsx")
    assert record.status == ImportStatus.TO_CONVERT
    assert "Le classeur est lu à part" in see(client, record)
    run_waiting_uploads.run()
    assert "Colonnes du fichier" in see(client, record)
    start(client, record)
    run_waiting_uploads.run()
    record.refresh_from_db()
    assert (record.status, record.created_count) == (ImportStatus.DONE, 2)


def test_a_large_broken_workbook_is_told(client: Client, kept_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(population_uploads, "SHORT_FILE", 10)
    record = upload(client, b"PK\x03\x04 not a workbook at all", "extrait.xlsx")
    run_waiting_uploads.run()
    assert "pas un classeur Excel lisible" in see(client, record)
    assert list(kept_files.iterdir()) == []


def test_a_workbook_abandoned_while_it_is_read_leaves_nothing(
    client: Client, kept_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(population_uploads, "SHORT_FILE", 10)
    record = upload(client, workbook(GOOD), "extrait.xlsx")
    find_problem = population_uploads._find_problem

    def abandon_meanwhile(name: str) -> str:
        problem = find_problem(name)
        population_uploads.abandon_upload(record=record, now=read_now())
        (kept_files / f"{name}.csv").touch()  # the reading ends after the file has gone
        return problem

    monkeypatch.setattr(population_uploads, "_find_problem", abandon_meanwhile)
    run_waiting_uploads.run()
    record.refresh_from_db()
    assert record.status == ImportStatus.ABANDONED
    assert list(kept_files.iterdir()) == []


# --- Dead workers -------------------------------------------------------------------------------------


def test_an_import_whose_worker_died_is_relaunched(client: Client, kept_files: Path) -> None:
    record = upload(client, GOOD)
    PopulationImport.objects.filter(pk=record.pk).update(
        status=ImportStatus.RUNNING, read_count=2, rejected_count=1, mapping={}
    )
    record.rejected_lines.create(line=3, reason="Le nom manque.")
    run_waiting_uploads.run()
    page = see(client, record)
    assert "Import interrompu" in page
    assert "Relancer" in page
    post(client, "population_import_relaunch", record)
    assert (record.status, record.created_count, record.read_count) == (ImportStatus.DONE, 2, 2)
    assert record.rejected_count == record.rejected_lines.count() == 0
    assert list(kept_files.iterdir()) == []


def test_a_refused_file_is_not_relaunched(client: Client) -> None:
    record = upload(client, GOOD)
    PopulationImport.objects.filter(pk=record.pk).update(status=ImportStatus.REFUSED, stored_as="")
    assert "Relancer" not in see(client, record)
    assert "n’en est plus là" in post(client, "population_import_relaunch", record)


# --- Forgotten files -----------------------------------------------------------------------------------


def test_files_that_nobody_decides_about_are_erased(client: Client, kept_files: Path) -> None:
    record = upload(client, CHANGED)
    start(client, record)
    assert record.status == ImportStatus.TO_CONFIRM
    (kept_files / "stray").write_text("nobody's")
    os.utime(kept_files / "stray", (0, 0))
    assert purge_import_files(now=read_now() + timedelta(days=6)) == 1, "the stray one"
    assert purge_import_files(now=read_now() + timedelta(days=8)) == 1
    record.refresh_from_db()
    assert record.status == ImportStatus.ABANDONED
    assert "personne n’a décidé en 7 jours" in see(client, record)
    assert list(kept_files.iterdir()) == []
    assert not PopulationDifference.objects.exists()
    purge_task.run()


def test_a_file_that_is_being_read_is_kept(client: Client, kept_files: Path) -> None:
    upload(client, GOOD)
    PopulationImport.objects.update(status=ImportStatus.RUNNING)
    assert purge_import_files(now=read_now() + timedelta(days=30)) == 0
    assert len(list(kept_files.iterdir())) == 1


# --- Differences ----------------------------------------------------------------------------------------


@pytest.fixture
def waiting(client: Client) -> PopulationImport:
    """One person would be changed, one closed, one created; a line is rejected."""
    start(client, upload(client, GOOD))
    record = upload(client, CHANGED, is_full_extract="on")
    start(client, record)
    assert record.status == ImportStatus.TO_CONFIRM
    return record


def test_differences_are_shown_masked(client: Client, waiting: PopulationImport) -> None:
    assert "Voir les différences" in see(client, waiting)
    page = client.get(reverse("admin:population_import_differences", args=[waiting.pk])).content.decode()
    for shown in ("3 différences", "••••321", "Modifiée", "••••567", "Dossier clos", "••••678", "Créée"):
        assert shown in page, shown
    for secret in ("7654321", "DURAND", "DUPONT", "PETIT"):
        assert secret not in page
    download = reverse("admin:population_differences_csv", args=[waiting.pk])
    assert client.get(download).status_code == 403


def test_differences_are_downloaded_in_clear_and_logged(waiting: PopulationImport) -> None:
    reader = sign_in(make_colleague(SUPERVISEUR))
    assert reader.get(reverse("admin:population_import_differences", args=[waiting.pk])).status_code == 200
    response = reader.get(reverse("admin:population_differences_csv", args=[waiting.pk]))
    text = b"".join(response.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert "2;Modifiée;7654321;nom;DURAND;DUPONT" in text
    assert ";Dossier clos;1234567;;;" in text
    assert "3;Créée;2345678;nom;;PETIT" in text
    assert AccessLog.objects.get().detail == f"différences de l’import n° {waiting.pk}"


def test_differences_go_once_somebody_decided(client: Client, waiting: PopulationImport) -> None:
    post(client, "population_import_confirm", waiting)
    assert (waiting.status, waiting.updated_count, waiting.closed_count) == (ImportStatus.DONE, 1, 1)
    assert Allocataire.objects.get(matricule="7654321").last_name == "DUPONT"
    assert not PopulationDifference.objects.exists()


# --- Kept mappings ----------------------------------------------------------------------------------------


def test_a_mapping_is_renamed_and_deleted(client: Client) -> None:
    first, other = (ColumnMapping.objects.create(name=name, mapping={"a": "nom"}) for name in ("Mardi", "Jeudi"))
    assert "Mardi" in client.get(reverse("admin:column_mappings")).content.decode()
    assert "s’appelle maintenant « Lundi »" in post(client, "column_mapping_rename", first, name=" Lundi ")
    assert "s’appelle déjà « Lundi »" in post(client, "column_mapping_rename", other, name="Lundi")
    assert "de 1 à 80 caractères" in post(client, "column_mapping_rename", other, name=" ")
    assert "est supprimée" in post(client, "column_mapping_delete", first)
    assert list(ColumnMapping.objects.values_list("name", flat=True)) == ["Jeudi"]
