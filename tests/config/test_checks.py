"""A wrong setting is refused at the start, by its name."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.checks import check_contact_settings, refuse_bad_settings


def test_the_defaults_pass() -> None:
    assert check_contact_settings() == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CONTACT_HOURS", {"SMS": "10h-13h"}, "SMS_HOURS"),
        ("NIGHT_STARTS_AT", "minuit", "NIGHT_STARTS_AT"),
        ("NIGHT_STARTS_AT", "01:00+01:00", "NIGHT_STARTS_AT"),
        ("NIGHT_STARTS_AT", "22:30", "avant 06:00"),
        ("CAP_CONTACTS_30_DAYS", 0, "CAP_CONTACTS_30_DAYS"),
        ("SIZE_TOLERANCE", 10, "SIZE_TOLERANCE"),
        ("CANARY_SHARE", 1.5, "CANARY_SHARE"),
        ("CANARY_MINIMUM", 0, "CANARY_MINIMUM"),
        ("CANARY_HOLD_SECONDS", -1, "CANARY_HOLD_SECONDS"),
        ("AUTO_PAUSE_STOPS", 2, "AUTO_PAUSE_STOPS"),
        ("SEND_DEADLINE_SECONDS", 0, "SEND_DEADLINE_SECONDS"),
        ("SEGMENTS_PER_SECOND", {"sms": 0}, "SEGMENTS_PER_SECOND"),
        ("RETRY_DELAYS_SECONDS", [60, -1], "RETRY_DELAYS_SECONDS"),
        ("TWILIO_AUTH_TOKEN", "", "TWILIO_AUTH_TOKEN"),
        ("EMAIL_PROVIDER", "mailchimp", "EMAIL_PROVIDER"),
        ("EMAIL_WEBHOOK_SECRET", "secret", "EMAIL_WEBHOOK_SECRET"),
        ("EMAIL_BOUNCE_ADDRESS", "rebonds", "EMAIL_BOUNCE_ADDRESS"),
        ("TWILIO_SENDER", "", "TWILIO_MESSAGING_SERVICE_SID"),
        ("TWILIO_MESSAGING_SERVICE_SID", "MG1", "TWILIO_INBOUND_NUMBERS"),
        ("PUBLIC_BASE_URL", "", "PUBLIC_BASE_URL"),
    ],
)
def test_a_wrong_setting_is_named(settings: Any, name: str, value: object, told: str) -> None:
    setattr(settings, name, value)
    (problem,) = check_contact_settings()
    assert told in problem.msg
    with pytest.raises(ImproperlyConfigured, match=told):
        refuse_bad_settings()


def test_a_messaging_service_with_its_numbers_passes(settings: Any) -> None:
    settings.TWILIO_MESSAGING_SERVICE_SID, settings.TWILIO_INBOUND_NUMBERS = "MG1", ["+33700000001"]
    assert check_contact_settings() == []


@pytest.mark.parametrize(
    ("name", "is_real", "warns"),
    [("Caf", True, True), (" ", True, True), ("Caf de la Lozère", True, False), ("Caf", False, False)],
)
def test_messages_to_real_people_are_signed(
    settings: Any, caplog: pytest.LogCaptureFixture, name: str, is_real: bool, warns: bool
) -> None:
    settings.CAF_NAME, settings.ALLOW_REAL_DESTINATIONS = name, is_real
    refuse_bad_settings()
    assert ("CAF_NAME" in caplog.text) is warns


def test_nothing_is_asked_of_an_operator_that_is_not_there(settings: Any) -> None:
    settings.TWILIO_API_URL = settings.TWILIO_AUTH_TOKEN = ""
    assert check_contact_settings() == []
