"""When each of many number clients is to send its next value, and to draw its next number."""

from __future__ import annotations

import asyncio
import heapq
import random
from time import perf_counter
from typing import Final, NamedTuple

from cli.live.number_client import DRAW_AFTER_S, VALUE_EVERY_S, NumberClient

TURN_S: Final = 0.002
IDLE_TURN_S: Final = 0.02


class _Due(NamedTuple):
    at: float
    order: int
    client: NumberClient
    run: int
    draws: bool


class Rhythm:
    """One loop looks at what is due: a timer for each of 16,000 rhythms would cost more than the sending.

    Beats stand on a grid of their own, so that lateness never adds up.
    """

    def __init__(self) -> None:
        self.late_s = 0.0
        """By how much something was sent too late, at most."""
        self._due: list[_Due] = []
        self._order = 0
        self._has_stopped = False

    def begin(self, client: NumberClient, *, phase_s: float = VALUE_EVERY_S, now: float | None = None) -> None:
        """Have a client that was just connected live, for as long as it is; the first value in `phase_s`."""
        now = perf_counter() if now is None else now
        self._put(_Due(now + phase_s, 0, client, client.runs, draws=False))
        self._put(_Due(now + _draw_after_s(), 0, client, client.runs, draws=True))

    def stop(self) -> None:
        """Nothing is due any more, for anybody; who begins later does not either."""
        self._has_stopped = True
        self._due.clear()

    async def keep(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            self.turn(perf_counter())
            # Who begins meanwhile has nothing due for a long while.
            wait_s = self._due[0].at - perf_counter() if self._due else IDLE_TURN_S
            await asyncio.sleep(min(max(wait_s, TURN_S), IDLE_TURN_S))

    def turn(self, now: float) -> None:
        """Send what is due at this time of `time.perf_counter`."""
        while self._due and self._due[0].at <= now:
            self._do(heapq.heappop(self._due), now)

    def _do(self, due: _Due, now: float) -> None:
        client = due.client
        if not client.is_live or client.runs != due.run:
            return
        self.late_s = max(self.late_s, now - due.at)
        if due.draws:
            client.draw()
            self._put(due._replace(at=due.at + _draw_after_s()))
        else:
            client.send_value()
            # Beats that were slept through are lost: a burst would only run into the server's limit.
            missed = max(0, int((now - due.at) / VALUE_EVERY_S))
            self._put(due._replace(at=due.at + VALUE_EVERY_S * (1 + missed)))

    def _put(self, due: _Due) -> None:
        if not self._has_stopped:
            self._order += 1
            heapq.heappush(self._due, due._replace(order=self._order))


def _draw_after_s() -> float:
    return random.uniform(*DRAW_AFTER_S)  # noqa: S311  # no secret
