"""What people do after a campaign of the demo: who, when, for how much. Seeded; exact counts where a report gives them.

The output is a file of régularisations in the format a Caf would import: the product cannot tell it from real input.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from campaigns.models import Audience, Member

HEADER = ("matricule", "type", "date", "montant")


@dataclass(frozen=True)
class Act:
    """``count`` people of an arm do ``kind``; with ``mean_amount``, amounts differ but their mean is exact (euros)."""

    arm: str
    kind: str
    count: int
    mean_amount: int | None = None


@dataclass(frozen=True)
class Event:
    matricule: str
    kind: str
    occurred_on: date
    amount: Decimal | None


def play_acts(audience: Audience, acts: Iterable[Act], window_days: int) -> list[Event]:
    """Events of an audience. Stages nest: those who open a right are among those who filed, and so on.

    Within an arm one seeded order serves every act, so the first ``count`` people of it do each thing; dates follow
    the order in which the acts of an arm are given.
    """
    events: list[Event] = []
    stages: dict[str, int] = {}
    for act in acts:
        stage = stages.get(act.arm, 0)
        stages[act.arm] = stage + 1
        people = _in_seeded_order(audience, act.arm)[: act.count]
        amounts = spread_amounts(act.mean_amount, len(people))
        for matricule, amount in zip(people, amounts, strict=True):
            day = _day_of(matricule, audience.night_on, window_days, stage)
            events.append(Event(matricule, act.kind, day, amount))
    return sorted(events, key=lambda e: (e.occurred_on, e.matricule, e.kind))


def write_regularisations(path: Path, events: Iterable[Event], *, until: date) -> int:
    """Write the events dated up to ``until`` as a French CSV; returns how many."""
    rows = [e for e in events if e.occurred_on <= until]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        for event in rows:
            amount = "" if event.amount is None else f"{event.amount:.2f}".replace(".", ",")
            writer.writerow((event.matricule, event.kind, f"{event.occurred_on:%d/%m/%Y}", amount))
    return len(rows)


def spread_amounts(mean: int | None, count: int) -> Iterator[Decimal | None]:
    """``count`` different amounts whose mean is exactly ``mean`` euros: pairs on either side of it, then it."""
    if mean is None:
        yield from (None for _ in range(count))
        return
    for pair in range(count // 2):
        gap = Decimal(mean) * (pair * 37 % 60) / 100
        yield mean - gap
        yield mean + gap
    if count % 2:
        yield Decimal(mean)


def _in_seeded_order(audience: Audience, arm: str) -> list[str]:
    members = Member.objects.filter(audience=audience, arm=arm).order_by("pk")
    return sorted(members.values_list("allocataire__matricule", flat=True), key=lambda m: _digest(audience.seed, m))


def _digest(seed: str, matricule: str) -> bytes:
    return hashlib.sha256(f"acte:{seed}:{matricule}".encode()).digest()


def _day_of(matricule: str, start: date, window_days: int, stage: int) -> date:
    """Most people act soon: squaring a uniform draw crowds the first weeks. Each later stage comes three days after."""
    uniform = int.from_bytes(hashlib.sha256(matricule.encode()).digest()[:4]) / 2**32
    return start + timedelta(days=1 + int(uniform**2 * (window_days - 10)) + 3 * stage)
