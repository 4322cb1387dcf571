"""A text sent to oneself: the real operator, nobody else's phone, and no trace of the number."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from campaigns.enums import CampaignStatus, Channel, OppositionSource, TrialStatus
from campaigns.models import ContactFact, Step, Trial, User
from campaigns.oppositions import hash_destination, record_opposition
from campaigns.rules.trials import digest_text
from outreach import trials
from outreach.channels.fake import FakeGateway
from outreach.channels.opt_out import opt_out_url
from outreach.channels.ports import Gateway, OutgoingMessage, SendOutcome, SendResult
from outreach.channels.registry import use_gateway
from outreach.fence import close_fence
from outreach.models import Attempt, Pause, ProviderEvent
from outreach.receipts import apply_receipts
from outreach.trials import DAILY_MAX, TrialRefused, change_mobile, try_on_oneself
from tests.factories import make_allocataire, make_campaign, make_user, step_values
from tests.outreach.local_servers import RunningOperator, running_operator
from tests.outreach.receipts_world import FORM, post_receipt
from tests.outreach.test_sms_twilio import BASE

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 3, 21, 30, tzinfo=UTC)  # at night: she is at her desk, or not
MOBILE = "+33749999901"


@pytest.fixture
def agent() -> User:
    return make_user("nadia", mobile=MOBILE)


@pytest.fixture
def step() -> Step:
    text = "Caf : bonjour {{ prenom }}. Pour refuser ces messages : {{ lien_opposition }}"
    return make_campaign(steps=[step_values(body=text)]).steps.get()


@pytest.fixture
def twilio(tmp_path: Path) -> Iterator[RunningOperator]:
    with (
        running_operator(tmp_path / "ledger.sqlite", receipt_delay=30) as running,
        use_gateway("SMS", replace(BASE, api_url=running.url)),
    ):
        yield running


def test_it_leaves_by_the_operator_as_people_will_read_it(twilio: RunningOperator, step: Step, agent: User) -> None:
    trial = try_on_oneself(step=step, by=agent, now=NOW)
    [sent] = twilio.ledger()["messages"]
    assert (sent["recipient"], sent["attempt_uuid"]) == (MOBILE, str(trial.uuid))
    assert sent["body"] == f"Caf : bonjour Dominique. Pour refuser ces messages : {opt_out_url(trial.uuid)}"
    assert (trial.status, trial.provider, trial.text_digest) == (TrialStatus.ACCEPTED, "twilio", digest_text(step))


def test_it_is_no_contact(operator: FakeGateway, step: Step, agent: User) -> None:
    try_on_oneself(step=step, by=agent, now=NOW)
    assert not Attempt.objects.exists()
    assert not ContactFact.objects.exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["sent"], TrialStatus.ACCEPTED),
        (["sent", "delivered"], TrialStatus.DELIVERED),
        (["delivered", "undelivered"], TrialStatus.DELIVERED),
        (["undelivered"], TrialStatus.UNDELIVERED),
    ],
)
def test_its_receipts_are_told_and_are_no_problem(
    operator: FakeGateway, step: Step, agent: User, words: list[str], status: TrialStatus
) -> None:
    trial = try_on_oneself(step=step, by=agent, now=NOW)
    for word in words:
        assert post_receipt(Client(), trial.uuid, reference="SM1", word=word) == 204
    assert apply_receipts(now=NOW) == len(words)
    trial.refresh_from_db()
    assert trial.status == status
    assert not ProviderEvent.objects.exclude(problem="").exists()


def test_a_receipt_that_comes_before_the_answer_stands(
    operator: FakeGateway, step: Step, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = trials._send

    def hear_first(gateway: Gateway, channel: str, message: OutgoingMessage) -> SendResult:
        post_receipt(Client(), message.attempt_uuid, reference="SM1", word="delivered")
        apply_receipts(now=NOW)
        return answer(gateway, channel, message)

    monkeypatch.setattr(trials, "_send", hear_first)
    assert try_on_oneself(step=step, by=agent, now=NOW).status == TrialStatus.DELIVERED


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (SendOutcome.REFUSED, TrialStatus.REFUSED),
        (SendOutcome.RETRY, TrialStatus.LATER),
        (SendOutcome.UNKNOWN, TrialStatus.UNKNOWN),
    ],
)
def test_what_the_operator_answers_is_kept(step: Step, agent: User, outcome: SendOutcome, status: TrialStatus) -> None:
    with use_gateway("SMS", FakeGateway(script=lambda message: SendResult(outcome, error_code="21610"))):
        trial = try_on_oneself(step=step, by=agent, now=NOW)
    assert (trial.status, trial.error_code) == (status, "21610")


def test_the_operator_is_not_called_before_the_trial_is_written(step: Step, agent: User) -> None:
    class Broken(FakeGateway):
        def send(self, message):
            raise RuntimeError

    with use_gateway("SMS", Broken()), pytest.raises(RuntimeError):
        try_on_oneself(step=step, by=agent, now=NOW)
    assert Trial.objects.get().status == TrialStatus.UNKNOWN


def test_an_email_goes_to_the_address_of_the_account(agent: User) -> None:
    step = make_campaign(steps=[step_values(Channel.EMAIL, body="Bonjour {{ prenom }}")]).steps.get()
    gateway = FakeGateway()
    with use_gateway("EMAIL", gateway):
        try_on_oneself(step=step, by=agent, now=NOW)
    [(_, message)] = gateway.ledger
    assert (message.destination, message.body) == ("nadia@caf.invalid", "Bonjour Dominique")


class TestRefusals:
    def refuse(self, operator: FakeGateway, step: Step, by: User, words: str) -> None:
        with pytest.raises(TrialRefused, match=words):
            try_on_oneself(step=step, by=by, now=NOW)
        assert not operator.ledger
        assert not Trial.objects.filter(at=NOW).exists()

    def test_without_a_mobile(self, operator: FakeGateway, step: Step) -> None:
        self.refuse(operator, step, make_user(), "Tapez d’abord le mobile")

    def test_without_an_address(self, operator: FakeGateway, agent: User) -> None:
        step = make_campaign(steps=[step_values(Channel.EMAIL)]).steps.get()
        agent.email = ""
        self.refuse(operator, step, agent, "n’a pas d’adresse")

    def test_of_a_call(self, operator: FakeGateway, agent: User) -> None:
        step = make_campaign(steps=[step_values(Channel.CALL)]).steps.get()
        self.refuse(operator, step, agent, "voix haute")

    @pytest.mark.parametrize("scope", ["", "SMS"])
    def test_while_the_stop_button_is_pressed(self, operator: FakeGateway, step: Step, agent: User, scope: str) -> None:
        Pause.objects.filter(scope=scope).update(is_paused=True)
        self.refuse(operator, step, agent, "en pause")

    def test_when_nobody_knows_whether_it_is_pressed(self, operator: FakeGateway, step: Step, agent: User) -> None:
        Pause.objects.filter(scope="SMS").delete()
        self.refuse(operator, step, agent, "en pause")

    def test_behind_a_closed_fence(self, operator: FakeGateway, step: Step, agent: User) -> None:
        close_fence(now=NOW, reason="essai")
        self.refuse(operator, step, agent, "fermés")

    def test_after_a_stop_from_that_phone(
        self, operator: FakeGateway, step: Step, agent: User, settings: Settings, tmp_path: Path
    ) -> None:
        settings.OPPOSITION_JOURNAL = tmp_path / "oppositions.jsonl"
        record_opposition(
            allocataire_ids=[], destination=MOBILE, channel="SMS", source=OppositionSource.SMS_STOP, now=NOW
        )
        self.refuse(operator, step, agent, "essayant STOP")

    @pytest.mark.parametrize("status", [CampaignStatus.RUNNING, CampaignStatus.CLOSED, CampaignStatus.CANCELLED])
    def test_of_a_campaign_that_left(self, operator: FakeGateway, agent: User, status: CampaignStatus) -> None:
        self.refuse(operator, make_campaign(status=status).steps.get(), agent, "a été lancée|annulée")

    def test_of_a_text_that_may_not_leave(self, operator: FakeGateway, agent: User) -> None:
        step = make_campaign(steps=[step_values(body="Caf : URGENT, déclarez-vous.")]).steps.get()
        self.refuse(operator, step, agent, "ne presse pas")

    def test_beyond_the_day(self, operator: FakeGateway, step: Step, agent: User) -> None:
        values = {"campaign": step.campaign, "channel": "SMS", "by": agent, "at": NOW - timedelta(hours=1)}
        Trial.objects.bulk_create([Trial(**values) for _ in range(DAILY_MAX)])
        self.refuse(operator, step, agent, "le maximum")
        Trial.objects.update(at=NOW - timedelta(hours=23))  # yesterday, in Paris
        assert try_on_oneself(step=step, by=agent, now=NOW).status == TrialStatus.ACCEPTED

    @pytest.mark.parametrize("mobile", ["", "04 68 00 00 00", "12", "camille@exemple.invalid"])
    def test_of_what_receives_no_sms(self, agent: User, mobile: str) -> None:
        with pytest.raises(TrialRefused, match="ne reçoit pas de SMS"):
            change_mobile(user=agent, mobile=mobile)

    def test_of_somebody_else_s_phone(self, operator: FakeGateway, step: Step, agent: User) -> None:
        make_allocataire(mobile=MOBILE)
        with pytest.raises(TrialRefused, match="dossier allocataire"):
            change_mobile(user=make_user(), mobile="07 49 99 99 01")
        self.refuse(operator, step, agent, "dossier allocataire")


def test_a_mobile_is_remembered_in_one_form(agent: User) -> None:
    assert change_mobile(user=agent, mobile="07.49 99 99 02") == "+33749999902"
    agent.refresh_from_db()
    assert agent.mobile == "+33749999902"


def test_its_opt_out_link_works_and_changes_nothing(operator: FakeGateway, step: Step, agent: User) -> None:
    trial = try_on_oneself(step=step, by=agent, now=NOW)
    path = "/stop/" + opt_out_url(trial.uuid).split("/stop/")[1]
    assert "Ne plus me contacter" in Client().get(path).content.decode()
    page = Client().post(path, "appui=oui", content_type=FORM)
    assert page.status_code == 200
    assert "C’était un essai" in page.content.decode()
    assert hash_destination(MOBILE) not in page.content.decode()


class Pacer:
    """Gives these instants, then one that is now."""

    def __init__(self, *late: float) -> None:
        self.late = list(late)

    def reserve(self, sizes: list[int]) -> list[float]:
        return [time.monotonic() - (self.late.pop(0) if self.late else 0)] * len(sizes)


def test_it_waits_for_an_instant_of_the_contract(
    operator: FakeGateway, step: Step, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    pacer = Pacer(1, 1)  # two instants that were past when they were known
    monkeypatch.setattr(trials, "pacer_for", lambda **_: pacer)
    assert try_on_oneself(step=step, by=agent, now=NOW).status == TrialStatus.ACCEPTED
    assert (len(operator.ledger), pacer.late) == (1, [])


def test_it_does_not_wait_behind_a_whole_wave(
    operator: FakeGateway, step: Step, agent: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "pacer_for", lambda **_: Pacer(-60))
    assert try_on_oneself(step=step, by=agent, now=NOW).status == TrialStatus.LATER
    assert not operator.ledger


def test_a_second_press_sends_nothing_more(operator: FakeGateway, step: Step, agent: User) -> None:
    try_on_oneself(step=step, by=agent, now=NOW)
    with pytest.raises(TrialRefused, match="Vous venez de vous envoyer ce texte"):
        try_on_oneself(step=step, by=agent, now=NOW + timedelta(seconds=1))
    assert len(operator.ledger) == 1
    try_on_oneself(step=step, by=agent, now=NOW + timedelta(seconds=31))
    assert len(operator.ledger) == 2


def test_what_did_not_leave_is_tried_again_at_once(step: Step, agent: User) -> None:
    with use_gateway("SMS", FakeGateway(script=lambda message: SendResult(SendOutcome.RETRY, error_code="20429"))):
        try_on_oneself(step=step, by=agent, now=NOW)
    with use_gateway("SMS", FakeGateway()):
        assert try_on_oneself(step=step, by=agent, now=NOW).status == TrialStatus.ACCEPTED
