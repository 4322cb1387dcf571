"""An agent with no training describes a public, reads whom it takes and why others are left out, and keeps it."""

from datetime import date
from typing import Any

import pytest
from playwright.sync_api import Locator, Page

from campaigns.models import Segment, User, read_now
from outreach.roles import AGENT
from tests.factories import make_allocataire, make_allocataires, make_commune, make_epci
from tests.journeys.pages import Visitor
from tests.journeys.test_access_for_all import objections
from tests.pages import make_colleague

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

PERPIGNAN = "Perpignan Méditerranée Métropole"
# (fact, comparison, value): what the agent was asked for, line by line.
ASKED = (
    ("Isolé", "", "oui"),
    ("Âge", "au plus", "30"),
    ("Enfants à charge", "au moins", "1"),
    ("Prestation", "ne perçoit pas", "Prime d’activité"),
    ("EPCI", "est", PERPIGNAN),
    ("Contacté dans les derniers jours", "pas contacté depuis", "180"),
)
SENTENCE = (
    "Allocataires isolés, ayant 30 ans au plus, avec au moins 1 enfant à charge, sans prime d’activité, habitant "
    f"{PERPIGNAN}, pas contactés depuis 180\N{NO-BREAK SPACE}jours."
)
TREE: dict[str, list[dict[str, Any]]] = {
    "all": [
        {"field": "isolated", "op": "eq", "value": True},
        {"field": "age", "op": "lte", "value": 30},
        {"field": "children_count", "op": "gte", "value": 1},
        {"field": "prestation", "op": "has_not", "value": "PPA"},
        {"field": "epci", "op": "eq", "value": "200027183"},
        {"field": "contacted_within_days", "op": "not_within", "value": 180},
    ]
}


def settle() -> User:
    """12 people asked for, of whom 3 cannot be contacted; 5 others."""
    make_commune("01053", "Bourg-en-Bresse", epci=make_epci("200071751", "Bourg"))
    young = {"born_on": date(read_now().year - 25, 1, 1)}
    make_allocataires(9, **young)
    make_allocataires(2, **young, mobile="", email="", landline="")
    make_allocataire(**young, is_under_guardianship=True)
    make_allocataires(3, born_on=date(1970, 1, 1))
    make_allocataire(**young, prestations={"PPA": "2024-01-01"})
    make_allocataire(**young, commune_id="01053")
    return make_colleague(AGENT)


def line(page: Page, number: int) -> Locator:
    return page.get_by_role("group", name=f"Ligne {number}", exact=True)


def describe(page: Page) -> None:
    page.wait_for_url("**/segment/add/")  # loaded whole: a change made before its script listens would be lost
    for number, (fact, comparison, value) in enumerate(ASKED, start=1):
        if number > 1:
            page.get_by_role("button", name="Ajouter une ligne").click()
        row = line(page, number)
        leaf = TREE["all"][number - 1]
        row.get_by_label("Critère").select_option(label=fact)
        page.locator(f"#row-0-{number - 1}[data-shown^='{leaf['field']} ']").wait_for()
        if comparison:
            row.get_by_label("Comparaison").select_option(label=comparison)
        field = row.get_by_label("Nombre de jours") if fact.startswith("Contacté") else row.get_by_label("Valeur")
        field.wait_for()
        if field.evaluate("e => e.tagName") == "SELECT":
            field.select_option(label=value)
        else:
            field.fill(value)


def figure(page: Page, label: str) -> str:
    return page.locator(".av-figure", has_text=label).locator(".av-figure-value").inner_text().strip()


def test_an_agent_describes_a_public_reads_why_and_keeps_it(visitor: Visitor) -> None:
    visitor.signs_in(settle()).follows("Segments").follows("Nouveau segment")
    describe(visitor.page)
    visitor.sees(SENTENCE)
    assert figure(visitor.page, "Personnes du segment") == "12"
    assert figure(visitor.page, "À contacter aujourd’hui") == "9"
    visitor.sees("Mesure de protection : contacter le tuteur").sees("Aucune adresse utilisable")
    visitor.sees("10 exemples, sans nom")
    visitor.page.locator("#id_name").fill("Isolés de 30 ans au plus")
    visitor.presses("Enregistrer le segment")
    keeps(visitor, "Isolés de 30 ans au plus")
    assert Segment.objects.get().criteria == TREE


def keeps(visitor: Visitor, name: str) -> None:
    """The segment is kept, and the results of its page have come: nothing is left running."""
    visitor.sees(f"« {name} » enregistré").sees("Personnes du segment")


def goes_to_control(page: Page, label: str) -> None:
    """Tab until the control of that name has the focus."""
    # Not « :focus »: the calendar of a day has it inside.
    said = "(e => e.labels?.[0]?.textContent.trim() || e.textContent.trim())(document.activeElement)"
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(said) == label:
            return
    pytest.fail(f"the keyboard never reaches « {label} »")


def test_a_line_left_unfinished_is_said_beside_it_and_loses_nothing(visitor: Visitor) -> None:
    visitor.signs_in(settle()).goes_to("/campaigns/segment/add/")
    row = line(visitor.page, 1)
    row.get_by_label("Critère").select_option(label="Âge")
    row.get_by_label("Valeur").wait_for()
    visitor.fills("Nom", "Jeunes").presses("Enregistrer le segment")
    visitor.sees("Rien n’est encore enregistré")
    assert "une valeur est attendue" in row.inner_text()
    assert visitor.page.get_by_label("Nom").input_value() == "Jeunes"
    row.get_by_label("Valeur").fill("25")
    keeps(visitor.presses("Enregistrer le segment"), "Jeunes")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_objects_to_nothing_in_a_segment_being_written(auditor: Visitor, theme: str) -> None:
    auditor.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    auditor.signs_in(settle()).goes_to("/campaigns/segment/add/")
    describe(auditor.page)
    auditor.presses("Ajouter un bloc « ou bien »").sees(SENTENCE)
    row = auditor.page.get_by_role("group", name="Ligne 1 du bloc 2")
    row.get_by_label("Critère").select_option(label="Situation familiale")
    row.get_by_label("Comparaison").select_option(label="parmi")
    row.get_by_label("Célibataire").wait_for()
    for width in (375, 1280):
        auditor.page.set_viewport_size({"width": width, "height": 800})
        assert auditor.overflow == 0
        assert objections(auditor) == []
    auditor.presses("Enregistrer le segment").sees("Rien n’est encore enregistré").sees("Pas encore de nombre")
    assert objections(auditor) == []
