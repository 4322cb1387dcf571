"""From a plan to a running campaign, by two people, in the browser."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser

from campaigns.enums import CampaignStatus
from campaigns.models import Campaign, read_now
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.roles import AGENT, SUPERVISEUR
from tests.factories import make_allocataires, make_plan
from tests.journeys.pages import Visitor
from tests.pages import make_colleague

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def operator() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    with use_gateway("SMS", gateway):
        yield gateway


def prepare() -> str:
    """People, a plan; returns tomorrow."""
    make_allocataires(4)
    make_plan(name="Vie maritale")
    return (read_now() + timedelta(days=1)).date().isoformat()


def create_draft(visitor: Visitor, tomorrow: str) -> None:
    visitor.follows("Campagnes").follows("Nouvelle campagne")
    visitor.chooses("Plan", "Vie maritale").fills("Nom de la campagne", "Vie maritale, mars")
    visitor.fills("Premier jour d’envoi", tomorrow).presses("Créer le brouillon")
    visitor.sees("Brouillon créé")


def test_an_agent_prepares_and_a_superviseur_launches(visitor: Visitor, operator: FakeGateway) -> None:
    tomorrow = prepare()
    visitor.signs_in(make_colleague(AGENT))
    create_draft(visitor, tomorrow)
    visitor.follows("Simulation").sees("4 sur 4").follows("Campagne")
    visitor.follows("Soumettre à l’approbation").presses("Soumettre à l’approbation").sees("personne de l’équipe")
    visitor.follows("Ne rien faire").follows("Essai").fills("Votre mobile", "06 12 34 56 78")
    visitor.presses("M’envoyer « Premier contact »").sees("C’est parti").sees("Pris par l’opérateur").follows(
        "Campagne"
    )
    visitor.follows("Soumettre à l’approbation").presses("Soumettre à l’approbation").sees("Campagne soumise")
    visitor.signs_out().signs_in(make_colleague(SUPERVISEUR))
    visitor.sees("campagne à approuver").follows("Examiner : campagne à approuver").follows("Vie maritale, mars")
    visitor.follows("Approuver").presses("Approuver").sees("Campagne approuvée")
    visitor.follows("Lancer").fills("Effectif attendu", "5").presses("Lancer").sees("vous avez tapé 5")
    visitor.fills("Effectif attendu", "4").presses("Lancer").sees("Campagne lancée")
    assert Campaign.objects.get().status == CampaignStatus.RUNNING
    assert [message.destination for _, message in operator.ledger] == ["+33612345678"]


def test_all_of_it_works_without_a_script(browser: Browser, live_server: object) -> None:
    tomorrow = prepare()
    context = browser.new_context(locale="fr-FR", java_script_enabled=False)
    visitor = Visitor(context.new_page(), str(live_server))
    visitor.signs_in(make_colleague(AGENT))
    create_draft(visitor, tomorrow)
    context.close()
    assert Campaign.objects.get().status == CampaignStatus.DRAFT
