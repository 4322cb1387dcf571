"""The whole sentence of an agent typed without a pointer, at the pace of somebody who does not wait for the page."""

from itertools import takewhile

import pytest
from playwright.sync_api import Page

from campaigns.models import Segment
from tests.journeys.pages import Visitor
from tests.journeys.test_access_for_all import objections
from tests.journeys.test_segment_journey import ASKED, SENTENCE, TREE, figure, goes_to_control, keeps, settle

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def has_focus(page: Page, control: str) -> None:
    page.locator(f"#id_{control}:focus").wait_for(timeout=5_000)


def picks(page: Page, option: str) -> None:
    """By its first letters, or by arrows where a test cannot press them: its keyboard has no accents."""
    if letters := "".join(takewhile(str.isascii, option)):
        page.keyboard.type(letters)
        return
    for _ in range(80):
        page.keyboard.press("ArrowDown")
        if page.locator(":focus").evaluate("e => e.selectedOptions[0].label") == option:
            return
    pytest.fail(f"the arrows never reach « {option} »")


def describe(page: Page) -> None:
    """Tab, letters and Enter alone. Tab follows the letters at once: the focus may not be lost while a row changes."""
    keys = page.keyboard
    for number, (fact, comparison, value) in enumerate(ASKED):
        row, leaf = f"row-0-{number}", TREE["all"][number]
        has_focus(page, f"{row}-field")
        picks(page, fact)
        keys.press("Tab")
        page.locator(f"#{row}[data-shown^='{leaf['field']} ']").wait_for()
        has_focus(page, f"{row}-op")
        if comparison:
            picks(page, comparison)
        keys.press("Tab")
        picks(page, value)
        if value.isdecimal():
            keys.press("Enter")  # counts, and leaves the hands where they are
        if number + 1 < len(ASKED):
            goes_to_control(page, "Ajouter une ligne")
            keys.press("Enter")


def test_the_whole_sentence_with_the_keyboard_alone(auditor: Visitor) -> None:
    auditor.signs_in(settle()).goes_to("/campaigns/segment/add/")
    page = auditor.page
    goes_to_control(page, "Critère")
    describe(page)
    auditor.sees(SENTENCE)
    assert figure(page, "Personnes du segment") == "12"
    assert figure(page, "À contacter aujourd’hui") == "9"
    auditor.sees("Mesure de protection : contacter le tuteur").sees("Aucune adresse utilisable")
    assert objections(auditor) == []
    goes_to_control(page, "Nom")
    page.keyboard.type("Isolés de 30 ans au plus")
    goes_to_control(page, "Enregistrer le segment")
    page.keyboard.press("Enter")
    keeps(auditor, "Isolés de 30 ans au plus")
    assert Segment.objects.get().criteria == TREE
