"""Files brought in through pages: populations, plans. Each refusal is a sentence, and nothing is half stored."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from campaigns import population_uploads
from campaigns.models import Allocataire, ColumnMapping, ImportStatus, Plan, PopulationImport, read_now
from outreach.roles import ADMINISTRATEUR, AGENT
from outreach.tasks import run_waiting_uploads
from tests.factories import make_commune, make_plan
from tests.pages import make_colleague, sign_in

pytestmark = pytest.mark.django_db
ADD = "admin:campaigns_populationimport_add"


@pytest.fixture
def client() -> Client:
    return sign_in(make_colleague(ADMINISTRATEUR))


def csv_file(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("extrait.csv", text.encode(), content_type="text/csv")


@pytest.fixture(autouse=True)
def kept_files(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path / "imports"


def columns(**fields: str) -> dict[str, str]:
    names = ("matricule", "nom", "prenom", "commune")
    return {f"column-{p}": fields.get(name, name) for p, name in enumerate(names)} | {"save_as": ""}


def upload(client: Client, text: str, **data: str) -> PopulationImport:
    response = client.post(reverse(ADD), {"file": csv_file(text)} | data)
    assert response.status_code == 302, response.content.decode()
    return PopulationImport.objects.latest("pk")


def start(client: Client, record: PopulationImport, **choices: str) -> str:
    address = reverse("admin:population_import_prepare", args=[record.pk])
    page = client.post(address, columns() | choices, follow=True).content.decode()
    record.refresh_from_db()
    return page


GOOD = "matricule;nom;prenom;commune\n1234567;MARTIN;Camille;66136\n7654321;DURAND;Alix;66136\n"
HALF_BAD = GOOD + "2345678;=SECRET;Zoé;66136\n"


def test_a_population_is_read_and_its_report_shown(client: Client, kept_files: Path) -> None:
    make_commune()
    record = upload(client, GOOD)
    page = start(client, record)
    assert Allocataire.objects.count() == 2
    assert (record.status, record.created_count, str(record.by)) == (ImportStatus.DONE, 2, "administrateur")
    assert "Personnes créées" in page
    assert list(kept_files.iterdir()) == [], "personal data goes once it has served"


def test_a_report_lists_whose_identity_changed_masked(client: Client) -> None:
    make_commune()
    start(client, upload(client, GOOD))
    page = start(client, upload(client, GOOD.replace("MARTIN;Camille", "PETIT;Dominique")))
    assert "Identités changées : 1" in page.replace("\u00a0", " ")
    assert "••••567" in page
    for secret in ("1234567", "MARTIN", "PETIT"):
        assert secret not in page
    assert "Identités changées" not in start(client, upload(client, GOOD.replace("MARTIN;Camille", "PETIT;Do")))


def test_first_rows_show_their_shape_only(client: Client) -> None:
    record = upload(client, GOOD)
    page = client.get(reverse("admin:population_import_prepare", args=[record.pk])).content.decode()
    assert "XXXXXX" in page
    assert "9999999" in page
    for secret in ("MARTIN", "Camille", "1234567"):
        assert secret not in page


def test_a_mapping_is_kept_and_offered(client: Client) -> None:
    make_commune()
    text = GOOD.replace("matricule;nom", "Dossier;Usage")
    record = upload(client, text)
    start(client, record, save_as="Extraction du mardi")
    saved = ColumnMapping.objects.get()
    assert saved.mapping["Dossier"] == "matricule"
    again = reverse("admin:population_import_prepare", args=[upload(client, text).pk])
    assert "Extraction du mardi" in client.get(again).content.decode()
    page = client.get(again, {"mapping": saved.pk}).content.decode()
    assert page.count('value="matricule" selected') == 1


def test_columns_that_cannot_be_are_told(client: Client) -> None:
    record = upload(client, GOOD)
    page = start(client, record, **{"column-0": ""})
    assert "Il manque « matricule » : choisissez-le" in page.replace("\xa0", " ")
    assert record.status == ImportStatus.PREPARED


def test_more_than_one_percent_rejected_asks(client: Client, kept_files: Path) -> None:
    make_commune()
    record = upload(client, HALF_BAD)
    page = start(client, record)
    assert record.status == ImportStatus.TO_CONFIRM
    assert not Allocataire.objects.exists()
    assert (record.created_count, len(list(kept_files.iterdir()))) == (2, 1)
    assert "Importer quand même" in page
    assert "SECRET" not in page
    client.post(reverse("admin:population_import_confirm", args=[record.pk]))
    record.refresh_from_db()
    assert (record.status, record.created_count, record.rejected_lines.count()) == (ImportStatus.DONE, 2, 1)
    assert list(kept_files.iterdir()) == []


def test_an_import_is_abandoned_once(client: Client, kept_files: Path) -> None:
    make_commune()
    record = upload(client, HALF_BAD)
    start(client, record)
    client.post(reverse("admin:population_import_abandon", args=[record.pk]))
    page = client.post(reverse("admin:population_import_confirm", args=[record.pk]), follow=True).content.decode()
    record.refresh_from_db()
    assert record.status == ImportStatus.ABANDONED
    assert "n’en est plus là" in page
    assert list(kept_files.iterdir()) == []
    assert not Allocataire.objects.exists()


def test_a_truncated_full_extract_asks(client: Client) -> None:
    make_commune()
    start(client, upload(client, GOOD))
    record = upload(client, "\n".join(GOOD.splitlines()[:2]), is_full_extract="on")
    start(client, record)
    assert (record.status, record.closed_count) == (ImportStatus.TO_CONFIRM, 1)
    client.post(reverse("admin:population_import_confirm", args=[record.pk]))
    assert Allocataire.objects.exclude(closed_on=None).count() == 1


def test_what_was_asked_before_another_import_is_asked_again(client: Client) -> None:
    """Its figures were those of another population: an old extract would close the people of a newer one."""
    make_commune()
    start(client, upload(client, GOOD))
    old = upload(client, "\n".join(GOOD.splitlines()[:2]), is_full_extract="on")
    start(client, old)
    assert (old.status, old.closed_count) == (ImportStatus.TO_CONFIRM, 1)
    start(client, upload(client, GOOD + "2345678;PETIT;Zoé;66136\n"))
    confirm = reverse("admin:population_import_confirm", args=[old.pk])
    page = client.post(confirm, follow=True).content.decode()
    old.refresh_from_db()
    assert (old.status, old.closed_count) == (ImportStatus.TO_CONFIRM, 2)
    assert "Un autre import a été appliqué entre-temps" in page
    assert not Allocataire.objects.exclude(closed_on=None).exists()
    client.post(confirm)
    old.refresh_from_db()
    assert (old.status, Allocataire.objects.exclude(closed_on=None).count()) == (ImportStatus.DONE, 2)


def test_a_large_file_waits_for_a_worker(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_commune()
    monkeypatch.setattr(population_uploads, "SHORT_FILE", 10)
    record = upload(client, GOOD)
    start(client, record)
    assert record.status == ImportStatus.WAITING
    response = client.get(reverse("admin:campaigns_populationimport_change", args=[record.pk]))
    assert response["Refresh"] == "2", "without JavaScript too"
    assert "En attente" in response.content.decode()
    run_waiting_uploads.run()
    record.refresh_from_db()
    assert (record.status, record.created_count) == (ImportStatus.DONE, 2)
    assert "Refresh" not in client.get(reverse("admin:campaigns_populationimport_change", args=[record.pk]))


def test_a_page_reads_its_own_short_file_and_no_other(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_commune()
    with monkeypatch.context() as patch:
        patch.setattr(population_uploads, "SHORT_FILE", 10)
        large = upload(client, GOOD)
        start(client, large)
    short = upload(client, GOOD)
    start(client, short)
    large.refresh_from_db()
    assert (short.status, large.status) == (ImportStatus.DONE, ImportStatus.WAITING)


def test_rejected_lines_are_downloaded(client: Client) -> None:
    record = make_import()
    record.rejected_lines.create(line=3, column="=cmd()", value_class="vide", reason="Le nom manque.")
    response = client.get(reverse("admin:population_import_rejections", args=[record.pk]))
    assert response.content.decode("utf-8-sig").splitlines()[1] == "3;'=cmd();vide;Le nom manque."


def test_cells_left_empty_are_downloaded(client: Client) -> None:
    make_commune()
    record = upload(client, GOOD + "2345678;PETIT;Zoé;66136\n")
    start(client, record)
    record.emptied = {"mobile : ne reçoit pas de SMS": 1}
    record.save()
    record.emptied_cells.create(line=3, column="=mobile", value_class="vide", reason="mobile : ne reçoit pas de SMS")
    address = reverse("admin:population_import_emptied", args=[record.pk])
    assert address in client.get(reverse("admin:campaigns_populationimport_change", args=[record.pk])).content.decode()
    rows = client.get(address).content.decode("utf-8-sig").splitlines()
    assert rows[1:] == ["3;'=mobile;vide;mobile : ne reçoit pas de SMS"]


def make_import() -> PopulationImport:
    return PopulationImport.objects.create(file_name="x.csv", status=ImportStatus.DONE, started_at=read_now())


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\x00\x00", b"PK\x03\x04 not a workbook"])
def test_a_file_that_is_not_a_population_is_refused(client: Client, content: bytes, kept_files: Path) -> None:
    response = client.post(reverse(ADD), {"file": SimpleUploadedFile("extrait.csv", content)})
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert not PopulationImport.objects.exists()
    assert list(kept_files.glob("*")) == []


def test_an_agent_imports_nothing() -> None:
    assert sign_in(make_colleague(AGENT)).get(reverse(ADD)).status_code == 403


def test_a_text_that_nothing_can_write_is_refused(client: Client) -> None:
    make_plan(code="vie-maritale")
    exported = json.loads(client.get(reverse("admin:export_plans")).content)
    exported["plans"][0] |= {"name": "\ud800", "code": "autre"}
    upload = SimpleUploadedFile("plans.json", json.dumps(exported).encode())
    page = client.post(reverse("admin:import_plans"), {"file": upload}).content.decode()
    assert "clé « name » : un texte est attendu" in page
    assert Plan.objects.count() == 1


def test_a_mapping_that_is_no_number_is_none(client: Client) -> None:
    record = upload(client, GOOD)
    address = reverse("admin:population_import_prepare", args=[record.pk])
    for number in ("abc", "9" * 40, "-1"):
        assert client.get(address, {"mapping": number}).status_code == 200


def test_plans_leave_as_one_file_and_come_back(client: Client) -> None:
    make_plan(code="vie-maritale", name="Vie maritale")
    response = client.get(reverse("admin:export_plans"))
    assert response["Content-Disposition"] == 'attachment; filename="plans.json"'
    Plan.objects.all().delete()
    upload = SimpleUploadedFile("plans.json", response.content)
    page = client.post(reverse("admin:import_plans"), {"file": upload}, follow=True).content.decode()
    assert "1 créés" in page
    assert Plan.objects.get().name == "Vie maritale"


def test_one_plan_leaves_alone(client: Client) -> None:
    make_plan(code="un")
    make_plan(code="deux")
    content = json.loads(client.get(reverse("admin:export_plans"), {"code": "deux"}).content)
    assert [plan["code"] for plan in content["plans"]] == ["deux"]
    assert client.get(reverse("admin:export_plans"), {"code": "trois"}).status_code == 404


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe", "pas un fichier de plans"),
        (b"{", "pas un fichier de plans"),
        (b"[" * 100_000, "pas un fichier de plans"),
        (b"9" * 5_000, "pas un fichier de plans"),
        (b"[]", ""),
    ],
)
def test_a_file_that_holds_no_plan_is_refused(client: Client, content: bytes, sentence: str) -> None:
    response = client.post(reverse("admin:import_plans"), {"file": SimpleUploadedFile("plans.json", content)})
    page = response.content.decode()
    assert response.status_code == 200
    assert "errorlist" in page
    assert sentence in page


def test_a_plan_is_read_as_its_texts_will_be(client: Client) -> None:
    plan = make_plan(purpose="Inviter à déclarer.")
    page = client.get(reverse("admin:campaigns_plan_change", args=[plan.pk])).content.decode()
    assert "Inviter à déclarer." in page
    assert "SMS — lancement, valable 5 jours" in page


def test_columns_that_will_be_ignored_are_named_before_and_after(client: Client) -> None:
    make_commune()
    text = GOOD.replace("prenom", "Observations")
    record = upload(client, text)
    page = client.get(reverse("admin:population_import_prepare", args=[record.pk])).content.decode()
    assert "1 colonne sur 4 sera ignorée" in " ".join(page.split())
    assert "« Observations »" in page.replace("\xa0", " ")
    assert "Colonnes ignorées : Observations." in start(client, record, **{"column-2": ""}).replace("\xa0", " ")


def test_all_recognised_columns_are_said_to_be_so(client: Client) -> None:
    page = client.get(reverse("admin:population_import_prepare", args=[upload(client, GOOD).pk])).content.decode()
    assert "Toutes les colonnes (4) sont reconnues" in page


@pytest.mark.parametrize(
    ("header", "choices", "said"),
    [
        ("matricule;nom;nom;commune", {"column-2": "nom"}, "Plusieurs colonnes s’appellent « nom »"),
        ("matricule;nom;NOM ;commune", {"column-2": "prenom"}, "Plusieurs colonnes s’appellent « NOM"),
        (
            "matricule;nom;usage;commune",
            {"column-2": "nom"},
            "« nom » et « usage » ne peuvent pas toutes contenir « nom »",
        ),
        ("matricule;nom;prenom;commune", {"column-1": ""}, "Il manque « nom » : choisissez-le en face"),
    ],
)
def test_choices_that_cannot_be_are_told_in_french(
    client: Client, header: str, choices: dict[str, str], said: str
) -> None:
    record = upload(client, GOOD.replace("matricule;nom;prenom;commune", header))
    page = start(client, record, **choices).replace("\xa0", " ")
    assert said in page
    assert "last_name" not in page
    assert record.status == ImportStatus.PREPARED


def test_namesakes_may_all_be_ignored(client: Client) -> None:
    make_commune()
    record = upload(client, "matricule;nom;x;x\n1234567;MARTIN;1;2\n")
    start(client, record, **{"column-2": "", "column-3": ""})
    assert record.status == ImportStatus.DONE


def test_a_file_of_one_column_is_told_its_separator(client: Client) -> None:
    record = upload(client, GOOD.replace(";", "|"))
    page = start(client, record, **{f"column-{p}": "" for p in range(4)})
    assert "Ce fichier n’a qu’une colonne" in page


def test_a_file_that_seems_cut_is_told(client: Client) -> None:
    make_commune()
    people = "".join(f"{n};MARTIN;Camille;66136\n" for n in range(1_000_000, 1_000_150))
    text = "matricule;nom;prenom;commune\n" + people
    page = start(client, upload(client, text + "2345678;DUR"))
    assert "La dernière ligne est incomplète" in page
    assert "151 lignes" in page.replace("\xa0", " ")
    wide = text.replace("1000003;MARTIN;Camille;66136", "1000003;MARTIN")
    assert "La dernière ligne est incomplète" not in start(client, upload(client, wide))


def test_a_file_of_titles_alone_is_told(client: Client) -> None:
    page = start(client, upload(client, GOOD.splitlines()[0]))
    assert "Ce fichier n’a aucune ligne sous ses titres" in page.replace("\xa0", " ")


def test_an_empty_file_is_told(client: Client) -> None:
    page = client.post(reverse(ADD), {"file": csv_file("")}).content.decode()
    assert "Ce fichier est vide (0 octet)" in page.replace("\xa0", " ")


def test_what_changes_most_is_read_first(client: Client) -> None:
    record = PopulationImport.objects.create(
        file_name="extrait.csv", started_at=read_now(), status=ImportStatus.DONE, changes={"nom": 2, "situation": 9}
    )
    page = client.get(reverse("admin:campaigns_populationimport_change", args=[record.pk])).content.decode()
    changed = page.split("Données modifiées", 1)[1]
    assert changed.index("situation") < changed.index("nom")


def test_the_history_counts_only_what_was_done(client: Client) -> None:
    for status in (ImportStatus.TO_CONFIRM, ImportStatus.ABANDONED, ImportStatus.DONE):
        PopulationImport.objects.create(
            file_name="extrait.csv", started_at=read_now(), status=status, created_count=660, updated_count=14_340
        )
    page = client.get(reverse("admin:campaigns_populationimport_changelist")).content.decode()
    assert (page.count(">660<"), page.count('field-created">—<'), page.count('field-updated">—<')) == (1, 2, 2)
