"""What comes back about e-mails: the webhook of a provider, the mailbox of mail servers, and what they change."""

import json
import mailbox
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from campaigns.enums import BadDestinationReason, Channel, OppositionSource
from campaigns.models import BadDestination, Opposition
from outreach.bounce_reports import import_bounces, read_bounce_mailbox
from outreach.enums import AttemptStatus, TouchStatus
from outreach.models import Attempt, ProviderEvent, Touch
from outreach.receipts import apply_receipts
from tests.factories import make_allocataire
from tests.outreach.reports import automatic_reply_of, complaint_of, failure_of
from tests.outreach.sent import NOW, make_sent

BREVO = "/operateur/email/brevo/"
MAILJET = "/operateur/email/mailjet/"
SECRET = "brevo:a-long-password"


@pytest.fixture
def browser(settings: Settings) -> Client:
    settings.EMAIL_PROVIDER, settings.EMAIL_WEBHOOK_SECRET = "brevo", SECRET
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


def make_emailed(*, status: str = AttemptStatus.SUBMITTED, email: str = "zoe@example.org") -> Attempt:
    """One e-mail that the mail server took."""
    attempt = make_sent(status=status, provider_ref=f"<{uuid4()}@caf.invalid>", people=[make_allocataire(email=email)])
    Attempt.objects.filter(pk=attempt.pk).update(provider="smtp")
    Touch.objects.filter(pk=attempt.touch_id).update(channel=Channel.EMAIL, destination=email)
    return attempt


def post(browser: Client, path: str, body: Any, *, secret: str = SECRET) -> int:
    headers = {"Authorization": f"Basic {b64encode(secret.encode()).decode()}"} if secret else {}
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return int(browser.post(path, content, content_type="application/json", headers=headers).status_code)


def brevo(event: str, attempt_uuid: UUID, **values: Any) -> dict[str, Any]:
    mark = json.dumps({"attempt": str(attempt_uuid)})
    return {"event": event, "email": "zoe@example.org", "X-Mailin-custom": mark, "message-id": "<x@brevo>", **values}


def status_of_touch(attempt: Attempt) -> str:
    return str(Touch.objects.values_list("status", flat=True).get(pk=attempt.touch_id))


def reasons() -> list[tuple[str, str]]:
    return list(BadDestination.objects.values_list("channel", "reason"))


