"""The page of an e-mail beside its text: framed by us alone, and nothing in it runs or is fetched."""

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.enums import Channel
from campaigns.models import Step, User
from tests.factories import make_running_campaign


@pytest.fixture
def step(db: None) -> Step:
    campaign = make_running_campaign(expected_size=1)
    step = campaign.steps.get()
    Step.objects.filter(pk=step.pk).update(
        channel=Channel.EMAIL, subject="Votre dossier", body="Bonjour {{ prenom }},\n\n<script>alert(1)</script>"
    )
    return step


def test_the_page_is_framed_and_inert(admin_client: Client, step: Step) -> None:
    response = admin_client.get(reverse("admin:step_email", args=[step.pk]))
    page = response.content.decode()
    assert "<p>Bonjour Dominique,</p>" in page
    assert "<script>" not in page
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"


def test_an_unknown_variable_is_shown_as_written(admin_client: Client, step: Step) -> None:
    Step.objects.filter(pk=step.pk).update(body="Bonjour {{ inconnu }}")
    assert "Bonjour {{ inconnu }}" in admin_client.get(reverse("admin:step_email", args=[step.pk])).content.decode()


def test_only_e_mails_have_one(admin_client: Client, step: Step) -> None:
    Step.objects.filter(pk=step.pk).update(channel=Channel.SMS)
    assert admin_client.get(reverse("admin:step_email", args=[step.pk])).status_code == 404


def test_whoever_may_not_see_campaigns_is_refused(client: Client, step: Step) -> None:
    client.force_login(User.objects.create_user(username="invite", is_staff=True))
    assert client.get(reverse("admin:step_email", args=[step.pk])).status_code == 403
