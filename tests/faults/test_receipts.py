"""Receipts shuffled, doubled, forged and early, through the real view: what was answered by 2xx is kept, and the end is
the one that an oracle finds by other means.
"""

import random
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client

from campaigns.models import ContactFact, read_now
from outreach.channels.ports import SendOutcome, SendResult
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, ProviderEvent, Touch
from outreach.receipts import apply_receipts
from outreach.recording import Answer, record_answers
from tests.faults.harness import say
from tests.faults.sizes import SEED, size_of
from tests.faults.table import Row, note
from tests.outreach.receipts_world import post_receipt
from tests.outreach.sent import NOW
from tests.outreach.waves import make_wave

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

RECEIPTS = size_of("receipts")
DOUBLED, FORGED, EARLY = 0.20, 0.05, 0.10

# What the operator says of a message in its life, and how that ends: written by hand, not taken from the code.
LIVES = {
    (("queued", ""), ("sent", ""), ("delivered", "")): ("REMIS", "REMIS", "REMIS"),
    (("queued", ""), ("sending", ""), ("sent", "")): ("ENVOYE", "ENVOYE", "REMIS_OPERATEUR"),
    (("queued", ""), ("sent", ""), ("undelivered", "30005")): ("NON_REMIS", "NON_REMIS", "LIBERE"),
    (("queued", ""), ("sent", ""), ("undelivered", "30003")): ("NON_REMIS", "PREVU", "RESERVE"),
    (("queued", ""), ("undelivered", "30036")): ("EXPIRE", "EXPIRE", "LIBERE"),
    (("queued", ""), ("failed", "30008")): ("ECHEC", "ECHEC", "LIBERE"),
    (("queued", ""), ("sent", ""), ("undelivered", "39999")): ("NON_REMIS", "NON_REMIS", "LIBERE"),
}


@dataclass(frozen=True)
class Receipt:
    attempt_uuid: UUID
    reference: str
    word: str
    code: str
    is_forged: bool = False


