"""The signatures that Twilio's own libraries test themselves with (python, node, ruby, php, java, go, C#; all MIT) are
accepted by our webhooks' check, each address through our public one; forged ones are not.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.test import RequestFactory
from pytest_django import Settings

from outreach.webhooks import FORM, _is_signed

TOKEN = "12345"
HTTPS, HTTP = "https://mycompany.com", "http://mycompany.com"
PATH = "/myapp.php?foo=1&bar=2"
CALL = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
]
BINDING = "MessagingBinding.Address"
Pairs = Sequence[tuple[str, str]]

VECTORS = {
    "plain": (HTTPS, PATH, CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    "port stripped": ("https://mycompany.com:1234", PATH, CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    "http port kept": ("http://mycompany.com:1234", PATH, CALL, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
    "443 added": (HTTPS, PATH, CALL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
    "80 added": (HTTP, PATH, CALL, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    "credentials": ("https://user:pass@mycompany.com", PATH, CALL, "CukzLTc1tT5dXEDIHm/tKBanW10="),
    "user name": ("https://user@mycompany.com", PATH, CALL, "2YRLlVAflCqxaNicjMpJcSTgzSs="),
    "credentials, 443 added": ("https://user:pass@mycompany.com", PATH, CALL, "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="),
    "special characters": (HTTPS, f"{PATH}&Body=It's+amazing", CALL, "dsq4Ehbj6cs+KdTkpF5sSSplOWw="),
    "array": (HTTPS, PATH, [(BINDING, "+1325xxxxxxx"), (BINDING, "+1415xxxxxxx")], "83O6e2vORAoJHUNzJjDWN1jz+BA="),
    "array, other order": (
        HTTPS,
        PATH,
        [(BINDING, "+1415xxxxxxx"), (BINDING, "+1325xxxxxxx")],
        "83O6e2vORAoJHUNzJjDWN1jz+BA=",
    ),
    "duplicates": (
        HTTPS,
        PATH,
        [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")],
        "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
    ),
}


@pytest.fixture(autouse=True)
def tokens(settings: Settings) -> Settings:
    settings.TWILIO_AUTH_TOKEN, settings.TWILIO_AUTH_TOKEN_PREVIOUS = TOKEN, ""
    return settings


def is_signed(settings: Settings, base: str, path: str, pairs: Pairs, signature: str) -> bool:
    settings.PUBLIC_BASE_URL = base
    body = urlencode(pairs)
    request = RequestFactory().post(path, body, content_type=FORM, headers={"X-Twilio-Signature": signature})
    return _is_signed(request, QueryDict(body))


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_are_accepted(settings: Settings, name: str) -> None:
    assert is_signed(settings, *VECTORS[name])


@pytest.mark.parametrize("name", VECTORS)
def test_anything_changed_is_refused(settings: Settings, name: str) -> None:
    base, path, pairs, signature = VECTORS[name]
    assert not is_signed(settings, base, f"{path}&x=1", pairs, signature)
    assert not is_signed(settings, base, path, [*pairs, ("x", "1")], signature)
    assert not is_signed(settings, base, path, [*pairs[:-1], (pairs[-1][0], "other")], signature)
    assert not is_signed(settings, base, path, pairs[1:], signature)
    assert not is_signed(settings, "https://other.example", path, pairs, signature)
    for forged in ("", "NOT" + signature, signature[:-1], signature.lower(), "é" * 28, "\u0130"):
        assert not is_signed(settings, base, path, pairs, forged)
    settings.TWILIO_AUTH_TOKEN = "54321"
    assert not is_signed(settings, base, path, pairs, signature)


def test_both_tokens_are_accepted_during_a_rotation(settings: Settings) -> None:
    settings.TWILIO_AUTH_TOKEN, settings.TWILIO_AUTH_TOKEN_PREVIOUS = "new", TOKEN
    assert is_signed(settings, *VECTORS["plain"])
    settings.TWILIO_AUTH_TOKEN_PREVIOUS = ""
    assert not is_signed(settings, *VECTORS["plain"])


def test_no_token_signs_nothing(settings: Settings) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    assert not is_signed(settings, *VECTORS["plain"])
