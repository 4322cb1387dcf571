"""Django's own pages, as they are here: what may be ticked, what is said of passwords, where one goes back to."""

import pytest
from django.urls import reverse

from outreach.roles import ADMINISTRATEUR, AGENT, DPO, SUPERVISEUR
from tests.factories import make_campaign, make_segment
from tests.pages import make_colleague, sign_in

pytestmark = pytest.mark.django_db


def page(role: str, name: str, *args: object) -> str:
    return sign_in(make_colleague(role)).get(reverse(f"admin:{name}", args=args)).content.decode()


def test_nothing_of_a_password_is_shown_and_only_who_may_change_it_gets_there() -> None:
    agent = make_colleague(AGENT)
    seen = page(ADMINISTRATEUR, "campaigns_user_change", agent.pk)
    address = reverse("admin:auth_user_password_change", args=[agent.pk])
    assert address in seen
    assert "pbkdf2" not in seen
    assert address not in page(DPO, "campaigns_user_change", agent.pk)


def test_campaigns_of_a_programme_are_ticked() -> None:
    campaign = make_campaign()
    seen = page(SUPERVISEUR, "campaigns_programme_add")
    assert f'type="checkbox" name="campaigns" value="{campaign.pk}"' in seen
    assert "Ajouter un programme" in seen


def test_an_empty_history_says_so_and_leads_back() -> None:
    segment = make_segment()
    seen = page(AGENT, "campaigns_segment_history", segment.pk)
    assert "Aucune modification" in seen
    assert seen.count(reverse("admin:campaigns_segment_change", args=[segment.pk])) == 2
    assert "Accueil" not in seen


def test_settings_are_said_in_words() -> None:
    seen = page(ADMINISTRATEUR, "systeme")
    assert "SMS 10:00-13:00, 14:00-20:00 ; " in seen
    assert "60, 300, 1800" in seen
