"""What e-mail providers call: check, store, answer. Apart from ``webhooks``, whose operators sign forms."""

import logging
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from campaigns.models import read_now
from outreach.bounce_reports import store_email_events
from outreach.channels.email_events import UnreadableEvent, UntrustedEvent, read_email_events

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024  # Mailjet groups its events


@csrf_exempt
@require_http_methods(["HEAD", "POST"])
def email_events(request: HttpRequest, provider: str) -> HttpResponse:
    """Deliveries, failures, complaints and refusals, as the provider of our e-mails tells them."""
    if request.method == "HEAD":  # some check an address that way before they use it
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    length = request.headers.get("Content-Length", "0")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        return _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Corps trop long.")
    try:
        events = read_email_events(request, provider)
    except UntrustedEvent:
        logger.warning("webhook refused: bad password")
        return _refuse(HTTPStatus.FORBIDDEN, "Nom ou mot de passe absent ou invalide.")
    except UnreadableEvent:
        return _refuse(HTTPStatus.BAD_REQUEST, "Corps illisible.")
    store_email_events(provider=provider, events=events, now=read_now())
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _refuse(status: HTTPStatus, text: str) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
