"""Texts being typed: what the page asks at each pause, what it is answered, what is refused."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.admin.step_texts import MOST_AT_ONCE, StepForm
from campaigns.enums import CampaignStatus, Channel
from campaigns.models import Campaign, Step
from campaigns.rules.messages import LONGEST_TEXT
from outreach.roles import AGENT
from tests.factories import make_campaign, step_values
from tests.pages import make_colleague, sign_in

pytestmark = pytest.mark.django_db

PLAIN = "Caf : si ce n'est pas déjà fait, https://www.caf.fr"
COSTLY = PLAIN.replace("'", "’")


@pytest.fixture
def campaign() -> Campaign:
    return make_campaign(steps=[step_values(body=PLAIN)])


@pytest.fixture
def client() -> Client:
    return sign_in(make_colleague(AGENT))


def typed(number: int = 0, channel: str = Channel.SMS, **values: str) -> dict[str, str]:
    fields = {"channel": channel, "subject": "", "body": PLAIN, **values}
    return {f"steps-{number}-{name}": value for name, value in fields.items()}


def ask(client: Client, campaign: Campaign, data: dict[str, str]) -> Any:
    return client.post(reverse("admin:campaign_texts", args=[campaign.pk]), data)


def read(response: Any) -> str:
    """With plain spaces, tags kept."""
    return re.sub(r"\s+", " ", response.content.decode())


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found[1]


def test_a_text_that_changed_is_previewed_and_counted(client: Client, campaign: Campaign) -> None:
    page = read(ask(client, campaign, typed(body=f"{COSTLY} {'a' * 30}")))
    assert 'id="steps-0-count" hx-swap-oob="innerHTML"><strong>2 SMS</strong> par personne. ' in page
    assert '<mark class="av-offending">’<span class="visually-hidden"> (rallonge le SMS)</span></mark>' in page
    assert "codage UCS-2" in page
    assert "Écrivez plutôt « ' » pour « ’ »".replace("'", "&#x27;") in page
    assert "Simplifier ce texte</button>" in page
    assert "<textarea" not in page


def test_what_is_shown_already_is_not_answered(client: Client, campaign: Campaign) -> None:
    change = read(client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])))
    shown = {name: hidden(change, f"steps-0-{name}") for name in ("shown", "said")}
    assert ask(client, campaign, typed(**shown)).status_code == 204
    page = read(ask(client, campaign, typed(**shown, body=f"{PLAIN}.")))
    assert 'id="steps-0-text"' in page
    assert "steps-0-count" not in page  # the count is the same: not to be read out again
    both = typed(**shown) | typed(1, body=COSTLY)
    assert 'id="steps-0-text"' not in read(ask(client, campaign, both))


def test_simplifying_and_back(client: Client, campaign: Campaign) -> None:
    page = read(ask(client, campaign, typed(body=COSTLY) | {"steps-0-simplify": "1"}))
    drawn = StepForm(initial={"body": PLAIN}, prefix="steps-0", use_required_attribute=False)["body"]
    assert str(drawn.as_widget(attrs={"hx-swap-oob": "true"})).replace("\n", " ") in page
    assert hidden(page, "steps-0-former") == COSTLY
    assert "Simplifier ce texte" not in page
    assert re.search(r'name="steps-0-restore" value="1" autofocus', page)
    back = read(ask(client, campaign, typed(former=COSTLY) | {"steps-0-restore": "1"}))
    assert f"> {COSTLY}</textarea>" in back
    assert re.search(r'name="steps-0-simplify" value="1" autofocus', back)
    assert Step.objects.get().body == PLAIN


def test_what_was_typed_since_is_within_reach_too(client: Client, campaign: Campaign) -> None:
    page = read(ask(client, campaign, typed(body=f"{PLAIN} Merci.", former=COSTLY) | {"steps-0-restore": "1"}))
    assert hidden(page, "steps-0-former").replace("&#x27;", "'") == f"{PLAIN} Merci."
    assert "Revenir au texte d’avant" in page


def test_a_second_press_keeps_the_former_text(client: Client, campaign: Campaign) -> None:
    page = read(ask(client, campaign, typed(former=COSTLY) | {"steps-0-simplify": "1"}))
    assert hidden(page, "steps-0-former") == COSTLY


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (typed(channel="", body="Bonjour"), "Choisissez un canal."),
        (typed(channel="FAX", body="Bonjour"), "Choisissez un canal."),
        (typed(channel=Channel.EMAIL, body="Bonjour"), "Un e-mail a besoin d’un objet."),
        (typed(body="{{ prenom"), "Texte illisible"),
        (typed(body="{{ matricule }}"), "Variable inconnue"),
        (typed(body=COSTLY * 300), f"{LONGEST_TEXT} au plus"),
        (typed(body="Caf : vite !"), "1 problème</strong> à corriger"),
        (typed(body=""), "Écrivez le texte : son aperçu suit."),
    ],
)
def test_what_is_wrong_is_said(client: Client, campaign: Campaign, data: dict[str, str], said: str) -> None:
    page = read(ask(client, campaign, data))
    assert said in page
    assert "Simplifier ce texte" not in page


def test_only_what_an_sms_says_is_simplified(client: Client, campaign: Campaign) -> None:
    values = typed(channel=Channel.EMAIL, subject="Objet", body=COSTLY)
    page = read(ask(client, campaign, values | {"steps-0-simplify": "1"}))
    assert "<textarea" not in page
    assert "<mark" not in page


def test_a_name_of_ours_that_costs_more_is_named(client: Client, campaign: Campaign, settings: Any) -> None:
    settings.CAF_NAME = "Caf de l’Ain"
    page = read(ask(client, campaign, typed(body=PLAIN.replace("Caf", "{{ caf }}"))))
    assert "« {{ caf }} » contient « ’ »" in page
    assert "Simplifier ce texte" not in page


def test_a_hostile_request_is_answered_in_part(client: Client, campaign: Campaign) -> None:
    data = {name: value for number in range(MOST_AT_ONCE + 5) for name, value in typed(number).items()}
    data |= {"steps-__prefix__-body": "x", "steps-9999-body": "x", "autre-0-body": "x"}
    assert read(ask(client, campaign, data)).count('-text" hx-swap-oob') == MOST_AT_ONCE
    assert "<script>" not in read(ask(client, campaign, typed(body="<script>’", former='"><script>')))


def test_only_a_draft_is_written_and_nothing_is_kept(client: Client, campaign: Campaign) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ask(client, campaign, typed(body=COSTLY))
    assert {query["sql"].split()[0] for query in queries} == {"SELECT"}
    Campaign.objects.update(status=CampaignStatus.SUBMITTED)
    refused = ask(client, campaign, typed(body=COSTLY))
    assert refused.status_code == 409
    assert "n’est plus un brouillon" in read(refused)


def test_lines_are_kept_as_they_are_sent(client: Client) -> None:
    """A browser ends lines with two characters: neither paid for in each SMS, nor taken for a change."""
    campaign = make_campaign(steps=[step_values(body="Caf :\nbonjour")])
    step = campaign.steps.get()
    posted = StepForm({"channel": "SMS", "subject": "", "body": "Caf :\r\nbonjour\r\n"}, instance=step)
    assert not posted.has_changed()
    assert posted.read_typed().body == "Caf :\nbonjour"
    posted = StepForm({"channel": "SMS", "subject": "", "body": "Caf :\r\nbonsoir"}, instance=step)
    assert posted.is_valid()
    assert posted.save().body == "Caf :\nbonsoir"


def test_what_was_typed_before_survives_an_error_elsewhere(client: Client, campaign: Campaign) -> None:
    data = typed(former=COSTLY) | {"steps-TOTAL_FORMS": "1", "steps-INITIAL_FORMS": "1", "name": ""}
    data |= {"steps-0-id": str(campaign.steps.get().pk), "steps-0-campaign": str(campaign.pk)}
    page = read(client.post(reverse("admin:campaigns_campaign_change", args=[campaign.pk]), data))
    assert hidden(page, "steps-0-former") == COSTLY
    assert "Revenir au texte d’avant" in page
