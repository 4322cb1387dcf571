from uuid import UUID, uuid4

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings
from twilio.request_validator import RequestValidator

from campaigns.enums import Channel, OppositionSource
from campaigns.models import Opposition
from outreach.channels.opt_out import opt_out_url
from outreach.enums import EventKind, Suppression, TouchStatus
from outreach.models import Attempt, ProviderEvent, Touch
from outreach.simulator.postman import sign
from tests.outreach.sent import make_sent
from tests.outreach.waves import make_wave

FORM = "application/x-www-form-urlencoded"
INBOUND = "/operateur/twilio/entrant/"
TOKEN = "tests-token"


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


def status_path(attempt_uuid: UUID) -> str:
    return f"/operateur/twilio/etat/{attempt_uuid}/"


def post_signed(browser: Client, path: str, form: dict[str, str], *, token: str = TOKEN):  # type: ignore[no-untyped-def]
    from urllib.parse import urlencode

    signature = sign(token, f"http://testserver{path}", form)
    return browser.post(path, urlencode(form), content_type=FORM, headers={"X-Twilio-Signature": signature})


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"MessageSid": "SM1", "MessageStatus": "delivered"},
        {"Body": "Arrêtez ’ 🙂 & = +", "From": "+33639980001", "zeta": "", "Alpha": "a b"},
    ],
)
def test_the_simulator_signs_as_twilio_verifies(form: dict[str, str]) -> None:
    url = "https://caf.example/operateur/twilio/entrant/?a=1"
    assert RequestValidator(TOKEN).validate(url, form, sign(TOKEN, url, form))
    assert not RequestValidator(TOKEN).validate(url, {**form, "x": "y"}, sign(TOKEN, url, form))
    assert sign(TOKEN, url, form) == RequestValidator(TOKEN).compute_signature(url, form)


