"""Which gateway serves a channel. One instance a process: connections are pooled in it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from campaigns.enums import Channel
from outreach.channels.failover import Providers
from outreach.channels.ports import Gateway

logger = logging.getLogger(__name__)


class NoGateway(Exception):
    """No operator sends anything on this channel (calls are made by people)."""


def _make_twilio() -> Gateway:
    from outreach.channels.sms_twilio import TwilioGateway  # its client takes a third of a second to import

    return TwilioGateway.from_settings()


def _make_ovh() -> Gateway:
    from outreach.channels.sms_ovh import OvhGateway

    return OvhGateway.from_settings()


def _make_email() -> Gateway:
    from outreach.channels.email import EmailGateway

    return EmailGateway.from_settings()


SMS_MAKERS: dict[str, Callable[[], Gateway]] = {"twilio": _make_twilio, "ovh": _make_ovh}
_MAKERS: dict[str, Callable[[], list[Gateway]]] = {
    Channel.SMS: lambda: [SMS_MAKERS[name]() for name in settings.SMS_PROVIDERS],
    Channel.EMAIL: lambda: [_make_email()],
}
_providers: dict[str, Providers] = {}
_former: dict[str, Gateway | None] = {}
_lock = Lock()


def gateway_for(channel: str) -> Gateway:
    """The gateway by which new messages of a channel leave now, made on first use. Ask again for each batch.

    Raises ``NoGateway`` for a channel that people serve, ``ImproperlyConfigured`` when settings could reach a real
    operator by mistake.
    """
    return _providers_of(channel).choose()


def gateway_of(channel: str, provider: str) -> Gateway | None:
    """The gateway of the operator that holds, or may hold, an attempt: no other knows anything of it.

    None when nobody can ask it any more: it left the settings, and its access with it.
    """
    held = next((one for one in gateways_of(channel) if one.name == provider), None)
    return held or _former_gateway(provider) if channel == Channel.SMS else held


def gateways_of(channel: str) -> list[Gateway]:
    """All those of a channel, in order: each may have received something."""
    return _providers_of(channel).all()


def is_any_ready(channel: str) -> bool:
    """Whether one of its operators answers and could take a message now. Nothing is sent by asking."""
    return _providers_of(channel).is_any_ready()


@contextmanager
def use_gateway(channel: str, *gateways: Gateway) -> Iterator[Gateway]:
    """Serve a channel by other gateways for a while (tests)."""
    with _lock:
        previous = _providers.get(channel)
        _providers[channel] = Providers(gateways)
    try:
        yield gateways[0]
    finally:
        with _lock:
            del _providers[channel]
            if previous is not None:
                _providers[channel] = previous


def _providers_of(channel: str) -> Providers:
    with _lock:
        if channel not in _providers:
            if channel not in _MAKERS:
                raise NoGateway(f"Le canal « {channel} » n’a pas d’opérateur : ces contacts sont faits par des agents.")
            _providers[channel] = Providers(_MAKERS[channel]())
        return _providers[channel]


def _former_gateway(provider: str) -> Gateway | None:
    """That of an operator which sends nothing new any more but whose access is still in the settings."""
    with _lock:
        if provider not in _former:
            try:
                _former[provider] = SMS_MAKERS[provider]() if provider in SMS_MAKERS else None
            except ImproperlyConfigured:
                _former[provider] = None
                logger.error("operator cannot be asked any more provider=%s", provider)
        return _former[provider]
