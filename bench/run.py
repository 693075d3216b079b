"""How a run goes: how many rounds, how long each, in which order the systems take their turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bench.crowd import Crowd
from bench.results import Series

QUICK_SHARE: Final = 20
"""A quick run has this many times fewer clients: it shows that everything works, and no figure worth keeping."""


@dataclass(frozen=True, slots=True)
class Run:
    rounds: int
    quick: bool
    say: Callable[[str], None]

    @property
    def seconds(self) -> float:
        """How long one measurement lasts at the least."""
        return 0.2 if self.quick else 2.0

    @property
    def warm_up_seconds(self) -> float:
        """Long enough for V8 to have compiled what is hot."""
        return 0.2 if self.quick else 3.0

    def clients(self, count: int) -> int:
        return max(10, count // QUICK_SHARE) if self.quick else count

    async def alternate(
        self, what: str, measures: Mapping[str, Callable[[], Awaitable[float]]]
    ) -> dict[str, Series]:
        """Let the systems take turns, so that what disturbs the machine for a while disturbs all of them."""
        samples: dict[str, list[float]] = {name: [] for name in measures}
        for number in range(1, self.rounds + 1):
            for name, measure in measures.items():
                self.say(f"{what}: round {number} of {self.rounds}, {name}")
                samples[name].append(await measure())
        return {name: Series.of(name, values) for name, values in samples.items()}


Step = Callable[[], Awaitable[int]]
"""One step of the load; answers how many messages were handled in it."""


async def cpu_us_each(crowd: Crowd, step: Step, seconds: float) -> float:
    """Microseconds of processor time, of all programs of the system, for each message in `seconds` of steps."""
    before, done, until = crowd.system.cpu_seconds(), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        done += await step()
    return (crowd.system.cpu_seconds() - before) / done * 1e6


async def settle(seconds: float) -> None:
    """Let servers finish what they still do for what came before."""
    await asyncio.sleep(seconds)