@pytest.mark.django_db
class TestProvider:
    @pytest.mark.parametrize(
        ("event", "values", "status", "reason"),
        [
            ("delivered", {}, TouchStatus.DELIVERED, None),
            ("request", {}, TouchStatus.SUBMITTED, None),
            ("deferred", {}, TouchStatus.SENT, None),
            ("hard_bounce", {}, TouchStatus.UNDELIVERED, BadDestinationReason.NO_MAILBOX),
            ("hard_bounce", {"reason": "550 5.7.1 blocked"}, TouchStatus.UNDELIVERED, None),
            ("invalid_email", {}, TouchStatus.UNDELIVERED, BadDestinationReason.NO_MAILBOX),
            ("soft_bounce", {"reason": "452 4.2.2 full"}, TouchStatus.UNDELIVERED, None),
            ("spam", {}, TouchStatus.DELIVERED, BadDestinationReason.COMPLAINT),
        ],
    )
    def test_what_an_event_does(
        self, browser: Client, event: str, values: dict[str, str], status: str, reason: str | None
    ) -> None:
        attempt = make_emailed()
        assert post(browser, BREVO, brevo(event, attempt.uuid, **values)) == 204
        assert apply_receipts(now=NOW) == 1
        assert status_of_touch(attempt) == status
        assert reasons() == ([(Channel.EMAIL, reason)] if reason else [])
        assert not ProviderEvent.objects.exclude(problem="").exists()
        assert not Opposition.objects.exists()

    def test_a_refusal_at_the_provider_is_an_opposition_to_e_mails(self, browser: Client) -> None:
        attempt = make_emailed()
        post(browser, BREVO, brevo("unsubscribe", attempt.uuid))
        apply_receipts(now=NOW)
        [opposition] = Opposition.objects.all()
        assert (opposition.channel, opposition.source) == (Channel.EMAIL, OppositionSource.OPERATOR)

    def test_a_failure_after_the_delivery_still_speaks_against_the_address(self, browser: Client) -> None:
        attempt = make_emailed()
        post(browser, BREVO, brevo("delivered", attempt.uuid))
        apply_receipts(now=NOW)
        post(browser, BREVO, brevo("hard_bounce", attempt.uuid))
        apply_receipts(now=NOW)
        assert status_of_touch(attempt) == TouchStatus.DELIVERED
        assert reasons() == [(Channel.EMAIL, BadDestinationReason.NO_MAILBOX)]

    def test_mailjet_groups_its_events(self, browser: Client, settings: Settings) -> None:
        settings.EMAIL_PROVIDER = "mailjet"
        attempt = make_emailed()
        mark = json.dumps({"attempt": str(attempt.uuid)})
        events = [
            {"event": "sent", "time": 1, "MessageID": 1, "Payload": mark},
            {
                "event": "bounce",
                "time": 2,
                "MessageID": 1,
                "Payload": mark,
                "hard_bounce": True,
                "error": "user unknown",
            },
        ]
        assert post(browser, MAILJET, events) == 204
        assert ProviderEvent.objects.count() == 2
        apply_receipts(now=NOW)
        assert reasons() == [(Channel.EMAIL, BadDestinationReason.NO_MAILBOX)]

    @pytest.mark.parametrize("secret", ["", "brevo:wrong", "é:ü", ":"])
    def test_who_has_not_the_password_is_refused(self, browser: Client, secret: str) -> None:
        assert post(browser, BREVO, brevo("delivered", uuid4()), secret=secret) == 403
        assert not ProviderEvent.objects.exists()

    def test_the_former_password_holds_during_a_rotation(self, browser: Client, settings: Settings) -> None:
        settings.EMAIL_WEBHOOK_SECRET, settings.EMAIL_WEBHOOK_SECRET_PREVIOUS = "brevo:new-password", SECRET
        assert post(browser, BREVO, brevo("delivered", uuid4())) == 204

    @pytest.mark.parametrize(("name", "value"), [("EMAIL_WEBHOOK_SECRET", ""), ("EMAIL_PROVIDER", "mailjet")])
    def test_closed_unless_agreed(self, browser: Client, settings: Settings, name: str, value: str) -> None:
        setattr(settings, name, value)
        assert post(browser, BREVO, brevo("delivered", uuid4())) == 403

    def test_a_check_of_the_address(self, browser: Client) -> None:
        assert browser.head(BREVO).status_code == 204
        assert browser.get(BREVO).status_code == 405

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"[]", b"{}", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"event": []}', b'{"items": 1}', b"NaN",
            b'{"event":"\\ud800","reason":"\\u0000"}', b'{"event":"delivered","ts_epoch":1e400}',
            b'{"event":"hard_bounce","X-Mailin-custom":"[1]","message-id":{"a":1},"reason":9}',
            b'{"event":"delivered","ts_epoch":' + b"9" * 5_000 + b"}",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("provider", ["brevo", "mailjet"])
    def test_hostile_bodies(self, browser: Client, settings: Settings, provider: str, body: bytes) -> None:
        settings.EMAIL_PROVIDER = provider
        assert post(browser, f"/operateur/email/{provider}/", body) in {204, 400}
        apply_receipts(now=NOW)

    @pytest.mark.parametrize("provider", ["brevo", "mailjet"])
    def test_fuzzed_bodies(self, browser: Client, settings: Settings, provider: str) -> None:
        settings.EMAIL_PROVIDER = provider
        texts = st.text(max_size=20)
        keys = st.one_of(
            st.sampled_from(
                ["event", "email", "reason", "Payload", "X-Mailin-custom", "message-id", "MessageID", "time"]
            ),
            texts,
        )
        words = st.one_of(st.sampled_from(["hard_bounce", "bounce", "spam", "delivered", "sent"]), texts)
        values = st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words),
            lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
            max_leaves=12,
        )

        @hypothesis_settings(
            max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
        )
        @given(values)
        def fuzz(body: Any) -> None:
            assert post(browser, f"/operateur/email/{provider}/", body) in {204, 400}

        fuzz()
        apply_receipts(now=NOW)


