"""Pages of those who act: today, calls, replies, nights, uncertain contacts, bilans, stop buttons."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse

from campaigns.enums import CampaignStatus, Channel
from campaigns.lifecycle import pause_campaign
from campaigns.models import (
    AccessLog,
    Campaign,
    ImportStatus,
    Opposition,
    PopulationImport,
    User,
    read_now,
)
from outreach.enums import NightStatus, ReplyClass, Suppression, TouchStatus
from outreach.models import Call, CallAttempt, Fence, Night, NightStep, Pause, Reply, Touch
from outreach.roles import ADMINISTRATEUR, AGENT, DPO, SUPERVISEUR
from tests.factories import (
    make_allocataire,
    make_audience,
    make_campaign,
    make_member,
    make_running_campaign,
    step_values,
)
from tests.pages import MAX_QUERIES, make_colleague, sign_in

pytestmark = pytest.mark.django_db
SCRIPT = "Bonjour {{ civilite }} {{ nom }}, je suis de la Caf."


@pytest.fixture
def agent() -> User:
    return make_colleague(AGENT)


@pytest.fixture
def superviseur() -> User:
    return make_colleague(SUPERVISEUR)


def touch(channel: str = Channel.SMS, **values: Any) -> Touch:
    now = read_now()
    campaign = make_running_campaign(
        expected_size=1, now=now, steps=[step_values(channel, body=SCRIPT if channel == Channel.CALL else "Caf")]
    )
    member = make_member(make_audience(campaign), make_allocataire(last_name="DURANDAL", landline="+33412345678"))
    return Touch.objects.create(
        **{
            "member": member,
            "step": campaign.steps.get(),
            "campaign": campaign,
            "audience": member.audience,
            "allocataire": member.allocataire,
            "channel": channel,
            "destination": "+33412345678",
            "due_at": now,
            "closes_at": now + timedelta(hours=4),
            "expires_at": now + timedelta(days=5),
            "status_at": now,
            **values,
        }
    )


def call_in_hand(agent: User) -> Call:
    now = read_now()
    return Call.objects.create(
        touch=touch(Channel.CALL), listed_on=now.date(), held_by=agent, held_until=now + timedelta(minutes=20)
    )


def page(user: User, name: str, *args: Any) -> str:
    return sign_in(user).get(reverse(f"admin:{name}", args=args)).content.decode()


def test_today_tells_each_one_her_own_tasks(agent: User, superviseur: User) -> None:
    make_campaign(status=CampaignStatus.SUBMITTED)
    make_campaign()
    touch(status=TouchStatus.UNCONFIRMED)
    assert "campagne à approuver" in page(superviseur, "index")
    assert "contact incertain" in page(superviseur, "index")
    seen = page(agent, "index")
    assert "campagne en brouillon" in seen
    assert "à approuver" not in seen
    assert "contact incertain" not in seen


@pytest.mark.parametrize("role", [AGENT, SUPERVISEUR, ADMINISTRATEUR, DPO])
def test_today_opens_for_every_role_in_few_queries(role: str, django_assert_max_num_queries: Any) -> None:
    Night.objects.create(on=read_now().date(), started_at=read_now(), status=NightStatus.DONE)
    touch()
    client = sign_in(make_colleague(role))
    with django_assert_max_num_queries(MAX_QUERIES):
        assert client.get(reverse("admin:index")).status_code == 200


def test_today_counts_what_is_due_today_campaign_by_campaign(agent: User) -> None:
    yesterday = read_now() - timedelta(days=1)
    for values in ({"status": TouchStatus.DELIVERED}, {}, {"due_at": yesterday}):
        touch(**values)
    figures = re.findall(r"(\d+) faits? sur (\d+)", page(agent, "index"))
    assert figures == [("1", "1"), ("0", "1")]
    assert page(agent, "index").count("aucun aujourd’hui") == 1


def test_today_leads_to_an_import_that_waits_for_a_decision(agent: User, superviseur: User) -> None:
    record = PopulationImport.objects.create(
        file_name="extrait.csv", started_at=read_now(), status=ImportStatus.TO_CONFIRM
    )
    decide = reverse("admin:campaigns_populationimport_change", args=[record.pk])
    read = reverse("admin:population_import_differences", args=[record.pk])
    administrateur = page(make_colleague(ADMINISTRATEUR), "index")
    assert decide in administrateur
    assert "import de population à confirmer" in administrateur
    assert read in page(superviseur, "index")
    assert "à confirmer" not in page(agent, "index")


def test_today_shows_what_last_night_could_not_do(agent: User) -> None:
    night = Night.objects.create(on=read_now().date(), started_at=read_now(), status=NightStatus.PROBLEM)
    NightStep.objects.create(
        night=night, position=1, name="freeze", label="Geler", started_at=read_now(), problem="Le disque est plein."
    )
    assert "Le disque est plein." in page(agent, "index")
    assert "Le disque est plein." in page(agent, "outreach_night_change", night.pk)
    assert "Terminée avec un problème" in page(agent, "outreach_night_changelist")
    assert "manage.py night --date" in page(agent, "outreach_night_change", night.pk)
    Night.objects.update(tries=2, next_try_at=read_now())
    for seen in (page(agent, "index"), page(agent, "outreach_night_change", night.pk)):
        assert "Nouvel essai de ce qui a échoué prévu à" in seen
        assert "manage.py night --date" not in seen
    assert "en 2 essais" in page(agent, "outreach_night_change", night.pk)


def test_the_navigation_shows_only_what_one_may_open(agent: User) -> None:
    assert "Allocataires</a>" in page(agent, "index")
    seen = page(make_colleague(ADMINISTRATEUR), "index")
    assert "Allocataires</a>" not in seen
    assert "Appels</a>" not in seen
    assert "Réglages</a>" in seen


def test_a_page_below_a_list_marks_its_task(agent: User) -> None:
    campaign = make_campaign()
    assert 'aria-current="true">Campagnes</a>' in page(agent, "campaign_life", campaign.pk)
    assert 'aria-current="page">Campagnes</a>' in page(agent, "campaigns_campaign_changelist")


def test_the_number_to_ring_is_masked_until_asked_and_the_look_is_written(agent: User) -> None:
    call = call_in_hand(agent)
    seen = page(agent, "outreach_call_changelist")
    assert "04 •• •• •• 78" in seen
    assert "04 12 34 56 78" not in seen
    shown = sign_in(agent).post(reverse("admin:show_number")).content.decode()
    assert "04 12 34 56 78" in shown
    assert AccessLog.objects.get().allocataire_id == call.touch.allocataire_id


def test_the_script_speaks_to_the_person_once_she_is_known(agent: User) -> None:
    call_in_hand(agent)
    masked = page(agent, "outreach_call_changelist")
    assert "Bonjour Madame [NOM], je suis de la Caf." in masked
    assert "DURANDAL" not in masked
    shown = sign_in(agent).post(reverse("admin:show_number")).content.decode()
    assert "Bonjour Madame DURANDAL, je suis de la Caf." in shown


def test_a_result_is_written_once_and_only_by_who_holds_the_call(agent: User, superviseur: User) -> None:
    call = call_in_hand(agent)
    data = {"call": call.pk, "result": "JOINT", "minutes": "4", "note": "A déclaré."}
    sign_in(superviseur).post(reverse("admin:record_call_result"), data)
    assert not CallAttempt.objects.exists()
    client = sign_in(agent)
    client.post(reverse("admin:record_call_result"), data)
    client.post(reverse("admin:record_call_result"), data)
    attempt = CallAttempt.objects.get()
    assert (attempt.result, attempt.minutes, attempt.by) == ("JOINT", 4, agent)


def test_a_call_can_be_given_back(agent: User) -> None:
    call = call_in_hand(agent)
    sign_in(agent).post(reverse("admin:release_call"))
    call.refresh_from_db()
    assert call.held_by is None
    assert "1 appel à passer" in page(agent, "outreach_call_changelist")


def test_an_empty_list_of_calls_says_so(agent: User) -> None:
    seen = sign_in(agent).post(reverse("admin:take_call"), follow=True).content.decode()
    assert "Aucun appel à passer maintenant" in seen


def make_reply(kind: str, body: str, minutes: int) -> Reply:
    return Reply.objects.create(
        allocataire=make_allocataire(),
        sender_hash="x",
        provider="simulateur",
        provider_ref=body,
        body=body,
        kind=kind,
        received_at=read_now() + timedelta(minutes=minutes),
    )


def test_ambiguous_replies_are_read_first(agent: User, django_assert_max_num_queries: Any) -> None:
    make_reply(ReplyClass.AMBIGUOUS, "Arrêtez peut-être", 0)
    make_reply(ReplyClass.ORDINARY, "Merci beaucoup", 5)
    client = sign_in(agent)
    with django_assert_max_num_queries(MAX_QUERIES):
        seen = client.get(reverse("admin:outreach_reply_changelist")).content.decode()
    assert seen.index("Arrêtez peut-être") < seen.index("Merci beaucoup")


def test_a_refusal_read_by_an_agent_becomes_an_opposition(agent: User) -> None:
    reply = make_reply(ReplyClass.AMBIGUOUS, "Arrêtez peut-être", 0)
    url = reverse("admin:handle_reply", args=[reply.pk])
    sign_in(agent).post(url, {"is_opposition": "on", "note": "Refus clair."})
    reply.refresh_from_db()
    assert (reply.handled_by, reply.note) == (agent, "Refus clair.")
    assert Opposition.objects.get().allocataire_id == reply.allocataire_id
    assert "Refus clair." not in page(agent, "outreach_reply_changelist")
    assert (
        "Refus clair." in sign_in(agent).get(reverse("admin:outreach_reply_changelist") + "?toutes=1").content.decode()
    )


def test_a_superviseur_decides_of_an_uncertain_contact(agent: User, superviseur: User) -> None:
    doubtful = touch(status=TouchStatus.UNCONFIRMED)
    url = reverse("admin:decide_touch", args=[doubtful.pk])
    assert sign_in(agent).post(url, {"decision": "clore"}).status_code == 403
    client = sign_in(superviseur)
    assert "Choisissez" in client.post(url, {"decision": "?"}, follow=True).content.decode()
    client.post(url, {"decision": "clore"})
    doubtful.refresh_from_db()
    assert doubtful.status not in {TouchStatus.UNCONFIRMED, TouchStatus.PLANNED}
    assert "connu" in client.post(url, {"decision": "renvoyer"}, follow=True).content.decode()


def test_anybody_stops_with_a_reason_and_only_a_superviseur_starts_again(agent: User, superviseur: User) -> None:
    url = reverse("admin:change_pause")
    client = sign_in(agent)
    client.post(url, {"scope": "SMS", "reason": ""})
    assert not Pause.objects.get(scope="SMS").is_paused
    client.post(url, {"scope": "SMS", "reason": "Un texte est faux."})
    assert Pause.objects.get(scope="SMS").is_paused
    assert "Un texte est faux." in page(superviseur, "campaigns_campaign_changelist")
    assert client.post(url, {"scope": "SMS", "resume": "1"}).status_code == 403
    sign_in(superviseur).post(url, {"scope": "SMS", "resume": "1"})
    assert not Pause.objects.get(scope="SMS").is_paused
    assert client.post(url, {"scope": "FAX", "reason": "x"}).status_code == 404


def test_a_bilan_opens_from_the_list_and_says_what_it_cannot_measure(agent: User) -> None:
    campaign = touch().campaign
    assert campaign.name in page(agent, "outreach_outcome_changelist")
    seen = page(agent, "campaign_bilan", campaign.pk)
    assert "Ciblés" in seen
    assert "Comment ces chiffres sont définis" in seen


def test_a_campaign_not_launched_has_no_bilan(agent: User) -> None:
    campaign = make_campaign()
    response = sign_in(agent).get(reverse("admin:campaign_bilan", args=[campaign.pk]))
    assert response["Location"] == reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def test_the_demo_says_it_is_one(agent: User, settings: Any) -> None:
    assert "Démonstration</strong>" not in page(agent, "index")
    settings.DEMO = True
    assert "Démonstration</strong>" in page(agent, "index")


def test_secrets_are_never_shown(settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = settings.SECRET_KEY = "surtout-pas"
    seen = page(make_colleague(ADMINISTRATEUR), "systeme")
    assert "SMS_SEGMENT_PRICE" in seen
    assert "surtout-pas" not in seen


def test_components_are_for_developers(agent: User) -> None:
    root = User.objects.create_superuser("root")
    assert "Confirmation" in page(root, "composants")
    assert sign_in(agent).get(reverse("admin:composants")).status_code == 403


def test_errors_are_said_in_french_with_a_way_out(agent: User) -> None:
    client = sign_in(agent)
    missing = client.get("/nulle-part/")
    refused = client.get(reverse("admin:systeme"))
    assert (missing.status_code, refused.status_code) == (404, 403)
    assert "Cette page n’existe pas" in missing.content.decode()
    assert "Votre rôle ne le permet pas" in refused.content.decode()


def test_a_failure_is_said_without_a_detail(agent: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("détail interne")

    monkeypatch.setattr("outreach.admin.today.read_today", fail)
    client = sign_in(agent)
    client.raise_request_exception = False
    response = client.get(reverse("admin:index"))
    assert response.status_code == 500
    assert "Quelque chose n’a pas marché" in response.content.decode()
    assert "détail interne" not in response.content.decode()


def test_the_day_says_first_what_stopped_by_itself(superviseur: User) -> None:
    touch()
    campaign = Campaign.objects.get()
    Campaign.objects.update(status=CampaignStatus.RUNNING)
    pause_campaign(campaign=campaign, by=None, now=read_now(), reason="Pause automatique : 5 échecs sur 65 contacts.")
    Fence.objects.update(closed_at=read_now(), reason="Une sauvegarde ancienne a été restaurée.")
    seen = page(superviseur, "index")
    assert "5 échecs sur 65 contacts" in seen
    assert "Une sauvegarde ancienne a été restaurée." in seen
    assert "En marche" not in seen


def test_sending_is_opened_again_by_whoever_may(agent: User, superviseur: User) -> None:
    Fence.objects.update(closed_at=read_now(), reason="Restaurée.", recovered_at=read_now())
    assert "Rouvrir les envois" not in page(agent, "pending")
    assert "Rouvrir les envois" in page(superviseur, "pending")
    assert sign_in(agent).post(reverse("admin:open_fence")).status_code == 403
    assert sign_in(superviseur).post(reverse("admin:open_fence")).status_code == 302
    assert Fence.objects.get().closed_at is None


def test_a_superviseur_releases_a_quarantine_with_a_reason(superviseur: User) -> None:
    aside = touch(status=TouchStatus.QUARANTINED, reason=Suppression.CRASHED)
    assert "Trois expéditeurs se sont arrêtés" in page(superviseur, "quarantine")
    url = reverse("admin:decide_touch", args=[aside.pk])
    sign_in(superviseur).post(url, {"decision": "renvoyer"})
    aside.refresh_from_db()
    assert aside.status == TouchStatus.QUARANTINED
    sign_in(superviseur).post(url, {"decision": "renvoyer", "reason": "Fiche corrigée"})
    aside.refresh_from_db()
    assert aside.status == TouchStatus.PLANNED


@pytest.mark.parametrize(
    ("address", "way"),
    [
        ("campaigns_populationimport_changelist", "Aujourd’hui › Réglages › Imports de population"),
        ("campaigns_populationimport_add", "Aujourd’hui › Réglages › Imports de population › Importer la population"),
        ("campaigns_baddestination_changelist", "Aujourd’hui › Allocataires › Coordonnées à corriger"),
        ("pending", "Aujourd’hui › Réglages › Ce qui attend"),
        ("campaigns_campaign_changelist", "Aujourd’hui › Campagnes"),
        ("campaigns_campaign_add", "Aujourd’hui › Campagnes › Nouvelle campagne"),
        ("reglages", "Aujourd’hui › Réglages"),
    ],
)
def test_the_way_back_names_each_level_once(address: str, way: str) -> None:
    user = make_colleague(AGENT)
    user.is_superuser = True
    user.save()
    page = sign_in(user).get(reverse(f"admin:{address}")).content.decode()
    trail = page.split('class="breadcrumbs">')[1].split("</div>")[0]
    assert " ".join(re.sub(r"<[^>]+>", " ", trail).split()) == way
