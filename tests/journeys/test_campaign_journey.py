"""From a plan to a running campaign, by two people, in the browser."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser

from campaigns.enums import CampaignStatus
from campaigns.models import Campaign, read_now
from outreach.roles import AGENT, SUPERVISEUR
from tests.factories import make_allocataires, make_plan
from tests.journeys.pages import Visitor
from tests.pages import make_colleague

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


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


def test_an_agent_prepares_and_a_superviseur_launches(visitor: Visitor) -> None:
    tomorrow = prepare()
    visitor.signs_in(make_colleague(AGENT))
    create_draft(visitor, tomorrow)
    visitor.follows("Simulation").sees("4 sur 4").follows("Campagne")
    visitor.follows("Soumettre à l’approbation").presses("Soumettre à l’approbation").sees("Campagne soumise")
    visitor.signs_out().signs_in(make_colleague(SUPERVISEUR))
    visitor.sees("campagne à approuver").follows("Examiner : campagne à approuver").follows("Vie maritale, mars")
    visitor.follows("Approuver").presses("Approuver").sees("Campagne approuvée")
    visitor.follows("Lancer").fills("Effectif attendu", "5").presses("Lancer").sees("vous avez tapé 5")
    visitor.fills("Effectif attendu", "4").presses("Lancer").sees("Campagne lancée")
    assert Campaign.objects.get().status == CampaignStatus.RUNNING


def test_all_of_it_works_without_a_script(browser: Browser, live_server: object) -> None:
    tomorrow = prepare()
    context = browser.new_context(locale="fr-FR", java_script_enabled=False)
    visitor = Visitor(context.new_page(), str(live_server))
    visitor.signs_in(make_colleague(AGENT))
    create_draft(visitor, tomorrow)
    context.close()
    assert Campaign.objects.get().status == CampaignStatus.DRAFT
