"""Files brought in through pages: populations, plans. Each refusal is a sentence, and nothing is half stored."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from campaigns.models import Allocataire, Plan, PopulationImport
from outreach.roles import ADMINISTRATEUR, AGENT
from tests.factories import make_commune, make_plan
from tests.pages import make_colleague, sign_in

pytestmark = pytest.mark.django_db
ADD = "admin:campaigns_populationimport_add"


@pytest.fixture
def client() -> Client:
    return sign_in(make_colleague(ADMINISTRATEUR))


def csv_file(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("extrait.csv", text.encode(), content_type="text/csv")


def test_a_population_is_read_and_its_report_shown(client: Client) -> None:
    make_commune()
    text = "matricule;nom;prenom;commune\n1234567;MARTIN;Camille;66136\n7654321;DURAND;Alix;66136\n"
    page = client.post(reverse(ADD), {"file": csv_file(text)}, follow=True).content.decode()
    assert Allocataire.objects.count() == 2
    done = PopulationImport.objects.get()
    assert (done.created_count, str(done.by)) == (2, "administrateur")
    assert "2 lignes, 0 rejetées" in page


def test_rejected_lines_are_shown_without_their_values(client: Client) -> None:
    make_commune()
    text = "matricule;nom;commune\n1234567;MARTIN;66136\n2345678;DURAND;99999\n"
    data = {"file": csv_file(text), "accept_rejections": "on"}
    page = client.post(reverse(ADD), data, follow=True).content.decode()
    assert "Lignes rejetées" in page
    assert "DURAND" not in page


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n\x00\x00", b"couleur;taille\nrouge;12\n"])
def test_a_file_that_is_not_a_population_is_refused(client: Client, content: bytes) -> None:
    response = client.post(reverse(ADD), {"file": SimpleUploadedFile("extrait.csv", content)})
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert not Allocataire.objects.exists()


def test_an_agent_imports_nothing() -> None:
    assert sign_in(make_colleague(AGENT)).get(reverse(ADD)).status_code == 403


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
    ("content", "sentence"), [(b"\xff\xfe", "pas un fichier de plans"), (b"{", "pas un fichier de plans"), (b"[]", "")]
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
