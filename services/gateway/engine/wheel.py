"""One timer for many deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Calls `on_due` for each member when its time has come: never late, early by less than a tick.

    `on_due` answers in how many seconds the member is due again, or None to let it go. Members are not taken out
    before: whoever is closed meanwhile is let go when its slot comes. So a member costs eight bytes and no timer,
    and a pong costs nothing.
    """

    def __init__(self, tick_s: float, on_due: Callable[[T], float | None]) -> None:
        self._tick_s = tick_s
        self._on_due = on_due
        self._slots: dict[int, list[T]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0

    def put(self, member: T, after_s: float) -> None:
        loop = asyncio.get_running_loop()
        tick = int((loop.time() + after_s) / self._tick_s)
        slot = self._slots.get(tick)
        if slot is not None:
            slot.append(member)
            return
        self._slots[tick] = [member]
        if self._timer is None or tick < self._next:
            self._arm(tick)

    def stop(self) -> None:
        self._slots.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = tick
        self._timer = asyncio.get_running_loop().call_at(tick * self._tick_s, self._turn)

    def _turn(self) -> None:
        self._timer = None
        # A wait shorter than a tick would land in the slot that is being emptied.
        shortest_s = self._tick_s
        for member in self._slots.pop(self._next, ()):
            again_s = self._on_due(member)
            if again_s is not None:
                self.put(member, max(again_s, shortest_s))
        if self._slots and (self._timer is None or min(self._slots) < self._next):
            self._arm(min(self._slots))
