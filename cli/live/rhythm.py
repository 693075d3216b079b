"""When each of many number clients is to send its next value, and to draw its next number."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Final

from cli.live.number_client import DRAW_AFTER_S, VALUE_EVERY_S, NumberClient

TURN_S: Final = 0.005
"""With 2 ms an event cost us a tenth more, at 8,800 a second: each turn wakes us, and the server."""
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

    `value_every_s` is from each value of a client to its next.
    """

    def __init__(self, *, value_every_s: float = VALUE_EVERY_S) -> None:
        self._value_every_s = value_every_s
        self.late_s = 0.0
        """By how much something was sent too late, at most."""
        self._beats: dict[int, list[_Beat]] = {}
        """By the number of the turn in which they are due."""
        self._turns: list[int] = []
        """A heap of these numbers."""
        self._has_stopped = False

    def begin(self, client: NumberClient, *, phase_s: float | None = None, now: float | None = None) -> None:
        """Have a client that was just connected live, for as long as it is.

        The first value is due in `phase_s`, or after as long as the others.
        """
        now = perf_counter() if now is None else now
        self._put(_Beat(now + (self._value_every_s if phase_s is None else phase_s), client, draws=False))
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
            frames = self._frames(self._beats.pop(heapq.heappop(self._turns)), now)
            # Preparing and sending each by itself costs 5 % more: one drives the other out of the caches.
            for send, frame in frames:
                send(frame)

    def _frames(self, beats: Iterable[_Beat], now: float) -> list[tuple[Callable[[bytes], None], bytes]]:
        """What each of these has to send, and by what; the next beats of all are put in their places."""
        frames = []
        value_every_s = self._value_every_s
        for beat in beats:
            client, at = beat.client, beat.at
            if not client.is_live or client.runs != beat.run:
                continue
            self.late_s = max(self.late_s, now - at)
            if beat.draws:
                frames.append((client.send, client.draw(at)))
                beat.at = at + _draw_after_s()
            else:
                frames.append((client.send, client.next_value(at)))
                beat.at = at + value_every_s
                if beat.at <= now:
                    # Beats that were slept through are lost: a burst would only run into the server's limit.
                    beat.at += value_every_s * int((now - at) / value_every_s)
            self._put(beat)
        return frames

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
