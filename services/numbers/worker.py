"""A thread beside the event loop for what takes milliseconds, with a bound on what waits for it.

One thread, because its work holds the interpreter: a second one would finish nothing sooner. It is not niced: a
thread that the kernel sets aside while it holds the interpreter would hold up the loop as well.

After each piece of work it rests for as long as that took, so that at least half of the interpreter is the loop's.
A thread that works without a rest gives way only when it has been asked for 5 ms (`sys.getswitchinterval`), each
time that the loop wants to go on. Measured with everything in one process, on one core that others keep busy, too,
while 100 clients ask for F(100000) in a loop: the clock's ticks come 7 to 27 ms late (p99) with these rests, 32 to
51 ms without (`bench/rows/steady.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from prometheus_client import Gauge, Histogram

from pulso.errors import ServiceError

T = TypeVar("T")

MAX_WAITING: Final = 512
"""Pieces of work in hand at the most: what a slow machine does within a caller's deadline."""
MAX_WAITING_OF_ONE: Final = 64
"""Of these, for one user: more than a socket may ask for at once, less than would shut out the others."""
PATIENCE_S: Final = 5.0
"""Work that could not begin for so long is not begun: whoever asked for it has been told `timeout`."""

_WAITING = Gauge("pulso_numbers_work_waiting", "Pieces of work in hand, waiting ones included.")
_SECONDS = Histogram("pulso_numbers_work_seconds", "Seconds for one piece of work, without the wait.")


class Worker:
    """Close it at the end: what has not begun by then is cancelled."""

    def __init__(self, *, max_waiting: int = MAX_WAITING, max_of_one: int = MAX_WAITING_OF_ONE) -> None:
        self._max_waiting = max_waiting
        self._max_of_one = max_of_one
        self._waiting: Counter[str] = Counter()
        self._rests_until = 0.0  # the thread's own: nothing else reads it
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="numbers-worker")

    async def run(self, user: str, work: Callable[[], T]) -> T:
        """The result of `work`, in the order of asking.

        Raises `ServiceError("rate_limited")` where too much of this user waits, and `ServiceError("unavailable")`
        where too much of everybody does: nothing is queued then.
        """
        give_up_at = time.monotonic() + PATIENCE_S

        def timely() -> T:
            if time.monotonic() > give_up_at:
                raise ServiceError("timeout", "It was not done in time. Try again in a moment.")
            return self._work(work)

        with self._counted(user):
            return await asyncio.get_running_loop().run_in_executor(self._thread, timely)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _work(self, work: Callable[[], T]) -> T:
        """In the thread. The rest is before the next piece, so that nobody waits for it who has an answer."""
        time.sleep(max(0.0, self._rests_until - time.monotonic()))
        begun = time.monotonic()
        try:
            return work()
        finally:
            ended = time.monotonic()
            self._rests_until = ended + (ended - begun)
            _SECONDS.observe(ended - begun)

    @contextlib.contextmanager
    def _counted(self, user: str) -> Iterator[None]:
        if self._waiting[user] >= self._max_of_one:
            raise ServiceError("rate_limited", "You have asked for a lot at once. Wait for the answers first.")
        if self._waiting.total() >= self._max_waiting:
            raise ServiceError("unavailable", "Too many people are asking right now. Try again in a moment.")
        self._waiting[user] += 1
        _WAITING.inc()
        try:
            yield
        finally:
            _WAITING.dec()
            self._waiting[user] -= 1
            if not self._waiting[user]:
                del self._waiting[user]
