"""Who takes the simulated operator's receipts to us: late, twice, after a lie, as the behaviour wants it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outreach.simulator.behaviour import Mood
from outreach.simulator.operator_ledger import Entry

Telling = Callable[[Entry], Awaitable[None]]


@dataclass
class Courier:
    """``begin``: lets something go on by itself. ``mischief`` counts what was done to the receipts."""

    tell: Telling
    lie_about: Telling
    begin: Callable[[Awaitable[None]], None]
    mischief: Counter[str]

    async def carry(self, entry: Entry, mood: Mood) -> None:
        """Returns once the receipt was taken, or has been set aside: those that follow then overtake it."""
        if mood.is_forged:
            self.mischief["forged"] += 1
            await self.lie_about(entry)
        if mood.delay:
            self.mischief["late"] += 1
            self.begin(self._carry_later(entry, mood))
        else:
            await self._carry_now(entry, mood)

    async def _carry_later(self, entry: Entry, mood: Mood) -> None:
        await asyncio.sleep(mood.delay)
        await self._carry_now(entry, mood)

    async def _carry_now(self, entry: Entry, mood: Mood) -> None:
        await self.tell(entry)
        if mood.is_doubled:
            self.mischief["doubled"] += 1
            await self.tell(entry)
