"""What a gateway asks of the settings before it may be made."""

from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def refuse_real_address(host: str, setting: str) -> None:
    """Raise ``ImproperlyConfigured`` for a host that is not this machine, unless real sending is allowed."""
    if host not in LOCAL_HOSTS and not settings.ALLOW_REAL_DESTINATIONS:
        raise ImproperlyConfigured(
            f"{setting} désigne « {host or 'rien'} », qui n’est pas cette machine : aucun envoi réel n’est permis ici. "
            "Donnez l’adresse du simulateur (127.0.0.1) ou, en production seulement, ALLOW_REAL_DESTINATIONS=true."
        )


def refuse_missing(means: str, values: Mapping[str, object]) -> None:
    """Raise ``ImproperlyConfigured`` that names each setting without a value. ``means``: what is sent, and by whom."""
    if missing := [setting for setting, value in values.items() if not value]:
        raise ImproperlyConfigured(f"Pour envoyer {means}, il manque : {', '.join(missing)}.")
