"""UUIDs of version 7 (RFC 9562, section 5.7): they sort by the time at which they were made."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable
from typing import Final

_COUNTER_BITS: Final = 12
_RANDOM_BITS: Final = 62


class Uuid7:
    """Makes ids that sort in the order in which they were made, whatever the clock does meanwhile.

    62 bits of each come from the operating system and from nothing that could be the same again: no restart and no
    other maker uses an id twice. The 12 bits between time and chance count within a millisecond (method 1 of
    section 6.2); where they run out, or the clock is set back, the time in the ids runs ahead of it.
    """

    def __init__(self, clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._clock_ms = clock_ms
        self._ms = -1
        self._count = 0

    def make(self) -> str:
        now = self._clock_ms()
        if now > self._ms:
            # Begun in the lower half, so that there is room to count.
            self._ms, self._count = now, secrets.randbits(_COUNTER_BITS - 1)
        else:
            self._count += 1
            if self._count >> _COUNTER_BITS:
                self._ms, self._count = self._ms + 1, secrets.randbits(_COUNTER_BITS - 1)
        version_and_count = 0x7 << _COUNTER_BITS | self._count
        variant_and_random = 0b10 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
        return str(uuid.UUID(int=self._ms << 80 | version_and_count << 64 | variant_and_random))
