"""How long answers take, counted in buckets: bounded in memory however long it goes on."""

from __future__ import annotations

import math
from array import array
from typing import Final

LEAST_S: Final = 10e-6
GROWTH: Final = 1.02
"""Each bucket is this much wider than the one before: a percentile is at most 2 % too high."""
BUCKETS: Final = 900
"""Up to nine minutes."""

_PER_LOG: Final = 1 / math.log(GROWTH)


class Latencies:
    def __init__(self, counts: array[int] | None = None) -> None:
        self._counts = array("Q", bytes(8 * BUCKETS)) if counts is None else counts

    def add(self, seconds: float) -> None:
        bucket = int(math.log(seconds / LEAST_S) * _PER_LOG) + 1 if seconds > LEAST_S else 0
        self._counts[min(bucket, BUCKETS - 1)] += 1

    @property
    def count(self) -> int:
        return sum(self._counts)

    def copy(self) -> Latencies:
        return Latencies(self._counts[:])

    def since(self, earlier: Latencies) -> Latencies:
        """Those that were added after `earlier` was copied from here."""
        return Latencies(array("Q", (now - then for now, then in zip(self._counts, earlier._counts, strict=True))))

    def percentile(self, share: float) -> float | None:
        """What `share` of all do not exceed, in seconds, rounded up to its bucket. None where there are none."""
        rank = max(1, math.ceil(self.count * share))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return float(LEAST_S * GROWTH**bucket)
        return None
