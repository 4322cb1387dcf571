"""What every gateway must do, whoever the operator is. Each gateway's test class inherits it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from outreach.channels.ports import Gateway, OutgoingMessage, SendOutcome
from outreach.enums import AttemptStatus
from outreach.rules.delivery import status_of
from tests.outreach.local_servers import RunningOperator


class GatewayContract:
    """Subclasses give ``gateway`` (pytest fixture), ``destination`` and, where they can, ``refused_destination``."""

    destination: str
    refused_destination: str
    can_look_up = True

    def message(self, destination: str = "", **values: str) -> OutgoingMessage:
        fields = {"body": "Bonjour, la Caf vous écrit.", "subject": "Votre dossier", **values}
        return OutgoingMessage(attempt_uuid=uuid4(), destination=destination or self.destination, **fields)

    def test_has_a_name_short_enough_for_its_column(self, gateway: Gateway) -> None:
        assert 0 < len(gateway.name) <= 20

    def test_an_accepted_message_has_a_reference(self, gateway: Gateway) -> None:
        result = gateway.send(self.message())
        assert result.outcome is SendOutcome.ACCEPTED
        assert result.status == AttemptStatus.SUBMITTED
        assert 0 < len(result.provider_ref) <= 80

    def test_references_differ(self, gateway: Gateway) -> None:
        assert len({gateway.send(self.message()).provider_ref for _ in range(3)}) == 3

    def test_many_threads_may_send_at_once(self, gateway: Gateway) -> None:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(gateway.send, [self.message() for _ in range(40)]))
        assert {result.outcome for result in results} == {SendOutcome.ACCEPTED}
        assert len({result.provider_ref for result in results}) == 40

    def test_a_definite_refusal_is_data(self, gateway: Gateway) -> None:
        result = gateway.send(self.message(self.refused_destination))
        assert result.outcome is SendOutcome.REFUSED
        assert result.status == AttemptStatus.FAILED
        assert result.error_code
        assert not result.provider_ref

    def test_hostile_texts_go_through(self, gateway: Gateway) -> None:
        body = "É ’ € 🙂 <script>alert(1)</script>\r\nBcc: x@example.org\n\n.\n" + "a" * 300
        result = gateway.send(self.message(body=body, subject="Objet\r\nBcc: x@example.org"))
        assert result.outcome is SendOutcome.ACCEPTED

    def test_what_was_sent_is_found_again(self, gateway: Gateway) -> None:
        message = self.message()
        sent = gateway.send(message)
        found = gateway.look_up(message, max_age_seconds=60)
        assert found.is_answered == self.can_look_up
        if self.can_look_up:
            assert sent.provider_ref in [one.provider_ref for one in found.found]

    def test_what_was_not_sent_is_not_found(self, gateway: Gateway) -> None:
        found = gateway.look_up(self.message(body="Jamais envoyé."), max_age_seconds=60)
        assert found.is_answered == self.can_look_up
        assert found.found == ()

    def test_what_became_of_a_message_can_be_asked(self, gateway: Gateway) -> None:
        sent = gateway.send(self.message())
        answer = gateway.fetch_status(sent.provider_ref)
        assert answer.is_answered == self.can_look_up
        assert [one.provider_ref for one in answer.found] == ([sent.provider_ref] if self.can_look_up else [])
        assert all(status_of(one.word, one.error_code) == one.status for one in answer.found)

    def test_a_message_it_never_took_is_not_found(self, gateway: Gateway) -> None:
        answer = gateway.fetch_status("SM00000000000000000000000000000000")
        assert (answer.is_answered, answer.found) == (self.can_look_up, ())

    def test_nobody_wrote_yet(self, gateway: Gateway) -> None:
        gateway.send(self.message())
        answer = gateway.list_inbound(max_age_seconds=60)
        assert (answer.is_answered, answer.messages) == (self.can_look_up, ())

    def test_its_representation_holds_nothing_personal(self) -> None:
        assert self.destination not in repr(self.message())
        assert "Bonjour" not in repr(self.message())


class OperatorContract(GatewayContract):
    """A gateway to an operator that we simulate: subclasses also give ``operator`` (pytest fixture)."""

    throttled_code: str

    @pytest.mark.parametrize(
        ("trouble", "outcome", "taken"),
        [
            ("throttled", SendOutcome.RETRY, 0),
            ("error_before", SendOutcome.UNKNOWN, 0),
            ("error_after", SendOutcome.UNKNOWN, 1),
            ("reset_before", SendOutcome.UNKNOWN, 0),
            ("reset_after", SendOutcome.UNKNOWN, 1),
            ("slow_drip", SendOutcome.UNKNOWN, 1),
        ],
    )
    def test_trouble(
        self, gateway: Any, operator: RunningOperator, trouble: str, outcome: SendOutcome, taken: int
    ) -> None:
        operator.post("/__script__", to=self.destination, troubles=[trouble])
        message = self.message()
        result = replace(gateway, deadline_seconds=1).send(message)
        assert result.outcome is outcome
        assert operator.ledger()["count"] == taken
        assert operator.ledger()["mischief"] == {trouble: 1}
        assert len(gateway.look_up(message, max_age_seconds=60).found) == taken
        if trouble == "throttled":
            assert (result.retry_after, result.error_code, result.is_alert) == (1.0, self.throttled_code, False)
