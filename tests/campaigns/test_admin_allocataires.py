"""Pages of persons: masked until somebody says why she looks, and the look is written."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import reverse

from campaigns.admin.masking import mask_email, mask_matricule, mask_phone
from campaigns.enums import OppositionSource
from campaigns.models import AccessLog, Allocataire, IdentityChange, Opposition, PopulationImport, read_now
from campaigns.oppositions import record_opposition
from outreach.roles import ADMINISTRATEUR, AGENT, DPO, SUPERVISEUR
from tests.factories import make_allocataire, make_allocataires
from tests.pages import MAX_QUERIES, make_colleague, sign_in

LIST = "admin:campaigns_allocataire_changelist"


@pytest.fixture
def person(db: None) -> Allocataire:
    return make_allocataire(
        matricule="7654321", last_name="DURANDAL", mobile="+33612345678", email="camille@exemple.invalid"
    )


def page_of(person: Allocataire) -> str:
    return reverse("admin:campaigns_allocataire_change", args=[person.pk])


def test_masks() -> None:
    assert mask_matricule("7654321") == "••••321"
    assert mask_phone("+33612345678") == "06 •• •• •• 78"
    assert mask_phone("") == mask_email("") == ""
    assert mask_email("camille@exemple.fr") == "c•••@exemple.fr"


def test_list_and_page_hold_nothing_that_names_the_person(person: Allocataire) -> None:
    client = sign_in(make_colleague(AGENT))
    for url in (reverse(LIST), page_of(person)):
        page = client.get(url).content.decode()
        assert "••••321" in page
        for value in (person.matricule, person.last_name, person.mobile, "12 34 56", person.email):
            assert value not in page


def test_opening_a_page_is_written_even_masked_and_the_list_is_not(person: Allocataire) -> None:
    client = sign_in(make_colleague(AGENT))
    client.get(reverse(LIST))
    assert not AccessLog.objects.exists()
    client.get(page_of(person))
    log = AccessLog.objects.get()
    assert (log.action, log.by.username, log.allocataire_id, log.detail) == ("fiche", "agent", person.pk, "")


def test_searching_by_matricule_leads_to_an_opaque_address_and_is_written(person: Allocataire) -> None:
    client = sign_in(make_colleague(AGENT))
    response = client.post(reverse("admin:search_allocataire"), {"matricule": " 7654321 "})
    assert response["Location"] == page_of(person)
    assert "7654321" not in response["Location"]
    assert AccessLog.objects.get().action == "recherche"


def test_searching_nobody_says_so(person: Allocataire) -> None:
    client = sign_in(make_colleague(AGENT))
    page = client.post(reverse("admin:search_allocataire"), {"matricule": "1"}, follow=True).content.decode()
    assert "Aucun allocataire n’a ce matricule" in page
    assert client.get(reverse("admin:search_allocataire")).status_code == 405


def test_seeing_contact_points_needs_a_reason_and_leaves_it(person: Allocataire) -> None:
    client = sign_in(make_colleague(AGENT))
    url = reverse("admin:reveal_allocataire", args=[person.pk])
    assert "+33612345678" not in client.post(url, {"reason": ""}).content.decode()
    assert not AccessLog.objects.filter(action="coordonnées").exists()
    page = client.post(url, {"reason": "Elle a demandé à être rappelée."}).content.decode()
    assert "+33612345678" in page
    assert "DURANDAL" in page
    log = AccessLog.objects.get(action="coordonnées")
    assert (log.by.username, log.allocataire_id, log.detail) == ("agent", person.pk, "Elle a demandé à être rappelée.")


@pytest.mark.parametrize("address", ["campaigns_allocataire_change", "explain_allocataire", "person_timeline"])
def test_a_matricule_given_to_somebody_else_is_said_wherever_history_is(person: Allocataire, address: str) -> None:
    client = sign_in(make_colleague(AGENT))
    url = reverse(f"admin:{address}", args=[person.pk])
    assert "Identité changée" not in client.get(url).content.decode()
    source = PopulationImport.objects.create(file_name="extrait.csv", started_at=read_now())
    for day in (2, 3):
        at = datetime(2026, 3, day, 12, tzinfo=UTC)
        IdentityChange.objects.create(population_import=source, allocataire=person, line=2, at=at)
    page = client.get(url).content.decode()
    assert page.count("Identité changée le") == 1, "the last one: what is older than it may be about another"
    assert "Identité changée le 3 mars 2026" in page.replace("\u00a0", " ")


def test_an_administrateur_sees_nobody(person: Allocataire) -> None:
    client = sign_in(make_colleague(ADMINISTRATEUR))
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(page_of(person)).status_code == 403
    assert client.post(reverse("admin:reveal_allocataire", args=[person.pk]), {"reason": "x"}).status_code == 403
    assert not AccessLog.objects.exists()


def test_an_opposition_told_to_an_agent_is_recorded(person: Allocataire) -> None:
    client = sign_in(make_colleague(AGENT))
    client.post(reverse("admin:oppose_allocataire", args=[person.pk]), {"channel": "SMS"})
    opposition = Opposition.objects.get()
    assert (opposition.allocataire_id, opposition.channel, str(opposition.recorded_by)) == (
        person.pk,
        "SMS",
        "agent",
    )


@pytest.mark.django_db
def test_the_list_costs_the_same_whatever_its_length(django_assert_max_num_queries: Any) -> None:
    make_allocataires(60)
    client = sign_in(make_colleague(AGENT))
    with django_assert_max_num_queries(MAX_QUERIES):
        client.get(reverse(LIST))


@pytest.mark.parametrize(
    ("rows", "counter"), [(0, "0 consultation"), (1, "1 consultation"), (1_200, "1 200 consultations")]
)
def test_a_list_counts_its_rows_in_french(person: Allocataire, rows: int, counter: str) -> None:
    dpo = make_colleague(DPO)
    AccessLog.objects.bulk_create(AccessLog(by=dpo, at=read_now(), action="fiche") for _ in range(rows))
    page = sign_in(dpo).get(reverse("admin:campaigns_accesslog_changelist")).content.decode()
    assert "<h1>Journal des consultations</h1>" in page
    told = re.sub(r"<[^>]+>|\s", " ", page.split('class="paginator"')[1].split("</p>")[0])
    assert " ".join(told.split()).endswith(counter)


def test_a_superviseur_lifts_a_refusal_that_the_person_takes_back(person: Allocataire) -> None:
    record_opposition(allocataire_ids=[person.pk], source=OppositionSource.AGENT, now=read_now())
    opposition = Opposition.objects.get()
    address = reverse("admin:lift_opposition", args=[opposition.pk])
    page = reverse("admin:campaigns_allocataire_change", args=[person.pk])
    agent, chief = sign_in(make_colleague(AGENT)), sign_in(make_colleague(SUPERVISEUR))
    assert address not in agent.get(page).content.decode()
    assert agent.post(address).status_code == 403
    assert address in chief.get(page).content.decode()
    assert "START" in chief.get(address).content.decode()
    assert Opposition.objects.active().exists(), "asking changes nothing"
    assert chief.post(address, follow=True).redirect_chain == [(page, 302)]
    assert not Opposition.objects.active().exists()
    assert AccessLog.objects.get(action="levée d’opposition").allocataire_id == person.pk
    assert address not in chief.get(page).content.decode()
    assert "Elle a été levée" in chief.get(address).content.decode()
