"""What the environment says is checked before anything is served or sent: a wrong setting must not be met at night."""

import logging
import re
from collections.abc import Iterator
from datetime import time
from typing import Any

from django.conf import settings
from django.core.checks import WARNING, CheckMessage, Error, register, run_checks
from django.core.exceptions import ImproperlyConfigured

from campaigns.rules.calendar import InvalidHours, parse_hours

logger = logging.getLogger(__name__)

AT_LEAST_ONE = ("CAP_CAMPAIGNS_7_DAYS", "CAP_CONTACTS_30_DAYS", "CAP_CALL_ATTEMPTS_30_DAYS", "CALLS_PER_DAY")
EMAIL_ADDRESS = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
# What an operator cannot do without, once its address is given.
OVH_NEEDS = ("OVH_API_URL", "OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY", "OVH_SERVICE_NAME")
OPERATOR_NEEDS = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "PUBLIC_BASE_URL")


@register
def check_contact_settings(**_: Any) -> list[CheckMessage]:
    """Every problem of hours, caps, night and operator, each with the name of its variable."""
    return [Error(problem, id="aller_vers.E001") for problem in _find_problems()]


@register
def check_signature(**_: Any) -> list[CheckMessage]:
    """Real people read a message signed « Caf » alone as anybody's."""
    if not settings.ALLOW_REAL_DESTINATIONS or settings.CAF_NAME.strip().casefold() not in {"", "caf"}:
        return []
    problem = "CAF_NAME : donner le nom de la Caf, qui signe chaque message. Exemple : CAF_NAME=Caf de la Lozère."
    return [CheckMessage(WARNING, problem, id="aller_vers.W001")]


def refuse_bad_settings() -> None:
    """For processes that Django does not check by itself (site, workers). Raises ``ImproperlyConfigured``; what is
    only poor is logged."""
    errors, others = list[str](), list[str]()
    for message in run_checks():
        (errors if message.is_serious() else others).append(str(message.msg))
    if errors:
        raise ImproperlyConfigured("\n".join(errors))
    for problem in others:
        logger.warning(problem)


def _find_problems() -> Iterator[str]:
    for channel, hours in settings.CONTACT_HOURS.items():
        try:
            parse_hours(hours)
        except InvalidHours as error:
            yield f"{channel}_HOURS : {error}"
    yield from _find_night_problems(settings.NIGHT_STARTS_AT)
    for name in AT_LEAST_ONE:
        if getattr(settings, name) < 1:
            yield f"{name} : au moins 1. Pour ne rien envoyer, arrêter les envois dans les réglages."
    if not 0 < settings.WIDE_SHARE <= 1:
        yield "WIDE_SHARE : la part doit être supérieure à 0, et 1 au plus."
    for name, rate in settings.SEGMENTS_PER_SECOND.items():
        if not rate >= 1:
            yield f"SEGMENTS_PER_SECOND : le débit de « {name} » doit être d’au moins 1 segment par seconde."
    yield from _find_safeguard_problems()
    yield from _find_operator_problems()
    yield from _find_email_problems()


def _find_night_problems(starts_at: str) -> Iterator[str]:
    """It prepares the day on which it begins, within six hours: begun in the evening, it would never be due."""
    try:
        begins = time.fromisoformat(starts_at)
    except ValueError:
        begins = None
    if begins is None or begins.tzinfo:
        yield f"NIGHT_STARTS_AT : « {starts_at} » n’est pas une heure. Écrire par exemple 01:00."
    elif begins >= time(6):
        yield f"NIGHT_STARTS_AT : « {starts_at} » : la nuit prépare le jour où elle commence ; la fixer avant 06:00."