@pytest.mark.django_db
class TestTwilio:
    def test_a_receipt_is_stored_raw(self, browser: Client) -> None:
        attempt = uuid4()
        form = {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005", "To": "+33639980001"}
        assert post_signed(browser, status_path(attempt), form).status_code == 204
        event = ProviderEvent.objects.get()
        assert (event.kind, event.attempt_uuid, event.provider_ref) == (EventKind.STATUS, attempt, "SM1")
        assert (event.status, event.error_code, event.payload) == ("undelivered", "30005", form)
        assert event.applied_at is None

    def test_a_message_is_stored_raw(self, browser: Client) -> None:
        form = {"MessageSid": "SM2", "From": "+33639980001", "Body": "Arrêtez 🙂", "SmsStatus": "received"}
        assert post_signed(browser, INBOUND, form).status_code == 204
        assert ProviderEvent.objects.get().payload == form

    @pytest.mark.parametrize("signature", [None, "", "x", "é", "A" * 28])
    def test_a_bad_signature_is_refused(self, browser: Client, signature: str | None) -> None:
        headers = {} if signature is None else {"X-Twilio-Signature": signature}
        answer = browser.post(INBOUND, "MessageSid=SM1", content_type=FORM, headers=headers)
        assert answer.status_code == 403
        assert "Signature" in answer.content.decode()
        assert not ProviderEvent.objects.exists()

    def test_the_signature_covers_every_parameter_and_the_address(self, browser: Client) -> None:
        signature = sign(TOKEN, f"http://testserver{INBOUND}", {"MessageSid": "SM1"})
        for path, body in (
            (INBOUND, "MessageSid=SM1&Body=STOP"),
            (INBOUND, "MessageSid=SM1&MessageSid=SM2"),
            (f"{INBOUND}?x=1", "MessageSid=SM1"),
            (status_path(UUID(int=2)), "MessageSid=SM1"),
        ):
            answer = browser.post(path, body, content_type=FORM, headers={"X-Twilio-Signature": signature})
            assert answer.status_code == 403

    def test_the_public_address_is_the_one_of_settings(self, browser: Client, settings: Settings) -> None:
        settings.PUBLIC_BASE_URL = "https://caf.example/"
        signature = sign(TOKEN, f"https://caf.example{INBOUND}", {"MessageSid": "SM1"})
        headers = {"X-Twilio-Signature": signature, "Host": "elsewhere"}
        assert browser.post(INBOUND, "MessageSid=SM1", content_type=FORM, headers=headers).status_code == 204

    def test_two_tokens_during_a_rotation(self, browser: Client, settings: Settings) -> None:
        settings.TWILIO_AUTH_TOKEN, settings.TWILIO_AUTH_TOKEN_PREVIOUS = "new", TOKEN
        form = {"MessageSid": "SM1"}
        assert post_signed(browser, INBOUND, form, token="new").status_code == 204
        assert post_signed(browser, INBOUND, form, token=TOKEN).status_code == 204
        settings.TWILIO_AUTH_TOKEN_PREVIOUS = ""
        assert post_signed(browser, INBOUND, form, token=TOKEN).status_code == 403
        settings.TWILIO_AUTH_TOKEN = ""
        assert post_signed(browser, INBOUND, form, token="").status_code == 403

    @pytest.mark.parametrize("form", [{"MessageSid": "SM1", "Body": "a\x00b"}, {"Body": "sans référence"}])
    def test_signed_but_unusable(self, browser: Client, form: dict[str, str]) -> None:
        assert post_signed(browser, INBOUND, form).status_code == 400

    def test_overlong_fields_are_kept(self, browser: Client) -> None:
        form = {"MessageSid": "S" * 300, "MessageStatus": "s" * 300, "ErrorCode": "9" * 300}
        assert post_signed(browser, status_path(uuid4()), form).status_code == 204
        assert ProviderEvent.objects.get().payload["ErrorCode"] == "9" * 300

    @pytest.mark.parametrize(
        ("content_type", "body", "status"),
        [
            ("application/json", b"{}", 415),
            ("multipart/form-data; boundary=x", b"--x--", 415),
            ("text/plain", b"x", 415),
            ("", b"x", 415),
            (f"{FORM}; charset=utf-16", b"\xff\xfea", 415),
            (f"{FORM}; charset=rot13", b"a=b", 415),
            (f"{FORM}; charset=nothing-known", b"a=b", 403),
            (FORM, b"a=%ff%fe&b=\xff\xfe", 403),
            (FORM, b"\x00\x00=\x00", 403),
            (FORM, b"a" * 70_000, 413),
            (FORM, b"&".join(b"a=1" for _ in range(1500)), 400),
        ],
    )
    def test_hostile_bodies(self, browser: Client, content_type: str, body: bytes, status: int) -> None:
        answer = browser.generic("POST", INBOUND, body, content_type=content_type)
        assert answer.status_code == status
        assert not ProviderEvent.objects.exists()

    @hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(body=st.binary(max_size=300), signature=st.text(max_size=40), kind=st.sampled_from([FORM, "a/b", "; ="]))
    def test_no_body_ends_in_a_5xx(self, browser: Client, body: bytes, signature: str, kind: str) -> None:
        printable = signature.encode("ascii", "ignore").decode().replace("\r", "").replace("\n", "")
        headers = {"X-Twilio-Signature": printable}
        answer = browser.generic("POST", INBOUND, body, content_type=kind, headers=headers)
        assert 400 <= answer.status_code < 500

    @pytest.mark.parametrize("path", [INBOUND, status_path(UUID(int=1))])
    def test_only_post(self, browser: Client, path: str) -> None:
        assert browser.get(path).status_code == 405

    def test_not_an_attempt(self, browser: Client) -> None:
        assert browser.post("/operateur/twilio/etat/not-a-uuid/").status_code in {403, 404}


@pytest.mark.django_db
class TestOptOut:
    def path_of(self, attempt: Attempt) -> str:
        return opt_out_url(attempt.uuid).removeprefix("http://testserver")

    def test_looking_changes_nothing(self, browser: Client) -> None:
        attempt = make_sent()
        answer = browser.get(self.path_of(attempt))
        assert answer.status_code == 200
        assert "Ne plus me contacter" in answer.content.decode()
        assert "script-src" in answer.headers["Content-Security-Policy"]
        assert attempt.touch.destination not in answer.content.decode()
        assert not Opposition.objects.exists()

    def test_the_button_refuses_everything(self, browser: Client) -> None:
        attempt = make_sent()
        pending = Touch.objects.get(audience=make_wave(people=[attempt.touch.allocataire]))
        answer = browser.post(self.path_of(attempt), content_type=FORM)
        assert "C’est noté" in answer.content.decode()
        opposition = Opposition.objects.get()
        assert (opposition.allocataire_id, opposition.channel) == (attempt.touch.allocataire_id, "")
        assert opposition.source == OppositionSource.LINK
        pending.refresh_from_db()
        assert (pending.status, pending.reason) == (TouchStatus.SUPPRESSED, Suppression.OPPOSED)

    def test_one_click_of_a_mail_program(self, browser: Client) -> None:
        attempt = make_sent()
        answer = browser.post(self.path_of(attempt), "List-Unsubscribe=One-Click", content_type=FORM)
        assert answer.status_code == 200
        opposition = Opposition.objects.get()
        assert (opposition.channel, opposition.source) == (Channel.EMAIL, OppositionSource.EMAIL)

    def test_twice_is_once(self, browser: Client) -> None:
        path = self.path_of(make_sent())
        assert browser.post(path, content_type=FORM).status_code == 200
        assert browser.post(path, content_type=FORM).status_code == 200
        assert Opposition.objects.count() == 1

    @pytest.mark.parametrize("token", ["x", "a:b", str(UUID(int=1)), "%00", "é" * 10])
    def test_unknown_links(self, browser: Client, token: str) -> None:
        for answer in (browser.get(f"/stop/{token}/"), browser.post(f"/stop/{token}/", content_type=FORM)):
            assert answer.status_code == 404
            assert "pas reconnu" in answer.content.decode()

    def test_a_message_that_retention_removed(self, browser: Client) -> None:
        path = opt_out_url(uuid4()).removeprefix("http://testserver")
        assert browser.post(path, content_type=FORM).status_code == 404


@pytest.mark.django_db
def test_health(browser: Client) -> None:
    answer = browser.get("/sante/")
    assert (answer.status_code, answer.content) == (200, b"ok")


@pytest.mark.django_db
class TestOvh:
    PATH = "/operateur/ovh/accuse/"
    KEY = "tests-key-of-the-receipts"

    @pytest.fixture(autouse=True)
    def key(self, settings: Settings) -> None:
        settings.OVH_CALLBACK_KEY = self.KEY

    def test_a_receipt_is_stored_in_our_words(self, browser: Client) -> None:
        said = {"id": "12345", "ptt": "24", "date": "20260303103000", "description": "2", "descriptionDlr": "Failed"}
        assert browser.get(self.PATH, {"cle": self.KEY, **said}).status_code == 204
        event = ProviderEvent.objects.get()
        assert (event.provider, event.provider_ref, event.kind) == ("ovh", "12345", EventKind.STATUS)
        assert (event.status, event.error_code, event.payload) == ("undelivered", "OVH-24", said)

    @pytest.mark.parametrize("key", ["", "x", KEY[:-1], KEY + "x", "é"])
    def test_without_its_key_it_is_refused(self, browser: Client, key: str) -> None:
        assert browser.get(self.PATH, {"cle": key, "id": "1", "ptt": "4"}).status_code == 403
        assert not ProviderEvent.objects.exists()

    def test_no_key_in_the_settings_opens_nothing(self, browser: Client, settings: Settings) -> None:
        settings.OVH_CALLBACK_KEY = ""
        assert browser.get(self.PATH, {"cle": "", "id": "1", "ptt": "4"}).status_code == 403

    @given(st.dictionaries(st.sampled_from(["id", "ptt", "date", "description", "descriptionDlr"]), st.text()))
    @hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_hostile_queries_are_never_a_5xx(self, browser: Client, said: dict[str, str]) -> None:
        said = {name: value.encode("utf-8", "replace").decode() for name, value in said.items()}
        assert browser.get(self.PATH, {**said, "cle": self.KEY}).status_code in {204, 400}


@pytest.mark.django_db
def test_pictures_are_not_kept(browser: Client) -> None:
    form = {"MessageSid": "MM1", "From": "+33639980001", "Body": "", "NumMedia": "1"}
    media = {"MediaUrl0": "https://api.twilio.com/secret", "MediaContentType0": "image/jpeg"}
    assert post_signed(browser, INBOUND, {**form, **media}).status_code == 204
    assert ProviderEvent.objects.get().payload == form
