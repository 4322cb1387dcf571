"""All that contacted or will contact a person, what she answered and refused: one list, without a destination."""

from datetime import timedelta

import pytest
from django.urls import reverse

from campaigns.enums import Channel
from campaigns.models import AccessLog, Allocataire
from campaigns.oppositions import record_opposition
from outreach.enums import CallResult, ReplyClass, Suppression, TouchStatus
from outreach.models import Call, CallAttempt, Reply, Touch
from outreach.roles import AGENT
from outreach.timeline import read_timeline
from tests.factories import make_allocataire, step_values
from tests.outreach.waves import MORNING, make_wave
from tests.pages import MAX_QUERIES, make_colleague, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Allocataire:
    """Two SMS (one gone, one suppressed), a call to come that rang once, a reply, an opposition."""
    found = make_allocataire(mobile="+33612345678")
    steps = [step_values(), step_values(position=2, label="Relance"), step_values(Channel.CALL, position=3)]
    arms = [{"code": "SMS", "label": "SMS et appel", "share": 1}]
    make_wave(people=[found], name="Vie maritale", steps=steps, arms=arms)
    sms, second, call = Touch.objects.order_by("step__position")
    Touch.objects.filter(pk=sms.pk).update(status=TouchStatus.DELIVERED, status_at=MORNING)
    Touch.objects.filter(pk=second.pk).update(
        status=TouchStatus.SUPPRESSED, reason=Suppression.OPPOSED, status_at=MORNING + timedelta(hours=2)
    )
    ring = Call.objects.create(touch=call, listed_on=MORNING.date())
    CallAttempt.objects.create(call=ring, number=1, at=MORNING + timedelta(hours=1), result=CallResult.NO_ANSWER)
    Reply.objects.create(
        allocataire=found, touch=sms, sender_hash="x", provider="twilio", provider_ref="1", body="mon texte privé",
        kind=ReplyClass.STOP, received_at=MORNING + timedelta(minutes=5),
    )  # fmt: skip
    record_opposition(allocataire_ids=[found.pk], channel="SMS", source="STOP_SMS", now=MORNING + timedelta(minutes=6))
    return found


def test_one_list_the_latest_first(person: Allocataire) -> None:
    told = [(e.kind, e.title, e.detail, e.is_coming) for e in read_timeline(allocataire=person, now=MORNING)]
    assert told == [
        ("SMS", "Vie maritale — Relance", "Supprimé avant l’envoi : Opposition à être contactée", False),
        ("Appel", "Vie maritale — tentative 1", "Pas de réponse", False),
        ("Opposition", "SMS, tous les thèmes", "STOP par SMS", False),
        ("Réponse reçue", "À Vie maritale", "Opposition (à traiter)", False),
        ("SMS", "Vie maritale — Premier contact", "Remis", False),
        ("Appel", "Vie maritale — Premier contact", "Prévu", True),
        ("Tirage au sort", "Vie maritale — vague 1", "Retenue, bras « SMS et appel »", False),
    ]


def test_the_page_separates_what_is_to_come_and_leaves_a_trace(
    person: Allocataire, django_assert_max_num_queries: object
) -> None:
    client = sign_in(make_colleague(AGENT))
    with django_assert_max_num_queries(MAX_QUERIES):  # type: ignore[operator]
        page = client.get(reverse("admin:person_timeline", args=[person.pk])).content.decode()
    coming, past = page.split("Déjà fait")
    assert "Prévu" in coming
    assert "Supprimé avant l’envoi" in past
    for value in (person.mobile, person.matricule, "12 34 56", "mon texte privé"):
        assert value not in page
    assert AccessLog.objects.get().action == "historique des contacts"
