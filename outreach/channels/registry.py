"""Which gateway serves a channel. One instance a process: connections are pooled in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from campaigns.enums import Channel
from outreach.channels.ports import Gateway


class NoGateway(Exception):
    """No operator sends anything on this channel (calls are made by people)."""


def _make_sms() -> Gateway:
    from outreach.channels.sms_twilio import TwilioGateway  # its client takes a third of a second to import

    return TwilioGateway.from_settings()


def _make_email() -> Gateway:
    from outreach.channels.email import EmailGateway

    return EmailGateway.from_settings()


_MAKERS: dict[str, Callable[[], Gateway]] = {Channel.SMS: _make_sms, Channel.EMAIL: _make_email}
_gateways: dict[str, Gateway] = {}
_lock = Lock()


def gateway_for(channel: str) -> Gateway:
    """The gateway of a channel, made on first use.

    Raises ``NoGateway`` for a channel that people serve, ``ImproperlyConfigured`` when settings could reach a real
    operator by mistake.
    """
    with _lock:
        if channel not in _gateways:
            if channel not in _MAKERS:
                raise NoGateway(f"Le canal « {channel} » n’a pas d’opérateur : ces contacts sont faits par des agents.")
            _gateways[channel] = _MAKERS[channel]()
        return _gateways[channel]


@contextmanager
def use_gateway(channel: str, gateway: Gateway) -> Iterator[Gateway]:
    """Serve a channel by another gateway for a while (tests)."""
    with _lock:
        previous = _gateways.get(channel)
        _gateways[channel] = gateway
    try:
        yield gateway
    finally:
        with _lock:
            del _gateways[channel]
            if previous is not None:
                _gateways[channel] = previous
