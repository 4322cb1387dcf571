"""An agent types the texts of a campaign: their cost follows, a button makes one plain, another takes it back."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page

from campaigns.enums import Channel
from campaigns.models import Campaign, Step
from outreach.roles import AGENT
from tests.factories import make_campaign, step_values
from tests.journeys.pages import Visitor
from tests.journeys.test_access_for_all import objections
from tests.journeys.test_segment_journey import goes_to_control
from tests.pages import make_colleague

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

PLAIN = "{{ caf }} : si ce n'est pas déjà fait, déclarez-le sur https://www.caf.fr. Question : {{ telephone_caf }}."
COSTLY = PLAIN.replace("n'est", "n’est")


def opens(visitor: Visitor, *steps: dict[str, Any]) -> Page:
    """The draft of these steps, loaded whole: what is typed before its script listens would not be heard."""
    campaign = make_campaign(steps=steps or [step_values(body=PLAIN)])
    visitor.signs_in(make_colleague(AGENT)).goes_to(f"/campaigns/campaign/{campaign.pk}/change/")
    return visitor.page


def counts(page: Page, said: str, *, step: int = 0) -> None:
    """The count of that step is said; a second is what typing may wait for it."""
    page.locator(f"#steps-{step}-count", has_text=said).wait_for(timeout=5_000)


def body(page: Page, step: int = 0) -> Locator:
    return page.locator(f"#id_steps-{step}-body")


def test_typing_simplifying_and_saving_with_the_keyboard_alone(visitor: Visitor) -> None:
    page = opens(visitor)
    counts(page, "1 SMS par personne")
    goes_to_control(page, "Texte\N{NO-BREAK SPACE}:")
    page.keyboard.press("Control+End")
    page.keyboard.insert_text(" L’été, peut-être")
    counts(page, "2 SMS par personne")
    assert page.locator("#id_steps-0-body:focus").count() == 1
    assert page.locator("#steps-0-text mark").all_text_contents() == ["’ (rallonge le SMS)", "ê (rallonge le SMS)"]
    goes_to_control(page, "Simplifier ce texte")
    page.keyboard.press("Enter")
    page.locator("#steps-0-restore:focus").wait_for()
    counts(page, "1 SMS par personne")
    assert body(page).input_value() == f"{PLAIN} L'été, peut-etre"
    page.keyboard.press("Enter")
    page.locator("#steps-0-simplify:focus").wait_for()
    assert body(page).input_value() == f"{PLAIN} L’été, peut-être"
    page.keyboard.press("Enter")
    page.locator("#steps-0-restore:focus").wait_for()
    visitor.presses("Enregistrer").sees("a été modifié")
    assert Step.objects.get().body == f"{PLAIN} L'été, peut-etre"


def test_a_step_that_is_not_kept_yet_is_followed_like_the_others(visitor: Visitor) -> None:
    page = opens(visitor)
    page.get_by_role("button", name="Ajouter un objet étape supplémentaire").click()
    page.locator("#id_steps-1-position").fill("2")
    page.locator("#id_steps-1-label").fill("Rappel")
    body(page, 1).fill("L’été")
    counts(page, "1 problème à corriger", step=1)
    page.get_by_text("Choisissez un canal.").wait_for()
    page.locator("#id_steps-1-channel").select_option(label="E-mail")
    page.get_by_text("Un e-mail a besoin d’un objet.").wait_for()
    page.locator("#id_steps-1-subject").fill("Votre dossier")
    page.get_by_text("Un e-mail a besoin d’un objet.").wait_for(state="detached")
    assert page.locator("#steps-1-count").inner_text().strip() == ""
    page.locator("#id_steps-1-channel").select_option(label="SMS")
    page.locator("#id_steps-1-subject").fill("")
    counts(page, "1 SMS par personne", step=1)
    page.get_by_role("button", name="Simplifier ce texte").click()
    page.locator("#steps-1-restore:focus").wait_for()
    assert (body(page, 1).input_value(), body(page).input_value()) == ("L'été", PLAIN)
    visitor.presses("Enregistrer").sees("a été modifié")
    assert Step.objects.get(label="Rappel").body == "L'été"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_objects_to_nothing_in_texts_being_typed(auditor: Visitor, theme: str) -> None:
    auditor.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page = opens(auditor, step_values(body=PLAIN), step_values(Channel.EMAIL, position=2, label="E-mail"))
    body(page).fill(f"{COSTLY} Vite !")
    counts(page, "1 problème à corriger")
    for width in (320, 375, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert auditor.overflow == 0
        assert objections(auditor) == []
    auditor.presses("Simplifier ce texte")
    page.locator("#steps-0-restore:focus").wait_for()
    assert objections(auditor) == []


def test_a_campaign_submitted_meanwhile_is_said_at_once(visitor: Visitor) -> None:
    page = opens(visitor)
    Campaign.objects.update(status="SUBMITTED")
    body(page).fill(COSTLY)
    visitor.sees("n’est plus un brouillon")
    assert body(page).input_value() == COSTLY


def test_without_a_script_a_text_is_kept_then_previewed(browser: Browser, live_server: object) -> None:
    context = browser.new_context(locale="fr-FR", java_script_enabled=False)
    visitor = Visitor(context.new_page(), str(live_server))
    page = opens(visitor)
    assert not page.get_by_role("button", name="Simplifier ce texte").is_visible()
    body(page).fill(COSTLY)
    visitor.presses("Enregistrer et continuer les modifications")
    counts(page, "2 SMS par personne")
    assert page.locator("#steps-0-text mark").count() == 1
    assert not page.get_by_role("button", name="Simplifier ce texte").is_visible()
    context.close()
