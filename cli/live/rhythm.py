"""When each of many number clients is to send its next value, and to draw its next number."""

from __future__ import annotations

import asyncio
import heapq
import random
from time import perf_counter
from typing import Final

from cli.live.number_client import DRAW_AFTER_S, VALUE_EVERY_S, NumberClient

TURN_S: Final = 0.002
IDLE_TURN_S: Final = 0.02


class _Beat:
    """The next of a client's values, or of its draws, is due `at`; in the client's `run` alone."""

    __slots__ = ("at", "client", "draws", "run")

    def __init__(self, at: float, client: NumberClient, *, draws: bool) -> None:
        self.at = at
        self.client = client
        self.run = client.runs
        self.draws = draws


class Rhythm:
    """One loop looks at what is due: a timer for each of 16,000 rhythms would cost more than the sending.

    Beats stand on a grid of their own, so that lateness never adds up. Those of one turn are kept together: a heap
    of all beats would cost as much as a client's message.
    """

    def __init__(self) -> None:
        self.late_s = 0.0
        """By how much something was sent too late, at most."""
        self._beats: dict[int, list[_Beat]] = {}
        """By the number of the turn in which they are due."""
        self._turns: list[int] = []
        """A heap of these numbers."""
        self._has_stopped = False

    def begin(self, client: NumberClient, *, phase_s: float = VALUE_EVERY_S, now: float | None = None) -> None:
        """Have a client that was just connected live, for as long as it is; the first value in `phase_s`."""
        now = perf_counter() if now is None else now
        self._put(_Beat(now + phase_s, client, draws=False))
        self._put(_Beat(now + _draw_after_s(), client, draws=True))

    def stop(self) -> None:
        """Nothing is due any more, for anybody; who begins later does not either."""
        self._has_stopped = True
        self._beats.clear()
        self._turns.clear()

    async def keep(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            self.turn(perf_counter())
            # Who begins meanwhile has nothing due for a long while.
            wait_s = self._turns[0] * TURN_S - perf_counter() if self._turns else IDLE_TURN_S
            await asyncio.sleep(min(max(wait_s, TURN_S), IDLE_TURN_S))

    def turn(self, now: float) -> None:
        """Send what is due at this time of `time.perf_counter`."""
        while self._turns and self._turns[0] * TURN_S <= now:
            for beat in self._beats.pop(heapq.heappop(self._turns)):
                self._do(beat, now)

    def _do(self, beat: _Beat, now: float) -> None:
        client = beat.client
        if not client.is_live or client.runs != beat.run:
            return
        self.late_s = max(self.late_s, now - beat.at)
        if beat.draws:
            client.draw()
            beat.at += _draw_after_s()
        else:
            client.send_value()
            # Beats that were slept through are lost: a burst would only run into the server's limit.
            missed = max(0, int((now - beat.at) / VALUE_EVERY_S))
            beat.at += VALUE_EVERY_S * (1 + missed)
        self._put(beat)

    def _put(self, beat: _Beat) -> None:
        if self._has_stopped:
            return
        turn = int(beat.at / TURN_S) + 1
        beats = self._beats.get(turn)
        if beats is None:
            beats = self._beats[turn] = []
            heapq.heappush(self._turns, turn)
        beats.append(beat)


def _draw_after_s() -> float:
    return random.uniform(*DRAW_AFTER_S)  # noqa: S311  # no secret
