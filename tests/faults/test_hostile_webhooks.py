"""Hostile requests to everything that answers without a session: no 5xx."""

import base64
import hashlib
import hmac
import random
from collections import Counter
from collections.abc import Callable
from urllib.parse import quote_plus
from uuid import UUID

import pytest
from django.conf import settings
from django.test import Client

from outreach.models import ProviderEvent
from tests.faults.harness import say
from tests.faults.sizes import SEED, size_of
from tests.faults.table import Row, note
from tests.outreach.receipts_world import FORM, INBOUND, status_path

pytestmark = [pytest.mark.fault, pytest.mark.django_db]

BODIES = size_of("webhook_bodies")
PATHS = [INBOUND, status_path(UUID(int=1)), "/operateur/twilio/etat/pas-un-uuid/", "/stop/x/", "/stop/%00/", "/sante/",
         "/operateur/ovh/accuse/", "/operateur/email/postmark/", "/operateur/email/%F0%9F%92%A9/"]  # fmt: skip
TYPES = [FORM, FORM, FORM, FORM, f"{FORM}; charset=utf-16", f"{FORM}; charset=utf-7", f"{FORM}; charset=latin-1",
         f"{FORM}; charset=", f"{FORM};charset=x-user-defined", "application/json", "text/xml", "", "é", "/", ";;;",
         "multipart/form-data; boundary=b", "multipart/form-data", "application/octet-stream", "a" * 500]  # fmt: skip
METHODS = ["POST"] * 12 + ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"]
FIELDS = [
    "MessageSid",
    "MessageStatus",
    "ErrorCode",
    "From",
    "To",
    "Body",
    "SmsStatus",
    "MediaUrl0",
    "NumMedia",
    "é",
    "",
]
TEXTS = ["", "STOP", "delivered", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "🛑" * 50, "é" * 3_000, "\u202e\u200b",
         "' OR 1=1 --", "{{ 7*7 }}", "%s%n%x", "-1", "9" * 400, "\r\nSet-Cookie: x=1", "NaN", "<script>", "a" * 20_000,
         "\ufeff", "\uffff", "İ", "ß" * 90, "\n", "\x7f\x1b[2J", "../../etc/passwd"]  # fmt: skip

Make = Callable[[random.Random], bytes]


def random_bytes(chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice([0, 1, 7, 300, 5_000, 70_000]))


def broken_escapes(chance: random.Random) -> bytes:
    parts = [b"%", b"%f", b"%ff", b"%zz", b"%u0041", b"%00", b"=", b"&", b";", b"+", b"\xc3", b"MessageSid", b"Body"]
    return b"".join(chance.choices(parts, k=chance.randrange(1, 80)))


def doubled_keys(chance: random.Random) -> bytes:
    name = chance.choice(FIELDS[:6]).encode()
    return b"&".join(name + b"=" + str(n).encode() for n in range(chance.choice([2, 30, 1_500])))


def deep_nesting(chance: random.Random) -> bytes:
    depth = chance.choice([10, 2_000, 20_000])
    return chance.choice([b"[" * depth, b'{"a":' * depth, b"a" + b"[b]" * depth + b"=1"])


def another_encoding(chance: random.Random) -> bytes:
    text = f"MessageSid=SM1&Body={chance.choice(['Arrêtez', 'été', 'STOP €'])}"
    return text.encode(chance.choice(["utf-16", "utf-32", "cp1252", "cp500", "utf-7"]), "replace")


def plausible(chance: random.Random) -> bytes:
    names = chance.choices(FIELDS, k=chance.randrange(1, 9))
    pairs = [(name, chance.choice(TEXTS)) for name in [*names, *chance.choice([[], ["MessageSid"]])]]
    return "&".join(f"{quote_plus(name)}={quote_plus(text, errors='surrogatepass')}" for name, text in pairs).encode()


KINDS: list[Make] = [random_bytes, broken_escapes, doubled_keys, deep_nesting, another_encoding, *[plausible] * 5]


def test_no_request_ends_in_a_5xx(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("ERROR")
    chance = random.Random(SEED)
    browser = Client(raise_request_exception=False)
    answers: Counter[int] = Counter()
    signed_well = 0
    for _ in range(BODIES):
        make, path, method = chance.choice(KINDS), chance.choice(PATHS[:2] * 4 + PATHS), chance.choice(METHODS)
        body, kind = make(chance), chance.choice(TYPES)
        is_signed = chance.random() < 0.7
        headers = {"X-Twilio-Signature": signature_of(path, body) if is_signed else noise(chance)}
        answer = browser.generic(method, path, body, content_type=kind, headers=headers)
        answers[answer.status_code] += 1
        signed_well += answer.status_code == 204 and path in PATHS[:2]
        assert answer.status_code < 500, (
            f"{answer.status_code}: {method} {path} {kind[:60]!r} {make.__name__}, seed {SEED}"
        )
    say(capsys, f"{BODIES} hostile requests, answers {dict(sorted(answers.items()))}, seed {SEED}")
    note(Row("requêtes hostiles aux adresses publiques", f"{BODIES} requêtes, aucune réponse 5xx"))
    assert signed_well, "none passed the signature: what lies behind it was not tried"
    assert ProviderEvent.objects.filter(provider="twilio").count() == signed_well
    assert {403, 405, 413, 415} <= answers.keys(), "some kinds of refusal were not met"


def noise(chance: random.Random) -> str:
    return chance.choice(["", "x", "é", "A" * 28, "=" * 5_000, "AAAA\tBBBB", "\x7f"])


def signature_of(path: str, body: bytes) -> str:
    """As an operator that sends such a body would: over the form as it is read."""
    from django.http import QueryDict

    try:
        form = QueryDict(body, encoding="utf-8")
    except Exception:
        return "not a form"
    text = settings.PUBLIC_BASE_URL + path
    for name in sorted(set(form)):
        text += "".join(name + value for value in sorted(set(form.getlist(name))))
    digest = hmac.new(settings.TWILIO_AUTH_TOKEN.encode(), text.encode("utf-8", "replace"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
