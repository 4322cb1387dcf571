"""An operator that calls back: receipts and messages posted to the real views, signed or not."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.test import Client

FORM = "application/x-www-form-urlencoded"
INBOUND = "/operateur/twilio/entrant/"


def status_path(attempt_uuid: UUID) -> str:
    return f"/operateur/twilio/etat/{attempt_uuid}/"


def sign(path: str, form: Mapping[str, str]) -> str:
    """Twilio's signature, from its documentation rather than from its library."""
    text = settings.PUBLIC_BASE_URL + path + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(
        hmac.new(settings.TWILIO_AUTH_TOKEN.encode(), text.encode(), hashlib.sha1).digest()
    ).decode()


def post(browser: Client, path: str, form: Mapping[str, str], *, is_forged: bool = False) -> int:
    signature = sign(path, {**form, "Forged": "yes"} if is_forged else form)
    answer = browser.post(path, urlencode(form), content_type=FORM, headers={"X-Twilio-Signature": signature})
    return int(answer.status_code)


def post_receipt(
    browser: Client, attempt_uuid: UUID, *, reference: str, word: str, code: str = "", is_forged: bool = False
) -> int:
    form = {"MessageSid": reference, "MessageStatus": word, "To": "+33639980001", "From": "+33600000001"}
    if code:
        form["ErrorCode"] = code
    return post(browser, status_path(attempt_uuid), form, is_forged=is_forged)


def post_message(browser: Client, sender: str, body: str, *, reference: str, is_forged: bool = False) -> int:
    form = {"MessageSid": reference, "From": sender, "Body": body, "SmsStatus": "received", "To": "+33600000001"}
    return post(browser, INBOUND, form, is_forged=is_forged)
