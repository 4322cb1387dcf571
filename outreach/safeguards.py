"""What stops a campaign that fails or that people refuse, and lets a wave go on after its first contacts."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from campaigns.lifecycle import MoveRefused, pause_campaign
from campaigns.models import Campaign
from campaigns.rules.keyed_hash import hash_pads
from outreach import canary_sql, safeguards_sql
from outreach.canaries import mark_first
from outreach.rules.operator_codes import CODES, Action
from outreach.rules.safeguards import CanaryState, Limits, Tally, pause_reason

logger = logging.getLogger(__name__)

WATCHED = 50_000  # last attempts that are looked at: their cost is the same whatever the size of a campaign
LOCK = 4_203


def watch_campaigns(*, now: datetime) -> int:
    """Pause the campaigns that go wrong, then let go on the waves whose first contacts went well; returns the pauses.

    In that order and by the same worker: a wave never goes on unjudged. One watcher at a time.
    """
    with transaction.atomic():
        if not _rows("SELECT pg_try_advisory_xact_lock(%(lock)s)", lock=LOCK)[0][0]:
            return 0
        paused = sum(_pause(campaign_id, reason, now) for campaign_id, reason in _judge())
        _release_waves(now)
    return paused


def _judge() -> Iterable[tuple[int, str]]:
    filtered = [code for code, meaning in CODES.items() if meaning.action == Action.PAUSE_CAMPAIGN]
    limits = Limits(
        failures=settings.AUTO_PAUSE_FAILURES,
        stops=settings.AUTO_PAUSE_STOPS,
        sample=settings.AUTO_PAUSE_SAMPLE,
        count=settings.AUTO_PAUSE_COUNT,
    )
    for campaign_id, *figures in _rows(safeguards_sql.TALLY, watched=WATCHED, filtered=filtered):
        if reason := pause_reason(Tally(*figures), limits):
            yield campaign_id, reason


def _pause(campaign_id: int, reason: str, now: datetime) -> bool:
    try:
        pause_campaign(campaign=Campaign(pk=campaign_id), by=None, now=now, reason=reason)
    except MoveRefused:  # somebody was quicker
        return False
    logger.error("campaign paused campaign=%s by its figures", campaign_id)
    return True


def _release_waves(now: datetime) -> None:
    hold = timedelta(seconds=settings.CANARY_HOLD_SECONDS)
    ready = []
    for audience_id, *figures in _rows(canary_sql.READ_HELD, **hash_pads(settings.DESTINATION_HASH_KEY)):
        state = CanaryState(*figures)
        if state.missing:
            mark_first(audience_id=audience_id, size=state.missing)
        elif state.may_release(now=now, hold=hold):
            ready.append(audience_id)
    if ready:
        _rows(canary_sql.RELEASE, audiences=ready, now=now)
        logger.info("waves go on audiences=%s", ready)


def _rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
