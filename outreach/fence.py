"""The fence after a restore: sending stays closed while the database may not know all that was sent. See ADR 13."""

import logging
from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest

from outreach.models import Fence
from outreach.sending_journal import Departure, JournalUnreadable, Line, append_line, read_last_lines

logger = logging.getLogger(__name__)

# A dispatcher commits its intents, then writes its line: of those that the restored database lacks, one is among the
# last lines, as long as no more dispatchers than that run at once.
LAST_LINES = 64

LOST = (
    "La base ne connaît pas les derniers messages partis : une sauvegarde ancienne a sans doute été restaurée. "
    "Lancer « manage.py reopen_sending » avant tout envoi."
)
MISSING = (
    "Le journal des envois a disparu ou n’est plus le bon (SENDING_JOURNAL). Remettre le fichier en place, "
    "ou lancer « manage.py reopen_sending »."
)
UNREADABLE = "Le journal des envois ne peut pas être lu (SENDING_JOURNAL). Lancer « manage.py reopen_sending »."
UNWRITABLE = (
    "Le journal des envois ne peut pas être écrit (SENDING_JOURNAL) : disque plein ou droits. Réparer, "
    "puis lancer « manage.py reopen_sending »."
)

UNKNOWN = """
SELECT count(*) FROM unnest(%(uuids)s::uuid[]) AS written(uuid)
 WHERE NOT EXISTS (SELECT 1 FROM outreach_attempt o WHERE o.uuid = written.uuid)"""


def may_send(*, now: datetime) -> bool:
    """Whether this database knows all that was sent. If not, the fence closes, until a person opens it again.

    The database is read before the file: lines only come after their intents.
    """
    fence = Fence.objects.order_by("pk").first()
    if fence is None or fence.closed_at:
        return False
    try:
        lines = read_last_lines(LAST_LINES)
        problem = _find_problem(fence.known_seq, lines)
    except (JournalUnreadable, OSError):
        problem = UNREADABLE
    if problem:
        close_fence(now=now, reason=problem)
        return False
    if lines and lines[-1].seq > fence.known_seq:
        Fence.objects.update(known_seq=Greatest(F("known_seq"), lines[-1].seq))
    return True


def note_departures(*, departures: Sequence[Departure], provider: str, now: datetime) -> bool:
    """Write outside the database what is about to leave. False: it could not be written, and nothing may leave."""
    try:
        append_line(departures, provider=provider, at=now)
    except (JournalUnreadable, OSError) as trouble:
        logger.error("sending journal not written: %s", type(trouble).__name__)
        close_fence(now=now, reason=UNWRITABLE)
        return False
    return True


def close_fence(*, now: datetime, reason: str) -> None:
    """Nothing leaves any more. The first reason stands."""
    if Fence.objects.filter(closed_at=None).update(closed_at=now, reason=reason, recovered_at=None, changed_by=""):
        logger.error("sending closed: %s", reason)


def _find_problem(known_seq: int, lines: Sequence[Line]) -> str:
    last = lines[-1].seq if lines else 0
    if last < known_seq:
        return MISSING
    uuids = [line.departures[0].attempt_uuid for line in lines if line.seq > known_seq and line.departures]
    with connection.cursor() as cursor:
        cursor.execute(UNKNOWN, {"uuids": uuids})
        return LOST if cursor.fetchone()[0] else ""