def _find_safeguard_problems() -> Iterator[str]:
    for name in ("SIZE_TOLERANCE", "CANARY_SHARE", "AUTO_PAUSE_FAILURES", "AUTO_PAUSE_STOPS"):
        if not 0 <= getattr(settings, name) <= 1:
            yield f"{name} : la part doit être comprise entre 0 et 1."
    for name in ("CANARY_MINIMUM", "AUTO_PAUSE_SAMPLE", "AUTO_PAUSE_COUNT"):
        if getattr(settings, name) < 1:
            yield f"{name} : au moins 1."
    if settings.CANARY_HOLD_SECONDS < 0:
        yield "CANARY_HOLD_SECONDS : la durée ne peut pas être négative."


def _find_email_problems() -> Iterator[str]:
    if settings.EMAIL_PROVIDER not in {"", "brevo", "mailjet"}:
        yield f"EMAIL_PROVIDER : « {settings.EMAIL_PROVIDER} » est inconnu. Écrire brevo, mailjet ou rien."
    if settings.EMAIL_WEBHOOK_SECRET and ":" not in settings.EMAIL_WEBHOOK_SECRET:
        yield "EMAIL_WEBHOOK_SECRET : écrire nom:motdepasse."
    if settings.EMAIL_BOUNCE_ADDRESS and not EMAIL_ADDRESS.fullmatch(settings.EMAIL_BOUNCE_ADDRESS):
        yield "EMAIL_BOUNCE_ADDRESS : écrire une adresse simple, par exemple rebonds@caf.example."
    if settings.EMAIL_USE_TLS and settings.EMAIL_USE_SSL:
        yield "EMAIL_USE_TLS et EMAIL_USE_SSL s’excluent : le premier pour le port 587, le second pour le 465."


def _find_operator_problems() -> Iterator[str]:
    if settings.SEND_DEADLINE_SECONDS <= 0 or any(delay <= 0 for delay in settings.RETRY_DELAYS_SECONDS):
        yield "SEND_DEADLINE_SECONDS et RETRY_DELAYS_SECONDS : les durées doivent être positives."
    yield from _find_provider_problems()
    if not settings.TWILIO_API_URL:
        return
    missing = [name for name in OPERATOR_NEEDS if not getattr(settings, name)]
    if not (settings.TWILIO_SENDER or settings.TWILIO_MESSAGING_SERVICE_SID):
        missing.append("TWILIO_SENDER ou TWILIO_MESSAGING_SERVICE_SID")
    if missing:
        yield f"TWILIO_API_URL est donnée, il manque : {', '.join(missing)}."
    if settings.TWILIO_MESSAGING_SERVICE_SID and not settings.TWILIO_INBOUND_NUMBERS:
        yield (
            "TWILIO_MESSAGING_SERVICE_SID est donné sans TWILIO_INBOUND_NUMBERS : sans ces numéros, les STOP "
            "seraient cherchés dans tout le compte. Les donner, ou un nom d’expéditeur dans TWILIO_SENDER seul."
        )


def _find_provider_problems() -> Iterator[str]:
    known = ("twilio", "ovh")
    if not settings.SMS_PROVIDERS or set(settings.SMS_PROVIDERS) - set(known):
        yield f"SMS_PROVIDERS : une liste ordonnée parmi {', '.join(known)}. Exemple : SMS_PROVIDERS=twilio,ovh."
    if "ovh" in settings.SMS_PROVIDERS:
        missing = [name for name in OVH_NEEDS if not getattr(settings, name)]
        if missing:
            yield f"SMS_PROVIDERS nomme ovh, il manque : {', '.join(missing)}."
    if settings.OVH_CALLBACK_KEY and len(settings.OVH_CALLBACK_KEY) < 20:
        yield "OVH_CALLBACK_KEY : au moins 20 caractères tirés au hasard, cette clé protège les accusés de réception."
    if strange := [number for number in settings.TWILIO_INBOUND_NUMBERS if not number.startswith("+")]:
        yield f"TWILIO_INBOUND_NUMBERS : {len(strange)} numéro(s) sans « + ». Exemple : +33700000001,+33700000002."
