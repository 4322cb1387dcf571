"""The list of addresses to correct: whose, never the address itself; corrected by who may."""

import pytest
from django.urls import reverse

from campaigns.bad_destinations import Finding, record_bad_destinations
from campaigns.enums import BadDestinationReason
from campaigns.models import BadDestination, read_now
from outreach.roles import AGENT, DPO
from tests.factories import make_allocataire
from tests.pages import MAX_QUERIES, make_colleague, sign_in

pytestmark = pytest.mark.django_db
LIST = "admin:campaigns_baddestination_changelist"


@pytest.fixture
def bad() -> BadDestination:
    person = make_allocataire(mobile="+33612345678")
    finding = Finding(person.pk, person.mobile, "", BadDestinationReason.SOMEBODY_ELSE)
    record_bad_destinations(findings=[finding], now=read_now())
    return BadDestination.objects.get()


def test_an_agent_corrects(bad: BadDestination, django_assert_max_num_queries) -> None:
    client = sign_in(make_colleague(AGENT))
    with django_assert_max_num_queries(MAX_QUERIES):
        page = client.get(reverse(LIST)).content.decode()
    assert "Numéro d’une autre personne" in page
    assert "À corriger" in page
    assert "Envoyer" not in page, "here that word is for messages"
    assert reverse("admin:campaigns_allocataire_change", args=[bad.allocataire_id]) in page
    assert "+33612345678" not in page
    assert bad.destination_hash not in page
    answer = client.post(reverse(LIST), {"action": "correct", "_selected_action": [bad.pk]}, follow=True)
    assert "serviront de nouveau : 1" in answer.content.decode()
    bad.refresh_from_db()
    assert bad.corrected_at
    assert "Numéro d’une autre personne" not in client.get(reverse(LIST)).content.decode().split("changelist-filter")[0]


def test_others_see_nothing(bad: BadDestination) -> None:
    assert sign_in(make_colleague(DPO)).get(reverse(LIST)).status_code == 403
