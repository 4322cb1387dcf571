"""When a wave may go on after its first contacts, and when a campaign or a channel stops by itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

# Answers that say the same of every message: going on would only burn its tries.
ACCOUNT_TROUBLES = frozenset(
    {"20003", "20404", "21603", "21606", "21659", "21705", "30002", "HTTP 401", "HTTP 403", "SMTP 530", "SMTP 534",
     "SMTP 535", "SMTP 538"}
)  # fmt: skip
TROUBLES_BEFORE_PAUSE = 3  # one alone may be a hiccup of the operator's


def canary_size(*, total: int, share: float, minimum: int) -> int:
    """How many of a wave's ``total`` contacts leave first: a share of them, at least ``minimum``, at most all."""
    return min(total, max(minimum, ceil(total * share)))


@dataclass(frozen=True)
class CanaryState:
    """The first contacts of a wave. ``departed``: the operator had them; ``waiting``: they may still leave."""

    size: int
    departed: int
    waiting: int
    others: int  # contacts of the wave that wait for them
    last_departure: datetime | None

    @property
    def missing(self) -> int:
        """How many contacts must join, the first ones having been stopped before they left."""
        return 0 if self.waiting else min(self.others, max(0, self.size - self.departed))

    def may_release(self, *, now: datetime, hold: timedelta) -> bool:
        """Whether the wave goes on: whoever could leave has left, and ``hold`` has gone by."""
        if self.waiting or self.missing:
            return False
        return not self.others or self.last_departure is None or self.last_departure + hold <= now


@dataclass(frozen=True)
class Limits:
    """Shares are of the contacts whose end is known (0 to 1)."""

    failures: float
    stops: float
    sample: int  # ends to know before judging
    count: int  # failures, or refusals, under which it may be chance


@dataclass(frozen=True)
class Tally:
    """What became of a campaign's contacts since it was launched or resumed."""

    known: int
    failed: int
    stopped: int
    filtered: int  # by the operator, as spam


FILTERED = "L’opérateur filtre les messages de cette campagne (code 30007). Voir avec lui avant de reprendre."


def pause_reason(tally: Tally, limits: Limits) -> str:
    """Why the campaign must stop, with the figures; empty when it may go on."""
    if tally.filtered:
        return FILTERED
    if tally.known < limits.sample:
        return ""
    for count, limit, what in (
        (tally.failed, limits.failures, "échecs"),
        (tally.stopped, limits.stops, "refus (STOP)"),
    ):
        if count >= limits.count and count > limit * tally.known:
            return (
                f"Pause automatique : {count} {what} sur {tally.known} contacts dont le sort est connu, "
                f"soit {_percent(count / tally.known)} (seuil : {_percent(limit)}). "
                "Vérifier le texte et le fichier avant de reprendre."
            )
    return ""


def is_account_trouble(error_code: str) -> bool:
    """Whether the operator refuses us, whatever the message: authentication, account or sender."""
    return error_code in ACCOUNT_TROUBLES


def _percent(share: float) -> str:
    return f"{share * 100:.1f}".replace(".", ",").removesuffix(",0") + " %"
