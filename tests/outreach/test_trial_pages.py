"""The page where a colleague sends herself the texts of a campaign."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.enums import CampaignStatus, Channel, TrialStatus
from campaigns.models import Campaign, Trial
from outreach.channels.fake import FakeGateway
from outreach.channels.ports import SendOutcome, SendResult
from outreach.channels.registry import use_gateway
from outreach.roles import AGENT, SUPERVISEUR
from tests.factories import make_campaign, step_values
from tests.pages import MAX_QUERIES, make_colleague, sign_in

pytestmark = pytest.mark.django_db
MOBILE = "07 50 00 00 01"


@pytest.fixture
def campaign() -> Campaign:
    steps = [
        step_values(),
        step_values(Channel.EMAIL, position=2, label="Courriel"),
        step_values(Channel.CALL, position=3, label="Appel"),
    ]
    return make_campaign(steps=steps)


@pytest.fixture
def operator() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    with use_gateway("SMS", gateway), use_gateway("EMAIL", gateway):
        yield gateway


@pytest.fixture
def agent() -> Client:
    return sign_in(make_colleague(AGENT))


def url(campaign: Campaign) -> str:
    return reverse("admin:campaign_trials", args=[campaign.pk])


def press(client: Client, campaign: Campaign, place: int, **values: Any) -> tuple[int, str]:
    """The button of the step at that place; the status of the answer and the page that follows."""
    step = campaign.steps.get(position=place)
    answer = client.post(url(campaign), {"step": step.pk, "mobile": MOBILE, **values})
    page = client.get(url(campaign)) if answer.status_code == 302 else answer
    return answer.status_code, page.content.decode()


def test_each_message_has_its_button_and_calls_have_none(agent: Client, campaign: Campaign) -> None:
    page = agent.get(url(campaign)).content.decode()
    assert page.count("À essayer") == page.count('name="step"') == 2
    assert "Appel</h2>" not in page


def test_a_text_is_received_then_said_to_be(agent: Client, campaign: Campaign, operator: FakeGateway) -> None:
    status, page = press(agent, campaign, 1)
    assert status == 302
    assert "C’est parti" in page
    assert page.count("À essayer") == 1
    assert f'value="{MOBILE}"' not in page  # remembered in one form
    assert 'value="+33750000001"' in page
    assert [message.destination for _, message in operator.ledger] == ["+33750000001"]
    press(agent, campaign, 2)
    assert [message.destination for _, message in operator.ledger][1:] == ["agent@caf.invalid"]


def test_a_colleague_s_trial_is_enough_and_a_changed_text_is_not(
    agent: Client, campaign: Campaign, operator: FakeGateway
) -> None:
    press(agent, campaign, 1)
    chief = sign_in(make_colleague(SUPERVISEUR))
    assert chief.get(url(campaign)).content.decode().count("À essayer") == 1
    campaign.steps.filter(position=1).update(body="Caf : une question ? Appelez le {{ telephone_caf }}.")
    assert chief.get(url(campaign)).content.decode().count("À essayer") == 2


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (SendOutcome.REFUSED, "L’opérateur l’a refusé (code 21211)"),
        (SendOutcome.RETRY, "rien n’est parti"),
        (SendOutcome.UNKNOWN, "il est peut-être parti"),
    ],
)
def test_what_went_wrong_is_said(agent: Client, campaign: Campaign, outcome: SendOutcome, said: str) -> None:
    with use_gateway("SMS", FakeGateway(script=lambda message: SendResult(outcome, error_code="21211"))):
        assert said in press(agent, campaign, 1)[1]


def test_a_wrong_mobile_is_said_and_what_was_typed_stays(
    agent: Client, campaign: Campaign, operator: FakeGateway
) -> None:
    status, page = press(agent, campaign, 1, mobile="04 68 00 00 00")
    assert status == 409
    assert "ne reçoit pas de SMS" in page
    assert 'value="04 68 00 00 00"' in page
    assert not operator.ledger


def test_another_campaign_s_text_is_not_found(agent: Client, campaign: Campaign, operator: FakeGateway) -> None:
    other = make_campaign().steps.get()
    assert agent.post(url(campaign), {"step": other.pk, "mobile": MOBILE}).status_code == 404
    assert not operator.ledger


def test_a_launched_campaign_has_no_button(agent: Client, campaign: Campaign) -> None:
    Campaign.objects.update(status=CampaignStatus.RUNNING)
    page = agent.get(url(campaign)).content.decode()
    assert "ne s’essaient plus" in page
    assert 'name="step"' not in page


def test_it_asks_few_questions(agent: Client, campaign: Campaign, django_assert_max_num_queries: Any) -> None:
    by = make_colleague(AGENT)
    values = {"campaign": campaign, "channel": "SMS", "by": by, "at": campaign.created_at, "text_digest": "x"}
    Trial.objects.bulk_create([Trial(**values, status=TrialStatus.ACCEPTED) for _ in range(50)])
    with django_assert_max_num_queries(MAX_QUERIES):
        agent.get(url(campaign))


def test_an_email_asks_no_mobile(agent: Client, campaign: Campaign, operator: FakeGateway) -> None:
    assert press(agent, campaign, 2, mobile="")[0] == 302
    status, page = press(agent, campaign, 1, mobile="")
    assert status == 409
    assert "Tapez votre mobile" in page
