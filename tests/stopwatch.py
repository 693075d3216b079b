"""Seconds that are promised, measured on a machine that others use as well.

A promise in seconds is one for a machine that has time for us. So the time that passed is divided by how much
slower everything was meanwhile than on idle processors, of which samples are taken: the time of a piece of work by
the clock, and on the processor. On an idle machine the two are the same, and the time that passed is what counts.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Final, Self

SAMPLE_EVERY_S: Final = 0.2
WORK: Final = bytes(24 << 20)
"""Hashed in some twenty milliseconds, without the interpreter's lock. Whoever wants less gets it at once."""


class Stopwatch:
    """Runs from its making to the end of the block."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._passed: float | None = None
        self._samples = (0.0, 0.0)
        """Seconds of work by the clock, and on the processor."""
        self._stop = threading.Event()
        self._sampling = threading.Thread(target=self._sample, name="stopwatch", daemon=True)
        self._sampling.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._passed = time.monotonic() - self._began
        self._stop.set()
        self._sampling.join()

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, on a machine {self.slowness:.1f} times slower than idle"

    @property
    def slowness(self) -> float:
        """1 on an idle machine, 3 where two others want the same processor."""
        by_clock, on_processor = self._samples
        return max(1.0, by_clock / on_processor) if on_processor else 1.0

    @property
    def seconds(self) -> float:
        """How long it would have taken on an idle machine, so far or from the beginning to the end."""
        passed = time.monotonic() - self._began if self._passed is None else self._passed
        return passed / self.slowness

    def _sample(self) -> None:
        by_clock = on_processor = 0.0
        while True:
            clock, processor = time.perf_counter(), time.thread_time()
            hashlib.sha256(WORK)
            by_clock += time.perf_counter() - clock
            on_processor += time.thread_time() - processor
            self._samples = (by_clock, on_processor)
            if self._stop.wait(SAMPLE_EVERY_S):
                return
