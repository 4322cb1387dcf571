import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from outreach.channels import email as email_room
from outreach.channels.email import EmailGateway
from outreach.channels.opt_out import opt_out_url, read_opt_out_token
from outreach.channels.ports import GIVEN_BACK, OutgoingMessage, SendOutcome
from outreach.simulator.mailbox import Mailbox, serve_mailbox
from tests.outreach.gateway_contract import GatewayContract
from tests.outreach.local_servers import raw_server
from tests.outreach.scripted_smtp import scripted_smtp


def make_message(**values: Any) -> OutgoingMessage:
    fields = {"attempt_uuid": uuid4(), "destination": "a@example.org", "body": "Bonjour", "subject": "Objet", **values}
    return OutgoingMessage(**fields)


@pytest.fixture
def mailbox(tmp_path: Path, settings: Settings) -> Iterator[Mailbox]:
    box = serve_mailbox(tmp_path / "mail.jsonl")
    box.scripted |= {"refused@example.org": "550 No such user", "later@example.org": "451 Try again"}
    settings.EMAIL_PORT = box.port
    yield box
    box.stop()


@pytest.fixture
def gateway(mailbox: Mailbox) -> EmailGateway:
    return EmailGateway.from_settings()


class TestEmailGateway(GatewayContract):
    destination = "personne@example.org"
    refused_destination = "refused@example.org"
    can_look_up = False

    def test_what_arrives(self, gateway: EmailGateway, mailbox: Mailbox) -> None:
        message = self.message(body="Bonjour <b>Zoé</b>,\n\nÀ bientôt")
        gateway.send(message)
        [letter] = mailbox.messages()
        assert letter["to"] == ["personne@example.org"]
        assert letter["message_id"] == f"<{message.attempt_uuid}@caf.invalid>"
        assert letter["list_unsubscribe"] == f"<{opt_out_url(message.attempt_uuid)}>"
        assert letter["list_unsubscribe_post"] == "List-Unsubscribe=One-Click"
        assert "Bonjour <b>Zoé</b>," in letter["text"]
        assert "&lt;b&gt;Zoé&lt;/b&gt;" in letter["html"]
        assert 'lang="fr"' in letter["html"]

    @pytest.mark.parametrize("says_it", [False, True])
    def test_how_to_refuse_the_next_is_said_once(self, gateway: EmailGateway, mailbox: Mailbox, says_it: bool) -> None:
        attempt_uuid = uuid4()
        link = opt_out_url(attempt_uuid)
        gateway.send(
            make_message(attempt_uuid=attempt_uuid, body=f"Bonjour\n\nRefuser : {link}" if says_it else "Bonjour")
        )
        [letter] = mailbox.messages()
        assert letter["text"].count(link) == 1
        assert letter["html"].count(f'href="{link}"') == 1

    def test_no_header_can_be_added(self, gateway: EmailGateway, mailbox: Mailbox) -> None:
        gateway.send(self.message(subject="Objet\r\nBcc: x@example.org"))
        [letter] = mailbox.messages()
        assert letter["to"] == ["personne@example.org"]
        assert letter["subject"] == "Objet Bcc: x@example.org"

    @pytest.mark.parametrize("address", ["a@b@c", "a@example.org\nBcc: x@y.z", "", "a@example.org, b@example.org"])
    def test_no_recipient_can_be_added(self, gateway: EmailGateway, mailbox: Mailbox, address: str) -> None:
        result = gateway.send(OutgoingMessage(uuid4(), address, "Bonjour"))
        assert result.outcome is SendOutcome.REFUSED
        assert not mailbox.ledger.read_text()

    def test_one_connection_for_many_messages(self, gateway: EmailGateway) -> None:
        gateway.send(self.message())
        [connection] = gateway.connections
        gateway.send(self.message(self.refused_destination))
        gateway.send(self.message())
        assert [*gateway.connections] == [connection]

    def test_a_batch_on_one_connection(self, gateway: EmailGateway, mailbox: Mailbox) -> None:
        messages = [self.message(), self.message(self.refused_destination), self.message()]
        told = list(gateway.send_together(messages))
        assert [message for message, _ in told] == messages
        accepted, refused = SendOutcome.ACCEPTED, SendOutcome.REFUSED
        assert [result and result.outcome for _, result in told] == [accepted, refused, accepted]
        assert len([*gateway.connections]) == 1
        assert len(mailbox.messages()) == 2

    def test_a_slow_server_is_sent_to_by_many_connections(
        self, gateway: EmailGateway, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One after the other, they would be too late; the next batch goes together if it has become quick."""
        monkeypatch.setattr(email_room, "AT_ONCE", 1e-9)
        messages = [self.message() for _ in range(3)]
        assert gateway.send(messages[0]).outcome is SendOutcome.ACCEPTED
        assert list(gateway.send_together(messages[1:])) == [(message, None) for message in messages[1:]]
        assert len(mailbox.messages()) == 1
        monkeypatch.setattr(email_room, "AT_ONCE", 5)
        assert all(result for _, result in gateway.send_together(messages[1:]))

    def test_a_connection_closed_while_idle_is_made_again(
        self, gateway: EmailGateway, mailbox: Mailbox, settings: Settings
    ) -> None:
        gateway.send(self.message())
        [connection] = gateway.connections
        assert connection.sock is not None
        connection.sock.shutdown(2)
        assert gateway.send(self.message()).outcome is SendOutcome.ACCEPTED
        assert len(mailbox.messages()) == 2


def test_temporary_refusals_are_tried_later(gateway: EmailGateway) -> None:
    result = gateway.send(make_message(destination="later@example.org"))
    assert (result.outcome, result.error_code) == (SendOutcome.RETRY, "SMTP 451")


def test_cut_after_data_is_unknown(gateway: EmailGateway, mailbox: Mailbox) -> None:
    mailbox.scripted["cut@example.org"] = "reset"
    assert gateway.send(make_message(destination="cut@example.org")).outcome is SendOutcome.UNKNOWN
    assert len(mailbox.messages()) == 1
    assert gateway.send(make_message()).outcome is SendOutcome.ACCEPTED


def test_nobody_listens(settings: Settings) -> None:
    settings.EMAIL_PORT = 9
    result = EmailGateway.from_settings().send(make_message())
    assert (result.outcome, result.is_alert) == (SendOutcome.RETRY, True)


def test_cut_before_data_is_tried_later(settings: Settings) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.readline()
        writer.close()

    with raw_server(hang_up) as url:
        settings.EMAIL_PORT = int(url.rsplit(":", 1)[1])
        assert EmailGateway.from_settings().send(make_message()).outcome is SendOutcome.RETRY


def test_a_real_server_is_refused_outside_production(settings: Settings) -> None:
    settings.EMAIL_HOST = "smtp.example.org"
    with pytest.raises(ImproperlyConfigured, match="aucun envoi réel"):
        EmailGateway.from_settings()


@pytest.mark.parametrize("name", ["EMAIL_HOST", "PUBLIC_BASE_URL"])
def test_missing_settings_are_named(settings: Settings, name: str) -> None:
    setattr(settings, name, "")
    with pytest.raises(ImproperlyConfigured, match=f"il manque : {name}"):
        EmailGateway.from_settings()


def test_opt_out_tokens_are_ours_alone() -> None:
    attempt = uuid4()
    token = opt_out_url(attempt).rstrip("/").rsplit("/", 1)[1]
    assert read_opt_out_token(token) == attempt
    assert read_opt_out_token(token[:-1] + ("a" if token[-1] != "a" else "b")) is None
    assert read_opt_out_token("") is None


def test_an_opt_out_link_outlives_the_key_it_was_signed_with(settings: Settings) -> None:
    attempt = uuid4()
    token = opt_out_url(attempt).rstrip("/").rsplit("/", 1)[1]
    earlier, settings.SECRET_KEY = settings.SECRET_KEY, "the-next-key"
    assert read_opt_out_token(token) is None
    settings.SECRET_KEY_FALLBACKS = [earlier]
    assert read_opt_out_token(token) == attempt


@pytest.mark.parametrize("features", ["250 PIPELINING", "250 HELP"])
@pytest.mark.parametrize(
    ("replies", "outcome", "code"),
    [
        ({}, SendOutcome.ACCEPTED, ""),
        ({"MAIL": "451 4.3.0 later", "DATA": "503 no"}, SendOutcome.RETRY, "4.3.0"),
        ({"MAIL": "530 5.7.0 sign in", "DATA": "503 no"}, SendOutcome.RETRY, "SMTP 530"),
        ({"RCPT": "550 5.1.1 unknown", "DATA": "554 no"}, SendOutcome.REFUSED, "5.1.1"),
        ({"RCPT": "550 5.1.1 unknown"}, SendOutcome.REFUSED, "5.1.1"),  # and yet it says 354
        ({"DATA": "451 4.3.1 full"}, SendOutcome.RETRY, "4.3.1"),
        ({"DATA": "250 what"}, SendOutcome.RETRY, "SMTP 250"),
        ({".": "452 4.3.1 full"}, SendOutcome.RETRY, "4.3.1"),
        ({".": "554 5.6.0 no"}, SendOutcome.REFUSED, "5.6.0"),
        ({".": "nonsense"}, SendOutcome.UNKNOWN, "SMTP -1"),
    ],
)
def test_replies(settings: Settings, features: str, replies: dict[str, str], outcome: SendOutcome, code: str) -> None:
    with scripted_smtp(settings, features=features, replies=replies) as heard:
        result = EmailGateway.from_settings().send(make_message())
    assert (result.outcome, result.error_code) == (outcome, code)
    if "RCPT" in replies or "MAIL" in replies:
        assert "." not in heard


@pytest.mark.parametrize("then", ["silence", "drip", "close"])
def test_no_answer_to_the_content_is_unknown(settings: Settings, then: str) -> None:
    settings.SEND_DEADLINE_SECONDS = 0.5
    begun = time.monotonic()
    with scripted_smtp(settings, replies={}, then=then):
        assert EmailGateway.from_settings().send(make_message()).outcome is SendOutcome.UNKNOWN
    assert time.monotonic() - begun < 5


def test_a_server_that_says_goodbye_is_met_again(settings: Settings) -> None:
    replies: dict[str, str] = {}
    with scripted_smtp(settings, replies=replies) as heard:
        gateway = EmailGateway.from_settings()
        assert gateway.send(make_message()).outcome is SendOutcome.ACCEPTED
        replies["MAIL"] = "421 4.7.0 too many messages"
        assert gateway.send(make_message()).outcome is SendOutcome.RETRY
    assert heard.count("EHLO") == 2  # the kept connection, then a fresh one, and no third


def test_a_connection_that_opens_too_late_says_nothing_and_serves_the_next(settings: Settings) -> None:
    with scripted_smtp(settings, replies={}) as heard:
        gateway = EmailGateway.from_settings()
        assert gateway.send(replace(make_message(), leave_by=time.monotonic() - 0.001)) == GIVEN_BACK
        assert "MAIL" not in heard
        assert gateway.send(make_message()).outcome is SendOutcome.ACCEPTED
    assert heard.count("EHLO") == 1


def test_is_ready(gateway: EmailGateway, settings: Settings) -> None:
    assert gateway.is_ready()
    settings.EMAIL_PORT = 9
    assert not EmailGateway.from_settings().is_ready()
