"""The story of an address that reaches nobody: remembered by its hash, left out of the next audiences, corrected."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from campaigns.enums import BadDestinationReason
from campaigns.models import BadDestination
from campaigns.opposition_journal import hash_destination


@dataclass(frozen=True)
class Finding:
    """What was learnt of an address. ``channel`` empty: it is good for none."""

    allocataire_id: int
    destination: str
    channel: str
    reason: BadDestinationReason


def record_bad_destinations(*, findings: Iterable[Finding], now: datetime) -> int:
    """Note these addresses as to be corrected; those already noted stay as they are. Returns how many there were."""
    rows = [
        BadDestination(
            allocataire_id=finding.allocataire_id,
            destination_hash=hash_destination(finding.destination),
            channel=finding.channel,
            reason=finding.reason,
            since=now,
        )
        for finding in findings
        if finding.destination
    ]
    return len(BadDestination.objects.bulk_create(rows, ignore_conflicts=True))


def mark_corrected(*, ids: Iterable[int], now: datetime) -> int:
    """An agent has checked these addresses: they may be used again. Returns how many were still to be corrected."""
    return BadDestination.objects.to_correct().filter(pk__in=list(ids)).update(corrected_at=now)
