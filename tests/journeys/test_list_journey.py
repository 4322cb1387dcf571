"""A list comes in, a segment takes it less another segment, says why 200 people are left out: hands on the keyboard."""

from datetime import date

import pytest
from playwright.sync_api import Page

from campaigns.models import ImportedList, Segment
from outreach.roles import AGENT, SUPERVISEUR
from tests.factories import make_allocataires, make_segment
from tests.journeys.pages import Visitor
from tests.journeys.test_segment_journey import figure, goes_to_control, keeps, line
from tests.pages import make_colleague

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
LISTED = "la liste «\N{NO-BREAK SPACE}Datamining PPA\N{NO-BREAK SPACE}» (Cnaf, 03/11/2025)"


def settle() -> bytes:
    """30 people to contact, 200 without any address, 20 of the segment to leave out; returns the list of them all."""
    make_segment({"all": [{"field": "age", "op": "gte", "value": 60}]}, name="Proches de la retraite")
    people = [
        *make_allocataires(30, born_on=date(1990, 1, 1)),
        *make_allocataires(200, born_on=date(1990, 1, 1), mobile="", email="", landline=""),
        *make_allocataires(20, born_on=date(1950, 1, 1)),
    ]
    lines = ["matricule", *(person.matricule for person in people), "9999999"]
    return "\n".join(lines).encode()


def types(page: Page, label: str, text: str) -> None:
    goes_to_control(page, label)
    page.keyboard.type(text)


def brings_in_the_list(visitor: Visitor, content: bytes) -> None:
    page = visitor.goes_to("/campaigns/importedlist/add/").page
    goes_to_control(page, "Fichier de la liste")
    page.locator(":focus").set_input_files({"name": "ppa.csv", "mimeType": "text/csv", "buffer": content})
    types(page, "Nom de la liste", "Datamining PPA")
    types(page, "Origine", "Cnaf")
    goes_to_control(page, "Établie le")
    page.locator(":focus").fill("2025-11-03")
    page.keyboard.press("Enter")
    visitor.sees("250 personnes").sees("Ce matricule n’est pas dans la population importée.")


def ticks(page: Page, label: str) -> None:
    goes_to_control(page, label)
    page.keyboard.press("Space")


def test_a_list_less_a_segment_with_the_keyboard_alone(visitor: Visitor) -> None:
    content = settle()
    visitor.signs_in(make_colleague(SUPERVISEUR))
    brings_in_the_list(visitor, content)
    page = visitor.signs_out().signs_in(make_colleague(AGENT)).goes_to("/campaigns/segment/add/").page
    keys = page.keyboard
    types(page, "Critère", "Liste")
    page.locator("#row-0-0[data-shown^='list ']").wait_for()
    ticks(page, LISTED)
    goes_to_control(page, "Ajouter une ligne")
    keys.press("Enter")
    page.locator("#id_row-0-1-field:focus").wait_for()
    keys.type("Segment")
    page.locator("#row-0-1[data-shown^='segment ']").wait_for()
    types(page, "Comparaison", "n’")
    ticks(page, "Proches de la retraite")
    visitor.sees("à l’exclusion de ceux du segment")
    assert line(page, 2).is_visible()
    assert figure(page, "Personnes du segment") == "230"
    assert figure(page, "À contacter aujourd’hui") == "30"
    visitor.sees("Aucune adresse utilisable")
    assert page.get_by_text("200", exact=False).first.is_visible()
    types(page, "Nom", "Droit possible, avant la retraite")
    goes_to_control(page, "Enregistrer le segment")
    keys.press("Enter")
    keeps(visitor, "Droit possible, avant la retraite")
    retired = Segment.objects.get(name="Proches de la retraite")
    assert Segment.objects.get(name__startswith="Droit").criteria == {
        "all": [
            {"field": "list", "op": "in", "value": [ImportedList.objects.get().code]},
            {"field": "segment", "op": "not_in", "value": [str(retired.pk)]},
        ]
    }
