"""How late the event loop comes to its timers: the one figure that says a process has too much to do."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

from pulso import metrics

LOOK_EVERY_S: Final = 0.1


async def watch() -> None:
    """Measure until cancelled; one of it a process is enough."""
    spread = metrics.LOOP_LAG_SECONDS.of()
    while True:
        due = perf_counter() + LOOK_EVERY_S
        await asyncio.sleep(LOOK_EVERY_S)
        # The loop counts from the begin of its turn and in whole milliseconds: its timers may fire early.
        spread.observe(max(0.0, perf_counter() - due))
