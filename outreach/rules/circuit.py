"""When an operator is taken for down, and when it is asked whether it is back.

Instants are seconds of any clock that only goes forward.
"""

from dataclasses import dataclass, replace

from outreach.rules.operator_codes import SendOutcome

LIMIT = 20  # what its troubles in a row must weigh
WINDOW_SECONDS = 120.0  # older ones are forgotten: a quiet hour must not remember the one before
PROBE_AFTER_SECONDS = 60.0
SILENCE_WEIGHT = 4  # refused connection, 5xx, reset, no answer in time: five in a row
THROTTLE_WEIGHT = 1  # a limit met by every connection at once is no outage; twenty in a row are


@dataclass(frozen=True, slots=True)
class Circuit:
    """What one process knows of one operator. ``troubles``: instant and weight, since its last good answer."""

    troubles: tuple[tuple[float, int], ...] = ()
    opened_at: float | None = None
    probed_at: float | None = None

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None

    def heard(self, weight: int, at: float) -> "Circuit":
        """After an answer. Zero: it works, everything before is forgotten — unless it was already taken for down: the
        answers of requests that were on their way then prove little, and the probe decides.
        """
        if self.is_open:
            return self
        if not weight:
            return Circuit()
        recent = (*(trouble for trouble in self.troubles if at - trouble[0] < WINDOW_SECONDS), (at, weight))
        opens = sum(heavy for _, heavy in recent) >= LIMIT
        return Circuit(troubles=recent, opened_at=at if opens else None)

    def is_probe_due(self, at: float) -> bool:
        since = self.probed_at if self.probed_at is not None else self.opened_at
        return since is not None and at - since >= PROBE_AFTER_SECONDS

    def probing(self, at: float) -> "Circuit":
        """Taken by one caller: the others wait for its answer, or for the next time."""
        return replace(self, probed_at=at)


def weight_of(outcome: SendOutcome, *, is_throttled: bool) -> int:
    """How much a call says that the operator is down. A refusal of one message says that it works."""
    if is_throttled:
        return THROTTLE_WEIGHT
    return SILENCE_WEIGHT if outcome in {SendOutcome.RETRY, SendOutcome.UNKNOWN} else 0
