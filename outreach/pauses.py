"""The stop button: nothing leaves while it is pressed."""

import logging
from datetime import datetime

from campaigns.models import User
from outreach.models import Pause, ProviderPace

logger = logging.getLogger(__name__)

REFUSED = (
    "Arrêt automatique : l’opérateur refuse notre compte ou notre expéditeur (code {code}). "
    "Corriger les accès avec lui avant de reprendre."
)


def pause_sending(*, scope: str, by: User | None, now: datetime, reason: str) -> None:
    """Stop all sending (``scope`` empty) or one channel. ``by`` is None when dispatch does it."""
    _change(scope, by, now, is_paused=True, reason=reason)


def resume_sending(*, scope: str, by: User, now: datetime) -> None:
    """Let a scope send again, slowly at first. What came due meanwhile leaves at the next tick, within its window."""
    _change(scope, by, now, is_paused=False, reason="")
    ProviderPace.objects.update(rate=0)


def stop_refused_channel(*, channel: str, error_code: str, now: datetime) -> None:
    """The operator refuses us, whatever the message: stop before every contact has lost its tries. Idempotent."""
    if not Pause.objects.filter(scope=channel, is_paused=True).exists():
        pause_sending(scope=channel, by=None, now=now, reason=REFUSED.format(code=error_code))


def _change(scope: str, by: User | None, now: datetime, *, is_paused: bool, reason: str) -> None:
    values = {
        "is_paused": is_paused,
        "changed_at": now,
        "changed_by": by.get_username() if by else "",
        "reason": reason,
    }
    Pause.objects.update_or_create(scope=scope, defaults=values)
    logger.warning("sending scope=%s paused=%s user=%s", scope or "all", is_paused, by and by.pk)
