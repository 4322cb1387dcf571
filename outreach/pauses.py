"""The stop button: nothing leaves while it is pressed."""

import logging
from datetime import datetime

from campaigns.models import User
from outreach.models import Pause

logger = logging.getLogger(__name__)


def pause_sending(*, scope: str, by: User, now: datetime, reason: str) -> None:
    """Stop all sending (``scope`` empty) or one channel. Dispatch reads the row before each claim."""
    _change(scope, by, now, is_paused=True, reason=reason)


def resume_sending(*, scope: str, by: User, now: datetime) -> None:
    """Let a scope send again. What came due meanwhile leaves at the next tick, within its window."""
    _change(scope, by, now, is_paused=False, reason="")


def _change(scope: str, by: User, now: datetime, *, is_paused: bool, reason: str) -> None:
    values = {"is_paused": is_paused, "changed_at": now, "changed_by": by.get_username(), "reason": reason}
    Pause.objects.update_or_create(scope=scope, defaults=values)
    logger.warning("sending scope=%s paused=%s user=%s", scope or "all", is_paused, by.pk)