def test_whatever_the_order_the_end_is_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(SEED)
    attempts = make_attempts(RECEIPTS // 3, chance)
    lives = {attempt.uuid: chance.choice(list(LIVES)) for attempt in attempts}
    receipts, injected = tell(lives, chance)
    browser = Client(raise_request_exception=False)

    kept: Counter[tuple[str, str]] = Counter()
    half = len(receipts) // 2
    refused = send(browser, receipts[:half], kept)
    apply_together()  # some come before the operator's answer was recorded
    learn_references(attempts)
    refused += send(browser, receipts[half:], kept)
    apply_together()

    say(capsys, f"{len(receipts)} receipts, {dict(injected)}, {refused} refused, seed {SEED}")
    note(
        Row(
            "accusés mélangés, doublés, forgés, en avance",
            f"{len(receipts)} accusés, {sum(injected.values())} fautes",
            lost=sum((kept - Counter(ProviderEvent.objects.values_list("provider_ref", "status"))).values()),
        )
    )
    assert min(injected.values()) > 0, "no fault was injected"
    assert refused == injected["forged"]
    assert Counter(ProviderEvent.objects.values_list("provider_ref", "status")) == kept, (
        "a 2xx that is not in the table"
    )
    assert not ProviderEvent.objects.filter(applied_at=None).exists()
    assert ends_of(attempts) == {uuid: LIVES[life] for uuid, life in lives.items()}
    unknown = ProviderEvent.objects.filter(error_code="39999")
    assert all("Code d’erreur inconnu" in problem for problem in unknown.values_list("problem", flat=True))
    assert not ProviderEvent.objects.exclude(error_code="39999").exclude(problem="").exists()


def make_attempts(number: int, chance: random.Random) -> list[Attempt]:
    """Sent ones, of which a share is still waiting for the operator's answer."""
    make_wave(size=number)
    touches = list(Touch.objects.order_by("pk"))
    early = set(chance.sample(range(number), round(EARLY * number)))
    attempts = [
        Attempt(
            touch=touch, number=1, provider="twilio", intent_at=NOW, provider_ref="" if i in early else f"SM{i}",
            status=AttemptStatus.SENDING if i in early else AttemptStatus.SUBMITTED,
        )
        for i, touch in enumerate(touches)
    ]  # fmt: skip
    Touch.objects.update(status=TouchStatus.SUBMITTED, attempt_count=1)
    Touch.objects.filter(pk__in=[touches[i].pk for i in early]).update(status=TouchStatus.SENDING)
    ContactFact.objects.update(state="REMIS_OPERATEUR")
    return Attempt.objects.bulk_create(attempts)


def reference_of(attempt: Attempt) -> str:
    return attempt.provider_ref or f"SMearly{attempt.pk}"


def tell(lives: dict[UUID, tuple[tuple[str, str], ...]], chance: random.Random) -> tuple[list[Receipt], Counter[str]]:
    references = {attempt.uuid: reference_of(attempt) for attempt in Attempt.objects.all()}
    early = {attempt.uuid for attempt in Attempt.objects.filter(provider_ref="")}
    true = [Receipt(uuid, references[uuid], word, code) for uuid, life in lives.items() for word, code in life]
    doubled = chance.sample(true, round(DOUBLED * len(true)))
    forged = [
        Receipt(one.attempt_uuid, one.reference, "delivered", "", is_forged=True)
        for one in chance.sample(true, round(FORGED * len(true)))
    ]
    told = [*true, *doubled, *forged]
    chance.shuffle(told)
    half = told[: len(told) // 2]
    injected = Counter(
        doubled=len(doubled),
        forged=len(forged),
        early=sum(not one.is_forged and one.attempt_uuid in early for one in half),
        regressing=count_regressing(told),
    )
    return told, injected


def count_regressing(told: Iterable[Receipt]) -> int:
    """Receipts that come after a later state of the same message."""
    order = ["queued", "sending", "sent", "delivered", "undelivered", "failed"]
    reached: dict[UUID, int] = {}
    late = 0
    for one in told:
        place = order.index(one.word)
        late += place < reached.get(one.attempt_uuid, -1)
        reached[one.attempt_uuid] = max(place, reached.get(one.attempt_uuid, -1))
    return late


def send(browser: Client, receipts: Iterable[Receipt], kept: Counter[tuple[str, str]]) -> int:
    """Through the view; counts what was answered by 2xx in ``kept``, returns how many were refused."""
    refused = 0
    for one in receipts:
        status = post_receipt(
            browser, one.attempt_uuid, reference=one.reference, word=one.word, code=one.code, is_forged=one.is_forged
        )
        assert status in {204, 403}
        refused += status == 403
        if status == 204:
            kept[one.reference, one.word] += 1
    return refused


def apply_together() -> None:
    """Two at once, as two workers would."""
    troubles: list[BaseException] = []

    def apply() -> None:
        try:
            while apply_receipts(now=NOW, limit=400):
                continue
        except Exception as trouble:
            troubles.append(trouble)
        finally:
            connection.close()

    threads = [threading.Thread(target=apply) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert troubles == []


def learn_references(attempts: Iterable[Attempt]) -> None:
    """The operator's answers to the sending, at last."""
    late = [one for one in attempts if not one.provider_ref]
    record_answers(
        answers=[
            Answer.to_sending(one.uuid, SendResult(SendOutcome.ACCEPTED, provider_ref=reference_of(one)))
            for one in late
        ],
        now=NOW,
    )


def ends_of(attempts: Iterable[Attempt]) -> dict[UUID, tuple[str, str, str]]:
    states = dict(ContactFact.objects.values_list("touch_ref", "state"))
    rows = Attempt.objects.values_list("uuid", "status", "touch__status", "touch_id")
    return {uuid: (status, touch, states[touch_id]) for uuid, status, touch, touch_id in rows}


def test_a_burst_of_refusals_does_not_exhaust_the_locks() -> None:
    from outreach import receipts

    number = receipts.REFUSALS_AT_ONCE + 30
    make_wave(size=number)
    make = [
        Attempt(touch=touch, number=1, provider="twilio", intent_at=NOW, provider_ref=f"SM{touch.pk}", status="ENVOYE")
        for touch in Touch.objects.order_by("pk")
    ]
    Attempt.objects.bulk_create(make)
    ProviderEvent.objects.bulk_create(
        ProviderEvent(
            provider="twilio", kind="ETAT", attempt_uuid=one.uuid, provider_ref=one.provider_ref, status="failed",
            error_code="21610", payload={}, received_at=read_now(),
        )
        for one in make
    )  # fmt: skip
    assert apply_receipts(now=NOW) == number
    from campaigns.models import Opposition

    assert Opposition.objects.count() == number
    assert set(Attempt.objects.values_list("status", flat=True)) == {AttemptStatus.FAILED}


def test_a_batch_that_breaks_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    from outreach import receipts

    attempt = make_attempts(1, random.Random(0))[0]
    browser = Client()
    assert post_receipt(browser, attempt.uuid, reference=reference_of(attempt), word="delivered") == 204
    assert post_receipt(browser, uuid4(), reference="SM?", word="delivered") == 204
    with monkeypatch.context() as dying:
        dying.setattr(receipts, "_mark_applied", _die)
        with pytest.raises(KeyboardInterrupt):
            apply_receipts(now=NOW)
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.SUBMITTED
    assert ProviderEvent.objects.unapplied().count() == 2
    assert apply_receipts(now=NOW) == 2
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.DELIVERED


def _die(*_: object) -> None:
    raise KeyboardInterrupt
