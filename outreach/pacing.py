"""The operator's contract, shared by all workers and hosts: each reserves instants in one row, then keeps to them.

Nobody holds that row while thinking: it is read, the instants are computed (``rules.pacing``), and it is written only
if nobody has written it since. A worker that dies takes nothing with it but the instants it had reserved.
"""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from django.conf import settings
from psycopg.types.json import Jsonb

from outreach.rules import pacing as rules
from outreach.rules.pacing import Pace
from outreach.statements import run_statement

FIELDS = ("rate", "ceiling", "changed_at", "cut_at", "next_at", "held_until")
READ = f"""
SELECT {", ".join(FIELDS)}, recent::text, version, extract(epoch FROM clock_timestamp())::float8
  FROM outreach_providerpace WHERE provider = %(provider)s"""
CREATE = """
INSERT INTO outreach_providerpace (provider, contract, rate, ceiling, changed_at, cut_at, next_at, held_until, recent,
                                   version)
VALUES (%(provider)s, %(contract)s, 0, 0, 0, 0, 0, 0, '[]', 0) ON CONFLICT DO NOTHING"""
WRITE = f"""
UPDATE outreach_providerpace
   SET {", ".join(f"{name} = %({name})s" for name in FIELDS)}, recent = %(recent)s, contract = %(contract)s,
       version = version + 1
 WHERE provider = %(provider)s AND version = %(version)s RETURNING true"""
UNPACED_ROOM = 1_000_000
FRESH = 0.05  # seconds during which what was just written tells well enough how much room there is
FAR = 30.0  # a reservation further than that was made by a clock that has gone back since


class Pacer(Protocol):
    """Who says when messages may leave. Instants are those of ``time.monotonic()`` in this process."""

    @property
    def is_open(self) -> bool:
        """Whether something may well leave soon: False when it is known to be useless to ask."""

    @property
    def batch(self) -> int:
        """How many messages are worth claiming at once: a second of the contract, so that no claim grows old."""

    def room(self) -> int:
        """How many messages of one segment may leave soon enough to be decided now."""

    def reserve(self, sizes: Sequence[int]) -> list[float]:
        """The instant at which each message may leave, in order. ``sizes``: segments of each."""

    def slow_down(self, retry_after: float | None) -> None:
        """The operator refused for going too fast, and asks for ``retry_after`` seconds of silence if it says so."""


class Unpaced:
    """An operator without a contract in segments a second."""

    is_open = True
    batch = UNPACED_ROOM

    def room(self) -> int:
        return UNPACED_ROOM

    def reserve(self, sizes: Sequence[int]) -> list[float]:
        return [0.0] * len(sizes)

    def slow_down(self, retry_after: float | None) -> None:
        return None


class SharedPacer:
    """Keeps to ``contract`` segments a second, whoever else sends to the same provider."""

    def __init__(self, provider: str, contract: float) -> None:
        self.provider, self.contract = provider, contract
        self._ahead = float("-inf")  # of the database's clock on ours, by the quickest answer: never overestimated
        self._asks_again_at = 0.0
        self._known: tuple[Pace, int] | None = None  # the last pace read or written, with its version
        self._known_at = float("-inf")
        self.batch = max(1, int(contract))

    @property
    def is_open(self) -> bool:
        return time.monotonic() >= self._asks_again_at

    def room(self) -> int:
        if not self.is_open:
            return 0
        if not self._known or time.monotonic() - self._known_at > FRESH:
            self._known = self._read()
        self._asks_again_at = self._known[0].opens_at - rules.REFILL - self._ahead
        return rules.room(self._known[0], contract=self.contract, now=self._now()) if self.is_open else 0

    def reserve(self, sizes: Sequence[int]) -> list[float]:
        return [at - self._ahead for at in self._change(lambda pace, now: self._reserve(pace, sizes, now))]

    def _reserve(self, pace: Pace, sizes: Sequence[int], now: float) -> tuple[Pace, list[float]]:
        """What nobody will wait for is not reserved: the next would have to wait behind it, and the silence end."""
        changed, instants = rules.reserve(pace, sizes, contract=self.contract, now=now)
        return changed if instants[0] <= now + rules.LONGEST_WAIT else pace, instants

    def slow_down(self, retry_after: float | None) -> None:
        self._change(
            lambda pace, now: (
                rules.slow_down(pace, contract=self.contract, now=now, retry_after=retry_after),
                [],
            )
        )

    def _change(self, act: Callable[[Pace, float], tuple[Pace, list[float]]]) -> list[float]:
        while True:
            pace, version = self._known or self._read()
            self._known = None
            changed, instants = act(pace, self._now())
            values: dict[str, Any] = {name: getattr(changed, name) for name in FIELDS}
            if run_statement(
                WRITE, provider=self.provider, contract=self.contract, version=version, recent=Jsonb(changed.recent),
                **values,
            ):  # fmt: skip
                self._known, self._known_at = (changed, version + 1), time.monotonic()
                self._asks_again_at = changed.opens_at - rules.REFILL - self._ahead
                return instants

    def _now(self) -> float:
        """On the database's clock."""
        return time.monotonic() + self._ahead

    def _read(self) -> tuple[Pace, int]:
        """The pace and its version."""
        while not (rows := run_statement(READ, provider=self.provider)):
            run_statement(CREATE, provider=self.provider, contract=self.contract)
        *numbers, recent, version, said_at = rows[0]
        self._ahead = max(self._ahead, said_at - time.monotonic())
        known = dict(zip(FIELDS, numbers, strict=True))
        pace = Pace(**known, recent=tuple((at, segments) for at, segments in json.loads(recent)))
        return Pace() if pace.next_at > self._now() + FAR else pace, version


def pacer_for(*, provider: str, channel: str) -> Pacer:
    """By the contract of the provider, else by that of its channel (``SEGMENTS_PER_SECOND``)."""
    contracts = settings.SEGMENTS_PER_SECOND
    contract = contracts.get(provider, contracts.get(channel.lower()))
    return Unpaced() if contract is None else SharedPacer(provider, contract)
