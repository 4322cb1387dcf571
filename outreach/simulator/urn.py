"""Exact shares: what is drawn from an urn without replacement ends with the very counts put in."""

from collections.abc import Mapping
from random import Random


class Urn:
    """Labels with a count each; every draw takes one out, so that the whole is exact and each order possible."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = {label: count for label, count in counts.items() if count}
        self._left = sum(self._counts.values())

    def draw(self, rng: Random) -> str:
        rank = int(rng.random() * self._left)
        self._left -= 1
        for label, count in self._counts.items():
            rank -= count
            if rank < 0:
                self._counts[label] = count - 1
                return label
        raise IndexError("The urn is empty.")


def apportion(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Whole shares of a total by largest remainder; their sum is the total."""
    whole = sum(weights.values())
    exact = {label: total * weight / whole for label, weight in weights.items()} if whole else dict.fromkeys(weights, 0)
    shares = {label: int(value) for label, value in exact.items()}
    short = total - sum(shares.values())
    for label in sorted(exact, key=lambda label: shares[label] - exact[label])[:short]:
        shares[label] += 1
    return shares
