"""What operators and readers of messages call: check, store, answer. Everything else happens later, elsewhere."""

import logging
import re
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe
from twilio.request_validator import RequestValidator

from campaigns.models import read_now
from outreach.channels.opt_out import read_opt_out_token
from outreach.enums import EventKind
from outreach.receipts import store_event
from outreach.replies import opt_out
from outreach.rules.ovh_states import read_state
from outreach.trials import is_trial

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024  # an SMS holds 1,600 characters
FORM = "application/x-www-form-urlencoded"
PROVIDER = "twilio"
OVH = "ovh"
OVH_SAYS = ("id", "ptt", "date", "description", "descriptionDlr")
OVH_NUMBER = re.compile(r"[0-9]{1,18}")


class Refused(Exception):
    """The request is answered by this 4xx."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status

    def response(self) -> HttpResponse:
        return HttpResponse(str(self), status=self.status, content_type="text/plain; charset=utf-8")


@csrf_exempt
@require_POST
def twilio_status(request: HttpRequest, attempt_uuid: UUID) -> HttpResponse:
    """A receipt. The attempt travels in the address; the signature covers the address."""
    try:
        form = _signed_form(request)
    except Refused as refused:
        return refused.response()
    store_event(
        provider=PROVIDER,
        kind=EventKind.STATUS,
        attempt_uuid=attempt_uuid,
        provider_ref=form.get("MessageSid", ""),
        status=form.get("MessageStatus", ""),
        error_code=form.get("ErrorCode", ""),
        payload={name: str(form[name]) for name in form},
    )
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


@csrf_exempt
@require_POST
def twilio_inbound(request: HttpRequest) -> HttpResponse:
    """A person wrote."""
    try:
        form = _signed_form(request)
    except Refused as refused:
        return refused.response()
    store_event(
        provider=PROVIDER,
        kind=EventKind.INBOUND,
        provider_ref=form.get("MessageSid", ""),
        status=form.get("SmsStatus", ""),
        # Pictures are not ours to keep: neither they nor their addresses, which anybody could open.
        payload={name: str(form[name]) for name in form if not name.startswith("Media")},
    )
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


@never_cache
@require_GET
def ovh_status(request: HttpRequest) -> HttpResponse:
    """A receipt of OVHcloud's, which signs nothing: the address that we gave it carries a key. What people write is
    asked for instead (``polling``).
    """
    said = request.GET
    if not _holds_ovh_key(said.get("cle", "")):
        logger.warning("webhook refused: bad key")
        return Refused(HTTPStatus.FORBIDDEN, "Clé absente ou invalide.").response()
    if not all(OVH_NUMBER.fullmatch(said.get(name, "")) for name in ("id", "ptt")):
        return Refused(HTTPStatus.BAD_REQUEST, "Un identifiant et un état sont attendus.").response()
    receipt = said.get("description", "")
    word, code = read_state(ptt=int(said["ptt"]), receipt=int(receipt) if OVH_NUMBER.fullmatch(receipt) else None)
    store_event(
        provider=OVH,
        kind=EventKind.STATUS,
        provider_ref=said["id"],
        status=word,
        error_code=code,
        payload={name: said.get(name, "")[:200].replace("\x00", "") for name in OVH_SAYS},
        now=read_now(),
    )
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


@csrf_exempt  # the signed token is the proof, and mail programs send none (RFC 8058)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def opt_out_page(request: HttpRequest, token: str) -> HttpResponse:
    """Shows a button on GET, which link checkers follow too; acts on POST only."""
    attempt_uuid = read_opt_out_token(token)
    if attempt_uuid is None:
        return _opt_out(request, "unknown", HTTPStatus.NOT_FOUND)
    if request.method != "POST":
        return _opt_out(request, "ask")
    try:
        is_one_click = _form(request).get("List-Unsubscribe") == "One-Click"
    except Refused as refused:
        return refused.response()
    if is_trial(attempt_uuid):
        return _opt_out(request, "trial")
    if not opt_out(attempt_uuid=attempt_uuid, is_one_click=is_one_click, now=read_now()):
        return _opt_out(request, "unknown", HTTPStatus.NOT_FOUND)
    return _opt_out(request, "done")


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Whether this process answers and reaches its database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("base de données injoignable", status=503, content_type="text/plain; charset=utf-8")
    return HttpResponse("ok", content_type="text/plain; charset=utf-8")


def _opt_out(request: HttpRequest, state: str, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    return render(request, "outreach/opt_out.html", {"state": state, "caf_name": settings.CAF_NAME}, status=status)


def _signed_form(request: HttpRequest) -> QueryDict:
    """The form, once its signature is verified over all of it with the current token, or the previous one."""
    form = _form(request)
    if not _is_signed(request, form):
        logger.warning("webhook refused: bad signature")
        raise Refused(HTTPStatus.FORBIDDEN, "Signature absente ou invalide.")
    if any("\x00" in name + value for name, values in form.lists() for value in values):
        raise Refused(HTTPStatus.BAD_REQUEST, "Caractère nul refusé.")
    if not form.get("MessageSid"):
        raise Refused(HTTPStatus.BAD_REQUEST, "MessageSid manque.")
    return form


def _is_signed(request: HttpRequest, form: QueryDict) -> bool:
    # The public address comes from settings: what a proxy says of itself could be forged.
    url = settings.PUBLIC_BASE_URL.rstrip("/") + request.get_full_path()
    signature = request.headers.get("X-Twilio-Signature", "")
    tokens = [token for token in (settings.TWILIO_AUTH_TOKEN, settings.TWILIO_AUTH_TOKEN_PREVIOUS) if token]
    return bool(signature) and any(RequestValidator(token).validate(url, form, signature) for token in tokens)


def _holds_ovh_key(key: str) -> bool:
    return bool(settings.OVH_CALLBACK_KEY) and constant_time_compare(key, settings.OVH_CALLBACK_KEY)


def _form(request: HttpRequest) -> QueryDict:
    """The form of a hostile request, or the 4xx it deserves: nothing here may end in a 5xx."""
    if request.content_type != FORM or (request.encoding or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Un formulaire en UTF-8 est attendu.")
    length = request.headers.get("Content-Length", "0")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Corps trop long.")
    try:
        return request.POST
    except OSError:  # cut while it was being read
        raise Refused(HTTPStatus.BAD_REQUEST, "Corps illisible.") from None
