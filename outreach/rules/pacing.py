"""How fast an operator may be sent to: never above its contract in any second, slowly after a rest, less when it asks.

All instants are seconds on one clock, all rates segments a second. Nothing here waits: it says when each message may
leave. What is reserved and not used is lost, and harms nobody.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

# What leaves in one second is spread over a little more, so that the network may bring two messages closer together
# by that much without the operator ever counting too many in one second.
WINDOW = 1.015
START_SHARE = 0.10
DOUBLING_SECONDS = 5.0
REST_SECONDS = 10.0  # after so long without sending, the operator is approached slowly again
CUT = 0.5
CUT_SECONDS = 1.0  # refusals of one burst count once
GROWTH_SHARE = 0.05  # of the contract, each second, once it has been cut
LEAST_SHARE = 0.02
LONGEST_HOLD = 3600.0
BUCKET = WINDOW / 256  # instants closer than that are remembered as one, the last
HORIZON = 1.0  # nothing is decided that may not leave within that time
REFILL = 0.4  # whoever sends reserves again when less than that is reserved
LATEST = 0.005  # a message that would leave later than that takes another instant
# From the checks of a message to its departure; beyond, it is given back: a stop button acts within 2 s.
LONGEST_WAIT = 1.8
_CLOSE = 1e-5


@dataclass(frozen=True, slots=True)
class Pace:
    """What is remembered of an operator. The default is one that was never sent to."""

    rate: float = 0.0  # now; 0: to be started again slowly
    ceiling: float = 0.0  # up to which the rate doubles; above, it grows little by little
    changed_at: float = 0.0
    cut_at: float = 0.0
    next_at: float = 0.0  # the first instant that nobody has reserved
    held_until: float = 0.0
    recent: tuple[tuple[float, int], ...] = ()  # what leaves in the last second before next_at: instant, segments

    @property
    def opens_at(self) -> float:
        return max(self.next_at, self.held_until)


def advance(pace: Pace, *, contract: float, now: float) -> Pace:
    """The pace as it is now: restarted after a rest, doubled or raised by the time that has passed."""
    least_start = min(contract, 1.0)
    if pace.rate <= 0 or now - pace.opens_at >= REST_SECONDS:
        start = max(START_SHARE * contract, least_start)
        return replace(pace, rate=start, ceiling=contract, changed_at=now)
    rate, changed_at = min(pace.rate, contract), pace.changed_at
    while rate < contract:
        is_doubling = rate < pace.ceiling
        step = DOUBLING_SECONDS if is_doubling else 1.0
        if now - changed_at < step:
            break
        rate = min(rate * 2, pace.ceiling) if is_doubling else rate + GROWTH_SHARE * contract
        rate, changed_at = min(rate, contract), changed_at + step
    return replace(pace, rate=rate, changed_at=changed_at)


def room(pace: Pace, *, contract: float, now: float) -> int:
    """How many messages of one segment may leave before the horizon."""
    pace = advance(pace, contract=contract, now=now)
    left = now + HORIZON - max(now, pace.opens_at)
    return 1 + int(left * pace.rate / WINDOW) if left >= 0 else 0


def reserve(pace: Pace, sizes: Sequence[int], *, contract: float, now: float) -> tuple[Pace, list[float]]:
    """The instant at which each message may leave, in order, and the pace once they are taken. ``sizes``: segments."""
    pace = advance(pace, contract=contract, now=now)
    spacing, at = WINDOW / pace.rate, max(now, pace.opens_at)
    last_second, instants = _LastSecond(pace.recent, contract), []
    for size in sizes:
        at = last_second.make_room(at, size)
        instants.append(at)
        last_second.add(at, size)
        at += size * spacing
    return replace(pace, next_at=at, recent=tuple(last_second.entries)), instants


def slow_down(pace: Pace, *, contract: float, now: float, retry_after: float | None) -> Pace:
    """The operator refused for going too fast: half the rate, and nothing before the delay it asks for."""
    pace = advance(pace, contract=contract, now=now)
    held_until = max(pace.held_until, now + min(retry_after or 0.0, LONGEST_HOLD))
    if now - pace.cut_at < CUT_SECONDS:
        return replace(pace, held_until=held_until)
    rate = max(pace.rate * CUT, LEAST_SHARE * contract)
    return replace(pace, rate=rate, ceiling=rate, cut_at=now, changed_at=max(now, held_until), held_until=held_until)


class _LastSecond:
    """What left in the window that ends at an instant, which only moves forward.

    Spacing alone is not enough when messages have several segments: the last of a window counts whole in it.
    """

    def __init__(self, entries: Sequence[tuple[float, int]], contract: float) -> None:
        self.entries = deque(entries)
        self._contract = contract
        self._total = sum(segments for _, segments in entries)

    def make_room(self, at: float, size: int) -> float:
        """The first instant from ``at`` at which so much more fits. Larger than the contract, it leaves alone."""
        while self.entries and (self.entries[0][0] <= at - WINDOW + _CLOSE or self._total + size > self._contract):
            instant, segments = self.entries.popleft()
            at = max(at, instant + WINDOW)
            self._total -= segments
        return at

    def add(self, at: float, size: int) -> None:
        self._total += size
        if self.entries and int(self.entries[-1][0] / BUCKET) == int(at / BUCKET):
            size += self.entries.pop()[1]
        self.entries.append((at, size))
