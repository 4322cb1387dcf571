"""The figures of a bilan: rates, differences between arms, what they prove. Standard library only.

Proportions are between 0 and 1 (0.0145, never 1.45); intervals are at 95 %. Counts are persons.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, exp, gamma, sqrt
from statistics import NormalDist, median

_Z = NormalDist().inv_cdf(0.975)  # 95 %, two-sided


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Sample:
    """``count`` people of ``size`` did it."""

    count: int
    size: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.size:
            raise ValueError(f"{self.count} people of {self.size}: not a share of them")

    @property
    def rate(self) -> float:
        return self.count / self.size if self.size else 0.0


@dataclass(frozen=True)
class NumberNeeded:
    """People to contact for one more result. Not conclusive: the interval of the uplift crosses 0, all is None."""

    is_conclusive: bool
    value: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class Pooled:
    """Mantel–Haenszel difference over strata, with Cochran's test that the strata differ among themselves."""

    difference: float
    interval: Interval
    p_value: float
    strata_count: int
    q: float
    p_heterogeneity: float

    @property
    def is_heterogeneous(self) -> bool:
        return self.p_heterogeneity < 0.10  # the usual threshold: the test has little power


def wilson(sample: Sample) -> Interval | None:
    """Wilson's score interval of a rate (Wilson 1927). None when nobody is in the sample."""
    n, p = sample.size, sample.rate
    if not n:
        return None
    centre = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z * sqrt(p * (1 - p) / n + _Z**2 / (4 * n * n)) / (1 + _Z**2 / n)
    low = 0.0 if sample.count == 0 else max(0.0, centre - half)
    high = 1.0 if sample.count == n else min(1.0, centre + half)
    return Interval(low, high)


def newcombe(treated: Sample, control: Sample) -> Interval | None:
    """Interval of ``treated.rate - control.rate``: hybrid score, method 10 of Newcombe (1998), no correction."""
    one, two = wilson(treated), wilson(control)
    if one is None or two is None:
        return None
    p1, p2 = treated.rate, control.rate
    below = sqrt((p1 - one.low) ** 2 + (two.high - p2) ** 2)
    above = sqrt((one.high - p1) ** 2 + (p2 - two.low) ** 2)
    return Interval(p1 - p2 - below, p1 - p2 + above)


def p_value(treated: Sample, control: Sample) -> float | None:
    """Two-sided test that two rates are equal (pooled score test, without continuity correction)."""
    if not treated.size or not control.size:
        return None
    pooled = (treated.count + control.count) / (treated.size + control.size)
    deviation = sqrt(pooled * (1 - pooled) * (1 / treated.size + 1 / control.size))
    if not deviation:
        return 1.0
    return erfc(abs(treated.rate - control.rate) / deviation / sqrt(2))


def number_needed(difference: float, interval: Interval | None) -> NumberNeeded:
    """1 / uplift with its interval; negative when the contact did harm (people contacted for one result lost)."""
    if interval is None or not interval.excludes_zero or not difference:
        return NumberNeeded(is_conclusive=False)
    return NumberNeeded(True, 1 / difference, Interval(1 / interval.high, 1 / interval.low))


def mantel_haenszel(strata: Iterable[tuple[Sample, Sample]]) -> Pooled | None:
    """Pooled difference of rates over (treated, control) strata, variance of Sato (1989), right for many small strata
    as for few large ones. A stratum without one of the arms says nothing and is left out; None when none is left.

    One stratum, or no result at all (Sato's variance is then 0): the interval is Newcombe's on the totals.
    """
    usable = [(t, c) for t, c in strata if t.size and c.size]
    if not usable:
        return None
    weight = sum(t.size * c.size / (t.size + c.size) for t, c in usable)
    difference = sum((t.count * c.size - c.count * t.size) / (t.size + c.size) for t, c in usable) / weight
    deviation = sqrt(max(0.0, _sato_variance(usable, difference, weight)))
    interval: Interval | None = Interval(difference - _Z * deviation, difference + _Z * deviation)
    p: float | None = erfc(abs(difference) / deviation / sqrt(2)) if deviation else None
    if len(usable) == 1 or not deviation:
        totals = _total(t for t, _ in usable), _total(c for _, c in usable)
        interval, p = newcombe(*totals), p_value(*totals)
    q = _cochran(usable)
    p_strata = chi2_tail(q, len(usable) - 1) if len(usable) > 1 else 1.0
    return Pooled(difference, interval or Interval(-1.0, 1.0), 1.0 if p is None else p, len(usable), q, p_strata)


def _sato_variance(strata: Sequence[tuple[Sample, Sample]], difference: float, weight: float) -> float:
    first = second = 0.0
    for treated, control in strata:
        n1, n0 = treated.size, control.size
        total = n1 + n0
        first += (
            control.count * (n1 / total) ** 2
            - treated.count * (n0 / total) ** 2
            + (n1 / total) * (n0 / total) * (n0 - n1) / 2
        )
        second += treated.count * (n0 - control.count) / total + control.count * (n1 - treated.count) / total
    return (difference * first + second / 2) / weight**2


def _cochran(strata: Sequence[tuple[Sample, Sample]]) -> float:
    """Weighted dispersion of the strata's differences; half a person is added to each cell so that none weighs
    infinitely."""
    differences, weights = [], []
    for treated, control in strata:
        variance = sum(
            (s.count + 0.5) * (s.size - s.count + 0.5) / (s.size + 1) ** 2 / (s.size + 1) for s in (treated, control)
        )
        differences.append(treated.rate - control.rate)
        weights.append(1 / variance)
    mean = sum(d * w for d, w in zip(differences, weights, strict=True)) / sum(weights)
    return sum(w * (d - mean) ** 2 for d, w in zip(differences, weights, strict=True))


def chi2_tail(x: float, degrees: int) -> float:
    """P(χ² > x), by the recurrence on the degrees of freedom (exact for whole degrees)."""
    tail, at = (erfc(sqrt(x / 2)), 1) if degrees % 2 else (exp(-x / 2), 2)
    while at < degrees:
        tail += (x / 2) ** (at / 2) * exp(-x / 2) / gamma(at / 2 + 1)
        at += 2
    return min(1.0, tail)


def _total(samples: Iterable[Sample]) -> Sample:
    kept = list(samples)
    return Sample(sum(s.count for s in kept), sum(s.size for s in kept))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down correction: adjusted p values, in the order given."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda n: p_values[n])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def median_days(days: Sequence[int]) -> float | None:
    """Median number of days of those who did it; None when nobody did."""
    return float(median(days)) if days else None
