import pytest

from campaigns.enums import Channel
from outreach.channels.fake import FakeGateway, accept
from outreach.channels.ports import OutgoingMessage, SendOutcome, SendResult
from outreach.channels.registry import NoGateway, gateway_for, use_gateway
from tests.outreach.gateway_contract import GatewayContract


class TestFakeGateway(GatewayContract):
    destination = "+33639980001"
    refused_destination = "+33100000000"

    @pytest.fixture
    def gateway(self) -> FakeGateway:
        def answer(message: OutgoingMessage) -> SendResult:
            if message.destination == self.refused_destination:
                return SendResult(SendOutcome.REFUSED, error_code="21614")
            return accept(message)

        return FakeGateway(script=answer)

    def test_a_message_taken_without_saying_so_is_found(self) -> None:
        gateway = FakeGateway(script=lambda _: SendResult(SendOutcome.UNKNOWN, provider_ref="FA1", error_code="reset"))
        message = self.message()
        assert gateway.send(message) == SendResult(SendOutcome.UNKNOWN, error_code="reset")
        assert [found.provider_ref for found in gateway.look_up(message, max_age_seconds=60).found] == ["FA1"]

    def test_an_operator_out_of_reach_teaches_nothing(self) -> None:
        gateway = FakeGateway(is_reachable=False)
        assert not gateway.look_up(self.message(), max_age_seconds=60).is_answered


def test_a_channel_is_served_by_another_gateway_for_a_while() -> None:
    first, second = FakeGateway(), FakeGateway()
    with use_gateway(Channel.SMS, first):
        with use_gateway(Channel.SMS, second):
            assert gateway_for(Channel.SMS) is second
        assert gateway_for(Channel.SMS) is first


def test_people_make_calls() -> None:
    with pytest.raises(NoGateway, match="agents"):
        gateway_for(Channel.CALL)
