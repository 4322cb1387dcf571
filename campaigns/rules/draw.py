"""The draw of témoins and arms: exact in total, balanced in each stratum, replayable from its seed.

Arms are filled one after the other (témoins first) by cumulative rounding: after N people of all strata and earlier
waves, an arm of share p holds exactly N × p rounded, so no remainder is ever lost; in one stratum it is never more
than one person away from its share.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from campaigns.enums import CONTROL_ARM

SMALL_STRATUM = 10  # people; below, the strata of an EPCI are merged, then those of all EPCI
MERGED = "autres"
SEPARATOR = " · "


@dataclass(frozen=True)
class Person:
    matricule: str
    stratum: str


@dataclass(frozen=True)
class Shares:
    """Arms in the order in which they are filled, each with its exact share of everybody; shares sum to 1."""

    arms: tuple[tuple[str, Fraction], ...]

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self.arms]


def split_shares(control_share: object, arms: Iterable[Mapping[str, object]]) -> Shares:
    """``control_share`` of everybody to the témoins, the rest to ``[{code, share}]`` by weight."""
    control = Fraction(str(control_share))
    weights = {str(arm["code"]): Fraction(str(arm["share"])) for arm in arms}
    total = sum(weights.values())
    contact = [(code, (1 - control) * weight / total) for code, weight in weights.items()]
    return Shares(((CONTROL_ARM, control), *contact))


def wave_seed(campaign_seed: str, ordinal: int) -> str:
    """Seed of the ``ordinal``-th wave that counts: an audience that replaces another keeps its seed."""
    return hashlib.sha256(f"{campaign_seed}:{ordinal}".encode()).hexdigest()


def rank_key(seed: str, matricule: str) -> bytes:
    """Position of a person in the draw: SHA-256 of seed ‖ matricule (PostgreSQL computes the same)."""
    return hashlib.sha256(f"{seed}{matricule}".encode()).digest()


def merge_small_strata(sizes: Mapping[str, int]) -> dict[str, str]:
    """Stratum → the one it is drawn in: those under ``SMALL_STRATUM`` join « EPCI · autres », then « autres »."""
    by_epci = {s: s if n >= SMALL_STRATUM else _epci_of(s) + SEPARATOR + MERGED for s, n in sizes.items()}
    merged_sizes: Counter[str] = Counter()
    for stratum, size in sizes.items():
        merged_sizes[by_epci[stratum]] += size
    return {s: m if merged_sizes[m] >= SMALL_STRATUM else MERGED for s, m in by_epci.items()}


def _epci_of(stratum: str) -> str:
    return stratum.split(SEPARATOR)[0]


def allocate(
    sizes: Mapping[str, int], shares: Shares, *, already: Mapping[str, int] | None = None
) -> dict[str, dict[str, int]]:
    """How many people of each stratum go to each arm. ``already``: arm → people drawn by earlier waves."""
    drawn = Counter(already or {})
    quotas: dict[str, dict[str, int]] = {}
    for stratum in sorted(sizes):
        quotas[stratum] = _fill_arms(sizes[stratum], shares, drawn)
        drawn.update(quotas[stratum])
    return quotas


def _fill_arms(size: int, shares: Shares, drawn: Counter[str]) -> dict[str, int]:
    """Split ``size`` people: an arm takes what its share of all people so far still lacks, the last takes the rest."""
    quota: dict[str, int] = {}
    people = sum(drawn[code] for code in shares.codes) + size
    left, left_share = size, Fraction(1)
    for code, share in shares.arms[:-1]:
        due = _round(people * share / left_share) - drawn[code]
        quota[code] = min(max(due, 0), left)
        people -= drawn[code] + quota[code]
        left -= quota[code]
        left_share -= share
    quota[shares.codes[-1]] = left
    return quota


def _round(value: Fraction) -> int:
    """Nearest integer, halves up: never decreasing, where Python's own rounding to even would also do but surprise."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def draw(
    people: Iterable[Person], *, shares: Shares, seed: str, already: Mapping[str, int] | None = None
) -> dict[str, str]:
    """Matricule → arm. The order of ``people`` does not matter; strata are taken as they are (already merged)."""
    strata: dict[str, list[str]] = defaultdict(list)
    for person in people:
        strata[person.stratum].append(person.matricule)
    quotas = allocate({s: len(m) for s, m in strata.items()}, shares, already=already)
    arms: dict[str, str] = {}
    for stratum, matricules in strata.items():
        ranked = sorted(matricules, key=lambda matricule: rank_key(seed, matricule))
        arms |= zip(ranked, _spread(quotas[stratum]), strict=True)
    return arms


def _spread(quota: Mapping[str, int]) -> Sequence[str]:
    return [code for code, size in quota.items() for _ in range(size)]
