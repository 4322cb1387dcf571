"""What an audience can show before it is launched: the smallest effect its témoins make visible, and what would help.

Proportions are between 0 and 1. Standard library only.
"""

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)  # 5 %, two-sided
_Z_POWER = NormalDist().inv_cdf(0.80)

# What témoins do by themselves, for lack of a figure of the Caf's own: 1 %, the base of the evaluation's own figures.
BASE_RATE = 0.01
# Vie maritale 2023: 62 of 4,266 people declared, 1.5 points.
# A campaign that only sees twice that will mostly conclude nothing.
POOR_EFFECT = 0.03
SHARES = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50)


@dataclass(frozen=True)
class Power:
    """``effect``: smallest uplift that shows four times in five, None when none would. ``better_share``: the smallest
    share of témoins that shows ``POOR_EFFECT``; ``needed``: people (several waves or campaigns pooled) that would,
    at the chosen share. Both None when nothing needs to change or nothing would help."""

    effect: float | None
    is_poor: bool
    better_share: float | None
    needed: int | None


def judge_power(people: int, control_share: float, *, base_rate: float = BASE_RATE) -> Power:
    """Say whether ``people`` retained, with that share of témoins, can show a useful effect, and what would help."""
    effect = detectable_effect(people, control_share, base_rate)
    if effect is not None and effect <= POOR_EFFECT:
        return Power(effect, is_poor=False, better_share=None, needed=None)
    larger = (share for share in SHARES if share > control_share)
    better = next((share for share in larger if _shows(people, share, base_rate)), None)
    return Power(effect, True, better, needed_audience(POOR_EFFECT, control_share, base_rate))


def _shows(people: int, share: float, base_rate: float) -> bool:
    effect = detectable_effect(people, share, base_rate)
    return effect is not None and effect <= POOR_EFFECT


def detectable_effect(audience: int, control_share: float, base_rate: float) -> float | None:
    """Smallest uplift (as a proportion) that ``audience`` people show four times in five (power 80 %, test at 5 %).

    Difference of two proportions, pooled variance under "no effect", each its own under the effect (Fleiss). None
    when an arm is empty or even the greatest possible uplift would not show.
    """
    control = audience * control_share
    treated = audience - control
    if control < 1 or treated < 1:
        return None
    low, high = 0.0, 1.0 - base_rate
    if _shortfall(high, treated, control, base_rate) > 0:
        return None
    for _ in range(60):
        middle = (low + high) / 2
        if _shortfall(middle, treated, control, base_rate) > 0:
            low = middle
        else:
            high = middle
    return high


def needed_audience(effect: float, control_share: float, base_rate: float) -> int | None:
    """People needed, both arms together, to show ``effect`` four times in five: inverse of ``detectable_effect``."""
    if effect <= 0 or not 0 < control_share < 1 or base_rate + effect > 1:
        return None
    # For fixed shares, the effect that shows is exactly proportional to 1 / √people.
    reach = effect + _shortfall(effect, 1 - control_share, control_share, base_rate)
    return ceil((reach / effect) ** 2)


def _shortfall(effect: float, treated: float, control: float, base_rate: float) -> float:
    """By how much ``effect`` falls short of what these sizes detect."""
    rate = base_rate + effect
    mean = (base_rate * control + rate * treated) / (control + treated)
    under_null = sqrt(mean * (1 - mean) * (1 / control + 1 / treated))
    under_effect = sqrt(base_rate * (1 - base_rate) / control + rate * (1 - rate) / treated)
    return _Z * under_null + _Z_POWER * under_effect - effect
