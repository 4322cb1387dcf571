"""The pages of campaigns: from a plan to the launch, by the right people, with refusals said in French."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.audiences import freeze_audience
from campaigns.enums import AFTER_REPLY, CampaignStatus
from campaigns.lifecycle import approve_campaign, start_campaign, submit_campaign
from campaigns.models import Audience, Campaign, Segment, User, read_now
from outreach.roles import AGENT, SUPERVISEUR
from tests.factories import (
    make_allocataires,
    make_audience,
    make_member,
    make_plan,
    make_running_campaign,
    make_segment,
    make_user,
    step_values,
    try_texts,
)
from tests.pages import MAX_QUERIES, make_colleague, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> User:
    return make_colleague(AGENT)


@pytest.fixture
def superviseur() -> User:
    return make_colleague(SUPERVISEUR)


def draft(by: User, **values: Any) -> Campaign:
    make_allocataires(3)
    now = read_now()
    starts_on = (now + timedelta(days=1)).date()
    values = {"plan": make_plan(), "segment": make_segment(), "name": "Essai", "starts_on": starts_on, **values}
    campaign = start_campaign(by=by, now=now, **values)
    try_texts(campaign)
    return campaign


def submitted(by: User) -> Campaign:
    return submit_campaign(campaign=draft(by), by=by, now=read_now())


def change_url(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def move(client: Client, campaign: Campaign, slug: str, **data: Any) -> Any:
    return client.post(reverse("admin:campaign_move", args=[campaign.pk, slug]), data)


def test_a_campaign_is_made_from_a_plan_whose_public_becomes_a_segment(agent: User) -> None:
    plan = make_plan(name="Vie maritale")
    response = sign_in(agent).post(reverse("admin:campaigns_campaign_add"), {"plan": plan.pk, "name": "Mars"})
    campaign = Campaign.objects.get(name="Mars")
    assert response["Location"] == change_url(campaign)
    assert campaign.segment == Segment.objects.get(name="Vie maritale (plan, version 1)")
    assert campaign.steps.count() == 1


def test_a_name_already_taken_is_said(agent: User) -> None:
    campaign = draft(agent)
    response = sign_in(agent).post(
        reverse("admin:campaigns_campaign_add"), {"plan": campaign.plan_id, "name": campaign.name}
    )
    assert "Une campagne porte déjà ce nom" in response.content.decode()


def test_the_page_says_the_state_what_is_next_and_offers_what_one_may_do(agent: User, superviseur: User) -> None:
    campaign = submitted(agent)
    seen_by_agent = sign_in(agent).get(change_url(campaign)).content.decode()
    seen_by_superviseur = sign_in(superviseur).get(change_url(campaign)).content.decode()
    assert "elle attend l’accord d’un superviseur" in seen_by_agent
    assert "Approuver</a>" not in seen_by_agent
    assert "Approuver</a>" in seen_by_superviseur


def test_from_draft_to_launch_by_two_people(agent: User, superviseur: User) -> None:
    campaign = draft(agent)
    move(sign_in(agent), campaign, "soumettre")
    client = sign_in(superviseur)
    move(client, campaign, "approuver")
    move(client, campaign, "lancer", typed_size=3)
    campaign.refresh_from_db()
    assert campaign.status == CampaignStatus.RUNNING


def test_whoever_approves_reads_the_public_that_was_submitted(agent: User, superviseur: User) -> None:
    campaign = draft(agent, segment=make_segment({"field": "children_count", "op": "lte", "value": 5}))
    confirm = {slug: reverse("admin:campaign_move", args=[campaign.pk, slug]) for slug in ("soumettre", "approuver")}
    assert "Allocataires avec au plus 5 enfants à charge." in sign_in(agent).get(confirm["soumettre"]).content.decode()
    submit_campaign(campaign=campaign, by=agent, now=read_now())
    Segment.objects.filter(pk=campaign.segment_id).update(criteria={"field": "isolated", "op": "eq", "value": True})
    for address in (confirm["approuver"], change_url(campaign)):
        page = sign_in(superviseur).get(address).content.decode()
        assert "Allocataires avec au plus 5 enfants à charge." in page


def test_a_wrong_size_launches_nothing_and_says_why(agent: User, superviseur: User) -> None:
    campaign = submitted(agent)
    approve_campaign(campaign=campaign, by=superviseur, now=read_now())
    response = move(sign_in(superviseur), campaign, "lancer", typed_size=30)
    assert response.status_code == 409
    assert "vous avez tapé 30" in response.content.decode()
    campaign.refresh_from_db()
    assert campaign.status == CampaignStatus.APPROVED


def test_one_does_not_approve_what_one_wrote(superviseur: User) -> None:
    campaign = submitted(superviseur)
    response = move(sign_in(superviseur), campaign, "approuver")
    assert "vous l’avez écrite ou modifiée" in response.content.decode()


def test_an_agent_may_not_approve_even_by_the_address(agent: User) -> None:
    assert move(sign_in(agent), submitted(make_user()), "approuver").status_code == 403


def test_sending_back_needs_a_reason(agent: User, superviseur: User) -> None:
    campaign = submitted(agent)
    client = sign_in(superviseur)
    assert move(client, campaign, "renvoyer", reason="").status_code == 200
    move(client, campaign, "renvoyer", reason="Le texte est trop long.")
    campaign.refresh_from_db()
    assert campaign.status == CampaignStatus.DRAFT
    life = client.get(reverse("admin:campaign_life", args=[campaign.pk])).content.decode()
    assert "Le texte est trop long." in life


def test_looking_at_a_confirmation_changes_nothing(agent: User) -> None:
    campaign = draft(agent)
    response = sign_in(agent).get(reverse("admin:campaign_move", args=[campaign.pk, "soumettre"]))
    campaign.refresh_from_db()
    assert (response.status_code, campaign.status) == (200, CampaignStatus.DRAFT)


def test_an_unknown_move_is_not_found(agent: User) -> None:
    assert move(sign_in(agent), draft(agent), "voler").status_code == 404


def edit_form(campaign: Campaign, **values: Any) -> dict[str, Any]:
    step = campaign.steps.get()
    return {
        "name": campaign.name,
        "segment": campaign.segment_id,
        "starts_on": str(campaign.starts_on),
        "priority": 50,
        "arms": '[{"code": "SMS", "label": "SMS", "share": 1}]',
        "control_share": "0.1",
        "window_days": 60,
        "steps-TOTAL_FORMS": 1,
        "steps-INITIAL_FORMS": 1,
        "steps-0-id": step.pk,
        "steps-0-campaign": campaign.pk,
        "steps-0-position": 1,
        "steps-0-label": step.label,
        "steps-0-channel": step.channel,
        "steps-0-offset_days": 0,
        "steps-0-valid_days": 5,
        "steps-0-body": step.body,
        **values,
    }


def test_editing_a_draft_makes_one_an_author(agent: User, superviseur: User) -> None:
    campaign = draft(agent)
    text = "Caf : une information vous attend sur https://www.caf.fr"
    sign_in(superviseur).post(change_url(campaign), edit_form(campaign, **{"steps-0-body": text}))
    assert campaign.steps.get().body == text
    assert campaign.moves.filter(move="EDIT", by=superviseur).exists()


def test_a_submitted_campaign_is_not_edited(agent: User) -> None:
    campaign = submitted(agent)
    response = sign_in(agent).post(change_url(campaign), edit_form(campaign, name="Autre nom"))
    campaign.refresh_from_db()
    assert (response.status_code, campaign.name) == (403, "Essai")


def test_a_draft_shows_how_long_its_sms_is(agent: User) -> None:
    page = sign_in(agent).get(change_url(draft(agent))).content.decode()
    assert "<strong>2 SMS</strong> par personne" in page
    assert "codage UCS-2" in page


def test_a_preview_says_our_name_and_how_the_length_follows_theirs(agent: User, settings: Any) -> None:
    settings.CAF_NAME = "Caf de la Lozere"
    body = "{{ caf }} : bonjour {{ prenom }}. " + "a" * 100
    campaign = draft(agent)
    campaign.steps.update(body=body)
    page = sign_in(agent).get(change_url(campaign)).content.decode()
    assert "Caf de la Lozere : bonjour Dominique." in page
    assert "<strong>De 1 à 3 SMS</strong> par personne, selon les noms" in page


def test_simulation_and_audience_count_without_naming(agent: User) -> None:
    campaign = draft(agent)
    simulation = sign_in(agent).get(reverse("admin:campaign_simulation", args=[campaign.pk])).content.decode()
    assert "3 sur 3" in simulation
    assert "Public : Allocataires" in simulation.replace("\xa0", " ")
    assert "Tableau : Tirage au sort" in simulation.replace("\xa0", " ")
    audience = make_audience(campaign, targeted_count=2, retained_count=1)
    make_member(audience)
    make_member(audience, exclusion="PRESSION")
    page = sign_in(agent).get(reverse("admin:campaign_audience", args=[campaign.pk])).content.decode()
    assert "Plafond de contacts atteint" in page
    assert "NOM" not in page


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ({"field": "children_count", "op": "gte", "value": 9}, "Personne ne répond à ces critères ce jour"),
        ({"field": "extra.disparu", "op": "eq", "value": "x"}, "Le public ne peut pas être compté"),
    ],
    ids=["nobody", "a fact that was removed"],
)
def test_a_simulation_without_anybody_leads_to_the_segment(agent: User, criteria: dict[str, Any], said: str) -> None:
    campaign = draft(agent, segment=make_segment(criteria))
    page = sign_in(agent).get(reverse("admin:campaign_simulation", args=[campaign.pk])).content.decode()
    assert said in page.replace("\xa0", " ")
    assert reverse("admin:campaigns_segment_change", args=[campaign.segment_id]) in page
    assert "Tableau : Tirage au sort" not in page.replace("\xa0", " ")


def test_a_draw_is_made_again_from_its_page(agent: User) -> None:
    now = read_now()
    campaign = make_running_campaign(control_share="0.5", expected_size=20, now=now, starts_on=now.date())
    make_allocataires(20)
    audience = freeze_audience(campaign=campaign, night_on=now.date(), now=now)
    assert audience
    client, address = sign_in(agent), reverse("admin:prove_draw", args=[audience.pk])
    assert address in client.get(reverse("admin:campaign_audience", args=[campaign.pk])).content.decode()
    assert client.get(address).status_code == 405
    assert "résultat identique" in client.post(address, follow=True).content.decode()
    Audience.objects.update(seed="autre")
    assert "ne donne pas le tirage qui est gardé" in client.post(address, follow=True).content.decode()


def test_the_list_costs_the_same_whatever_its_length(agent: User, django_assert_max_num_queries: Any) -> None:
    plan, segment = make_plan(), make_segment()
    for number in range(25):
        start_campaign(plan=plan, segment=segment, name=f"Campagne {number}", by=agent, now=read_now())
    client = sign_in(agent)
    with django_assert_max_num_queries(MAX_QUERIES):
        page = client.get(reverse("admin:campaigns_campaign_changelist")).content.decode()
    assert page.count("Brouillon</span>") == 25


def test_an_empty_list_says_what_to_do(agent: User) -> None:
    page = sign_in(agent).get(reverse("admin:campaigns_campaign_changelist")).content.decode()
    assert "Choisissez un plan" in page


def test_a_campaign_for_most_of_the_population_is_submitted_by_typing_its_size(agent: User, settings: Any) -> None:
    settings.WIDE_FLOOR = 1
    campaign, client = draft(agent), sign_in(agent)
    page = client.get(reverse("admin:campaign_move", args=[campaign.pk, "soumettre"])).content.decode()
    assert 'type="number"' not in page
    refused = move(client, campaign, "soumettre")
    assert refused.status_code == 409
    assert 'type="number"' in refused.content.decode()
    assert "tapez ce nombre" in refused.content.decode()
    assert "(facultatif)" not in refused.content.decode()
    move(client, campaign, "soumettre", typed_size="3")
    campaign.refresh_from_db()
    assert campaign.status == CampaignStatus.SUBMITTED


def test_a_step_may_answer_a_reply(agent: User) -> None:
    answer = step_values(position=2, anchor=AFTER_REPLY)
    campaign = draft(agent, plan=make_plan(steps=[step_values(), answer]))
    client = sign_in(agent)
    page = client.get(change_url(campaign)).content.decode()
    assert '<option value="REPONSE" selected>Après une réponse</option>' in page
    simulation = client.get(reverse("admin:campaign_simulation", args=[campaign.pk])).content.decode()
    assert "selon les réponses" in simulation
    Campaign.objects.update(status=CampaignStatus.SUBMITTED)
    assert "SMS — après une réponse, valable 5 jours" in client.get(change_url(campaign)).content.decode()
