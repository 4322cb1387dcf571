"""Bootstrap of euros. Seeded: the same rows give the same interval, for anybody who computes it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from random import Random

from outreach.rules.statistics import Interval

REPLICATES = 2_000
FEWEST_AMOUNTS = 5  # in each arm; below, resampling has nothing to vary and its interval would be too narrow
_MANY = 200  # beyond, a resample's count and total follow their normal limit, so its cost stays bounded


@dataclass(frozen=True)
class Amounts:
    """Euros of an arm: what those who received something received, and how many people were drawn in it."""

    values: Sequence[float]
    size: int

    def __post_init__(self) -> None:
        if len(self.values) > self.size:
            raise ValueError("more amounts than people drawn")

    @property
    def mean_per_person(self) -> float:
        """Zeros included."""
        return sum(self.values) / self.size if self.size else 0.0


def bootstrap_difference(treated: Amounts, control: Amounts, *, seed: int = 1) -> Interval | None:
    """95 % percentile interval of the difference of means per person drawn (people without an amount count as 0).

    None when an arm has fewer than ``FEWEST_AMOUNTS`` amounts.
    """
    return bootstrap_strata([(treated, control)], seed=seed)


def bootstrap_strata(strata: Sequence[tuple[Amounts, Amounts]], *, seed: int = 1) -> Interval | None:
    """The same over (treated, control) strata, each difference weighing as many people as were drawn to be contacted.

    None when there are fewer than ``FEWEST_AMOUNTS`` amounts of either side in all.
    """
    if min(sum(len(side.values) for side in sides) for sides in zip(*strata, strict=True)) < FEWEST_AMOUNTS:
        return None
    random = Random(seed)  # noqa: S311 - a reproducible simulation, not a secret
    people = sum(treated.size for treated, _ in strata)
    drawn = [
        (treated.size / people, _Resampler(treated, random), _Resampler(control, random)) for treated, control in strata
    ]
    differences = sorted(
        sum(weight * (treated.mean() - control.mean()) for weight, treated, control in drawn) for _ in range(REPLICATES)
    )
    edge = int(REPLICATES * 0.025)
    return Interval(differences[edge], differences[REPLICATES - 1 - edge])


class _Resampler:
    """Means of people drawn again with replacement: first how many of them have an amount, then which amounts."""

    def __init__(self, amounts: Amounts, random: Random) -> None:
        self._values, self._size, self._random = amounts.values, amounts.size, random
        count = len(self._values)
        self._share = count / self._size
        self._mean = sum(self._values) / count if count else 0.0
        self._deviation = (sum((v - self._mean) ** 2 for v in self._values) / count) ** 0.5 if count else 0.0

    def mean(self) -> float:
        if not self._values:
            return 0.0
        count = self._count()
        if count > _MANY:
            return self._random.gauss(count * self._mean, count**0.5 * self._deviation) / self._size
        return sum(self._random.choices(self._values, k=count)) / self._size

    def _count(self) -> int:
        """A binomial draw: by its normal limit when large, else by the geometric gaps between successes."""
        expected = self._size * self._share
        if self._share == 1:
            return self._size
        if expected > _MANY and self._size - expected > _MANY:
            drawn = round(self._random.gauss(expected, (expected * (1 - self._share)) ** 0.5))
            return min(self._size, max(0, drawn))
        count, at, scale = 0, 0, log(1 - self._share)
        while True:
            at += int(log(1 - self._random.random()) / scale) + 1
            if at > self._size:
                return count
            count += 1