def make_maildir(folder: Path, *messages: bytes) -> Path:
    box = mailbox.Maildir(folder / "rebonds")
    for message in messages:
        box.add(message)
    return folder / "rebonds"


def make_mbox(folder: Path, *messages: bytes) -> Path:
    box = mailbox.mbox(folder / "rebonds.mbox")
    for message in messages:
        box.add(message)
    box.close()
    return folder / "rebonds.mbox"


@pytest.mark.django_db
class TestMailbox:
    @pytest.mark.parametrize("make", [make_maildir, make_mbox])
    def test_each_message_is_accounted_for(self, tmp_path: Path, make: Any) -> None:
        attempt = make_emailed()
        failure = failure_of(attempt.uuid)
        path = make(tmp_path, failure, failure, failure_of(uuid4()), automatic_reply_of(attempt.uuid), b"\xff\x00")
        done = import_bounces(path=path, now=NOW)
        assert (done.read, done.stored, done.known, done.foreign, done.others) == (5, 1, 1, 1, 2)
        apply_receipts(now=NOW)
        assert status_of_touch(attempt) == TouchStatus.UNDELIVERED
        assert reasons() == [(Channel.EMAIL, BadDestinationReason.NO_MAILBOX)]

    def test_a_file_read_twice_changes_nothing(self, tmp_path: Path) -> None:
        path = make_mbox(tmp_path, failure_of(make_emailed().uuid))
        import_bounces(path=path, now=NOW)
        apply_receipts(now=NOW)
        again = import_bounces(path=path, now=NOW + timedelta(days=1))
        assert (again.read, again.stored, again.known) == (1, 0, 1)
        assert ProviderEvent.objects.count() == 1

    def test_a_maildir_is_left_as_read(self, tmp_path: Path, settings: Settings) -> None:
        settings.BOUNCE_MAILBOX = str(make_maildir(tmp_path, failure_of(make_emailed().uuid)))
        first = read_bounce_mailbox(now=NOW)
        again = read_bounce_mailbox(now=NOW)
        assert (first and first.stored, again and again.read) == (1, 0)
        [seen] = (Path(settings.BOUNCE_MAILBOX) / "cur").iterdir()
        assert seen.name.endswith(":2,S")

    def test_no_mailbox_no_reading(self) -> None:
        assert read_bounce_mailbox(now=NOW) is None

    def test_the_third_passing_failure_in_a_row(self, tmp_path: Path) -> None:
        attempts = [make_emailed()]
        for number in (2, 3):
            attempts.append(
                Attempt.objects.create(
                    touch=attempts[0].touch, number=number, provider="smtp", provider_ref=f"<{number}>",
                    status=AttemptStatus.SUBMITTED, intent_at=NOW + timedelta(minutes=number),
                )
            )  # fmt: skip
        for day, attempt in enumerate(attempts):
            folder = tmp_path / str(day)
            folder.mkdir()
            full = failure_of(attempt.uuid, status="5.2.2", diagnostic="552 5.2.2 mailbox full")
            import_bounces(path=make_mbox(folder, full), now=NOW)
            assert not reasons()
            apply_receipts(now=NOW + timedelta(days=day))
        assert reasons() == [(Channel.EMAIL, BadDestinationReason.KEEPS_FAILING)]

    def test_complaints_are_no_oppositions(self, tmp_path: Path) -> None:
        attempt = make_emailed()
        import_bounces(path=make_mbox(tmp_path, complaint_of(attempt.uuid)), now=NOW)
        apply_receipts(now=NOW)
        assert status_of_touch(attempt) == TouchStatus.DELIVERED
        assert reasons() == [(Channel.EMAIL, BadDestinationReason.COMPLAINT)]
        assert not Opposition.objects.exists()

    def test_the_command(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("import_bounces", make_mbox(tmp_path, failure_of(make_emailed().uuid)))
        assert "1 messages lus : 1 rapports retenus" in capsys.readouterr().out
        with pytest.raises(CommandError, match="introuvable"):
            call_command("import_bounces", tmp_path / "rien")
        with pytest.raises(CommandError, match="introuvable"):
            call_command("import_bounces", tmp_path)
