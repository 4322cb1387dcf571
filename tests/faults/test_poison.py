"""A few contacts make their sender fail each time: all the others leave, those few are set aside, and say why."""

import random
from collections.abc import Mapping
from datetime import timedelta

import pytest

from campaigns.models import Allocataire, set_clock
from outreach import texts
from outreach.channels.fake import FakeGateway
from outreach.channels.registry import use_gateway
from outreach.dispatch import dispatch_due
from outreach.enums import Suppression, TouchStatus
from outreach.models import Touch, TouchDecision
from outreach.reconciliation import ResolutionRefused, release_expired_claims, resolve_touch
from outreach.rules.retry import Resolution
from tests.factories import make_allocataires, make_user, step_values
from tests.faults.harness import say
from tests.faults.sizes import SEED, size_of
from tests.faults.table import Row, note
from tests.outreach.waves import MORNING, make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db]

MESSAGES = size_of("poison_messages")
POISON = max(1, MESSAGES // 250)


def test_poison_is_set_aside_and_everybody_else_is_contacted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people = make_allocataires(MESSAGES)
    ids = [person.pk for person in random.Random(SEED).sample(people, POISON)]
    Allocataire.objects.filter(pk__in=ids).update(first_name="Venin")
    make_wave(people=people, steps=[step_values(body="Caf : bonjour {{ prenom }}, votre dossier attend.")])
    failures = []

    def fail_on_poison(text: str, values: Mapping[str, str]) -> str:
        if values.get("prenom") == "Venin" and text:
            failures.append(text)
            raise RuntimeError
        return original(text, values)

    original = texts.render
    with monkeypatch.context() as poisoned, use_gateway("SMS", FakeGateway()) as operator:
        poisoned.setattr(texts, "render", fail_on_poison)
        for minutes in range(0, 25, 5):
            now = MORNING + timedelta(minutes=minutes)
            set_clock(now)
            release_expired_claims(now=now)
            dispatch_due(channel="SMS", worker="test", deadline_seconds=60)
    aside = Touch.objects.filter(status=TouchStatus.QUARANTINED)
    say(capsys, f"{MESSAGES} contacts, {POISON} poisoned: {len(failures)} failures, {aside.count()} in quarantine")
    note_poison([message.destination for message in operator.sent], aside.count())  # type: ignore[attr-defined]
    assert len(failures) >= 3 * POISON, "no fault was injected"
    assert set(aside.values_list("allocataire_id", flat=True)) == set(ids)
    assert set(aside.values_list("reason", flat=True)) == {Suppression.CRASHED}
    assert len(operator.sent) == MESSAGES - POISON  # type: ignore[attr-defined]

    released, superviseur = aside.order_by("pk")[0], make_user()
    with pytest.raises(ResolutionRefused):
        resolve_touch(touch=released, decision=Resolution.RESEND, by=superviseur, now=MORNING)
    resolve_touch(touch=released, decision=Resolution.RESEND, by=superviseur, now=MORNING, reason="Fiche corrigée.")
    with use_gateway("SMS", FakeGateway()) as operator:
        dispatch_due(channel="SMS", worker="test", deadline_seconds=60)
    assert [m.destination for m in operator.sent] == [released.destination]  # type: ignore[attr-defined]
    assert TouchDecision.objects.values_list("decision", "reason").get() == (Resolution.RESEND, "Fiche corrigée.")


def note_poison(sent: list[str], aside: int) -> None:
    note(
        Row(
            "contacts qui font échouer leur expéditeur",
            f"{POISON} parmi {MESSAGES}, {aside} en quarantaine",
            lost=MESSAGES - POISON - len(set(sent)),
            doubled=len(sent) - len(set(sent)),
        )
    )
