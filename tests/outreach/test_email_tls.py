"""E-mails through a mail server that encrypts and asks who we are: its certificate is made here, and trusted or not."""

import logging
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pytest_django import Settings

from config.local.processes import free_port
from outreach.channels.email import EmailGateway
from outreach.channels.ports import OutgoingMessage, SendOutcome, SendResult
from outreach.rules.outages import is_out_of_reach
from outreach.rules.safeguards import is_account_trouble

logging.getLogger("mail.log").setLevel(logging.WARNING)  # it logs every address

NAME, PASSWORD = "caf", "a long password"


class Server:
    """What it took, from whom, and every password it heard, with whether the line was encrypted."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bool]] = []
        self.heard: list[tuple[bytes, bool]] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.taken.append((envelope.rcpt_tos[0], bool(server.transport.get_extra_info("ssl_object"))))
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.heard.append((data.password, bool(server.transport.get_extra_info("ssl_object"))))
        return AuthResult(success=(data.login, data.password) == (NAME.encode(), PASSWORD.encode()), handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For 127.0.0.1, signed by itself, with its key beside it."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


Serve = Callable[[str], Server]


@pytest.fixture
def serve(certificate: Path, settings: Settings) -> Iterator[Serve]:
    """``how``: "STARTTLS", "SSL" or "CLEAR"; our settings ask for that, and sign in."""
    running: list[Controller] = []

    def start(how: str) -> Server:
        server, context = Server(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("key.pem"))
        options = {"STARTTLS": {"tls_context": context, "require_starttls": True}, "SSL": {"ssl_context": context}}
        controller = Controller(
            server, hostname="127.0.0.1", port=free_port(), authenticator=server.authenticate, auth_required=True,
            auth_require_tls=how == "STARTTLS", **options.get(how, {}),
        )  # fmt: skip
        controller.start()
        running.append(controller)
        settings.EMAIL_PORT = controller.port
        settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = how == "STARTTLS", how == "SSL"
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = NAME, PASSWORD
        return server

    yield start
    for controller in running:
        controller.stop(no_assert=True)


def send(times: int = 1) -> list[SendResult]:
    gateway = EmailGateway.from_settings()
    return [gateway.send(OutgoingMessage(uuid4(), f"p{n}@example.org", "Bonjour", "Objet")) for n in range(times)]


@pytest.mark.parametrize("how", ["STARTTLS", "SSL"])
def test_we_sign_in_once_on_an_encrypted_line_and_send_many(trusted: None, serve: Serve, how: str) -> None:
    server = serve(how)
    assert {result.outcome for result in send(3)} == {SendOutcome.ACCEPTED}
    assert server.taken == [(f"p{n}@example.org", True) for n in range(3)]
    assert server.heard == [(PASSWORD.encode(), True)]


@pytest.mark.parametrize("how", ["STARTTLS", "SSL"])
def test_a_refused_password_alerts_and_loses_nobody(trusted: None, serve: Serve, settings: Settings, how: str) -> None:
    server = serve(how)
    settings.EMAIL_HOST_PASSWORD = "former password"
    [result] = send()
    assert (result.outcome, result.is_alert) == (SendOutcome.RETRY, True)
    assert is_account_trouble(result.error_code), "a few of them stop the channel"
    assert not server.taken


@pytest.mark.parametrize("how", ["STARTTLS", "SSL"])
def test_a_server_that_cannot_prove_who_it_is_hears_no_password(serve: Serve, how: str) -> None:
    server = serve(how)
    [result] = send()
    assert (result.outcome, result.is_alert) == (SendOutcome.RETRY, True)
    assert is_out_of_reach(result.outcome, result.error_code)
    assert (server.taken, server.heard) == ([], [])


def test_a_server_that_does_not_encrypt_hears_no_password(trusted: None, serve: Serve, settings: Settings) -> None:
    server = serve("CLEAR")
    settings.EMAIL_USE_TLS = True
    [result] = send()
    assert (result.outcome, result.is_alert) == (SendOutcome.RETRY, True)
    assert (server.taken, server.heard) == ([], [])


def test_we_are_let_in_nowhere_without_signing_in(trusted: None, serve: Serve, settings: Settings) -> None:
    server = serve("STARTTLS")
    settings.EMAIL_HOST_USER = ""
    [result] = send()
    assert (result.outcome, is_account_trouble(result.error_code)) == (SendOutcome.RETRY, True)
    assert not server.taken
