"""Who is active: the numbers that changed within the last seconds, kept in memory as they were committed.

It spares the store a read for each change, and it is what the board shows. Nothing in it is ahead of a commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.numbers.contract import BoardRow, ValueAndStep

ACTIVE_FOR_S: Final = 5.0
MAX_ACTIVE: Final = 100_000
"""Users kept at the most, some 30 MB. Past this the longest unchanged leave early, and are read from the store."""


@dataclass(slots=True)
class Standing:
    """Where one active user's number stands, and since when by the clock of `Active`."""

    name: str
    value: int
    step: int
    changed_at: float = 0.0

    def told(self) -> ValueAndStep:
        return ValueAndStep(self.value, self.step)


class Active:
    """The active users, the longest unchanged first. `clock` tells seconds, and is never set."""

    def __init__(self, *, limit: int = MAX_ACTIVE, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._standings: dict[str, Standing] = {}
        self.get: Callable[[str], Standing | None] = self._standings.get
        self._limit = limit

    def put(self, user: str, standing: Standing) -> None:
        """The user's number has just changed."""
        standing.changed_at = self._clock()
        self._standings.pop(user, None)
        self._standings[user] = standing
        if len(self._standings) > self._limit:
            del self._standings[next(iter(self._standings))]

    def rows(self) -> list[BoardRow]:
        """Everybody who is active now; the others are forgotten."""
        self._forget(self._clock() - ACTIVE_FOR_S)
        return [BoardRow(who.name, who.value, who.step) for who in self._standings.values()]

    def _forget(self, before: float) -> None:
        gone = []
        for user, standing in self._standings.items():
            if standing.changed_at >= before:
                break
            gone.append(user)
        for user in gone:
            del self._standings[user]
