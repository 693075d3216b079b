"""Whole seconds, without drift: each is waited for by the clock's own time, not by adding up pauses."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Final

LONGEST_WAIT_S: Final = 1.0


async def whole_seconds(
    now: Callable[[], datetime],
    *,
    ahead_s: float = 0.0,
    late_s: float = math.inf,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[int]:
    """Yields each whole second (since 1970) as it comes, or `ahead_s` before it, and none twice.

    Seconds that went by unheeded are passed over, and so is one that could only be yielded more than `late_s` late
    (this process was paused, or its loop was held up). A clock that is set back is followed, not waited for.
    """
    due = math.floor(now().timestamp() + ahead_s) + 1
    while True:
        wait_s = due - (now().timestamp() + ahead_s)
        if wait_s > LONGEST_WAIT_S:
            due -= math.ceil(wait_s - LONGEST_WAIT_S)
        elif wait_s > 0:
            await sleep(wait_s)  # a timer may end a little early: hence the loop
        else:
            if -wait_s <= late_s:
                yield due
            due = max(due, math.floor(now().timestamp() + ahead_s)) + 1
