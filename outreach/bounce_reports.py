"""The story of what comes back about e-mails: posted by a provider, or left in a mailbox by mail servers.

Stored raw like any receipt; ``receipts`` applies it.
"""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from outreach.channels.email_events import EmailEvent
from outreach.enums import EventKind
from outreach.mbox import Place, digest_of, read_on
from outreach.models import Attempt, MailboxPlace, ProviderEvent
from outreach.rules.delivery_reports import MAX_BYTES, DeliveryReport, read_report

logger = logging.getLogger(__name__)

BATCH_SIZE = 200  # of at most a mebibyte each
REPORTS = "dsn"  # the provider's name of what mail servers send back themselves


class BounceMailboxRefused(Exception):
    """The mailbox cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"Boîte des rebonds introuvable ou illisible : {path}. Donner un dossier Maildir ou un fichier mbox."
        )


@dataclass
class BounceImport:
    """``read = stored + known + foreign + others``. Foreign: about no e-mail of ours; others: not reports at all."""

    read: int = 0
    stored: int = 0
    known: int = 0
    foreign: int = 0
    others: int = 0


@dataclass(frozen=True)
class _Found:
    digest: str
    report: DeliveryReport | None
    file: Path | None  # of a Maildir: it has one for each message


def store_email_events(*, provider: str, events: Sequence[EmailEvent], now: datetime) -> None:
    """Keep what a provider posted, all of it or nothing; nothing else is done before it is answered."""
    ProviderEvent.objects.bulk_create(
        ProviderEvent(
            provider=provider,
            kind=EventKind.STATUS,
            attempt_uuid=event.attempt_uuid,
            status=event.word,
            error_code=event.code,
            payload=event.payload,
            received_at=now,
        )
        for event in events
    )


def read_bounce_mailbox(*, now: datetime) -> BounceImport | None:
    """Import what arrived in the mailbox that settings name; None when they name none. Nothing is read again.

    Raises as ``import_bounces``.
    """
    if not settings.BOUNCE_MAILBOX:
        return None
    path, done = Path(settings.BOUNCE_MAILBOX), BounceImport()
    if path.is_dir():
        return import_bounces(path=path, now=now)
    MailboxPlace.objects.get_or_create(path=str(path))
    while _read_on(path, now, done):
        pass
    if done.read:
        _say(done)
    return done


def import_bounces(*, path: Path, now: datetime) -> BounceImport:
    """Read the reports of a Maildir (what is new in it, then marked as seen) or of a whole mbox file. Reading one twice
    changes nothing.

    Raises ``BounceMailboxRefused``.
    """
    done, place = BounceImport(), Place()
    try:
        if path.is_dir():
            _read_maildir(path, now, done)
        else:
            while (read := read_on(path, place, limit=BATCH_SIZE, longest=MAX_BYTES))[0]:
                _store([_find(raw) for raw in read[0]], now, done)
                place = read[1]
    except OSError as error:
        raise BounceMailboxRefused(path) from error
    _say(done)
    return done


def _say(done: BounceImport) -> None:
    logger.info("bounces read=%s stored=%s foreign=%s others=%s", done.read, done.stored, done.foreign, done.others)


def _read_on(path: Path, now: datetime, done: BounceImport) -> bool:
    """The next messages of an mbox and the place they end at, both kept or neither; False when there is none, or when
    another reader has them."""
    with transaction.atomic():
        kept = MailboxPlace.objects.select_for_update(skip_locked=True).filter(path=str(path)).first()
        if kept is None:
            return False
        try:
            known = Place(kept.inode, kept.position, kept.before, kept.last)
            messages, place = read_on(path, known, limit=BATCH_SIZE, longest=MAX_BYTES)
        except OSError as error:
            raise BounceMailboxRefused(path) from error
        if place != known:
            _store([_find(raw) for raw in messages], now, done)
            MailboxPlace.objects.filter(path=str(path)).update(**asdict(place))
    return bool(messages)


def _read_maildir(path: Path, now: datetime, done: BounceImport) -> None:
    files = sorted((path / "new").iterdir())
    for start in range(0, len(files), BATCH_SIZE):
        batch = []
        for file in files[start : start + BATCH_SIZE]:
            with suppress(FileNotFoundError), file.open("rb") as opened:  # another reader took it
                batch.append(_find(opened.read(MAX_BYTES), file))
        _store(batch, now, done)
        _mark_seen(batch)


def _find(raw: bytes, file: Path | None = None) -> _Found:
    return _Found(digest_of(raw), read_report(raw), file)


def _store(batch: Sequence[_Found], now: datetime, done: BounceImport) -> None:
    candidates = {uuid for one in batch if one.report for uuid in one.report.candidates}
    ours = set(Attempt.objects.filter(uuid__in=candidates).values_list("uuid", flat=True))
    rows = {}
    for one in batch:
        attempt_uuid = next((uuid for uuid in one.report.candidates if uuid in ours), None) if one.report else None
        done.read += 1
        if one.report is None:
            done.others += 1
        elif attempt_uuid is None:
            done.foreign += 1
        elif one.digest in rows:
            done.known += 1
        else:
            rows[one.digest] = ProviderEvent(
                provider=REPORTS,
                kind=EventKind.STATUS,
                attempt_uuid=attempt_uuid,
                status=one.report.word,
                error_code=one.report.code,
                payload={"digest": one.digest, "diagnostic": one.report.diagnostic},
                received_at=now,
            )
    known = _known(rows)
    ProviderEvent.objects.bulk_create((rows[digest] for digest in rows.keys() - known), ignore_conflicts=True)
    done.known += len(known)
    done.stored += len(rows) - len(known)


def _known(digests: Iterable[str]) -> set[str]:
    stored = ProviderEvent.objects.filter(provider=REPORTS, payload__digest__in=list(digests))
    return set(stored.values_list("payload__digest", flat=True))


def _mark_seen(batch: Iterable[_Found]) -> None:
    """As any reader of a Maildir does: what was read is no longer new."""
    for one in batch:
        if one.file is not None:
            seen = one.file.parent.parent / "cur"
            seen.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):
                one.file.rename(seen / f"{one.file.name.partition(':')[0]}:2,S")
