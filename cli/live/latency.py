"""How long answers take, counted in buckets: bounded in memory however long it goes on."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

LEAST_S: Final = 10e-6
GROWTH: Final = 1.02
"""Each bucket is this much wider than the one before: a percentile is at most 2 % too high."""
BUCKETS: Final = 900
"""Up to nine minutes."""

_MOST_S: Final = [LEAST_S * GROWTH**bucket for bucket in range(BUCKETS - 1)]
"""What is still in each bucket but the last, which has all the rest."""


class Latencies:
    __slots__ = ("_counts",)

    def __init__(self, counts: Sequence[int] = (0,) * BUCKETS) -> None:
        self._counts = list(counts)

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_MOST_S, seconds)] += 1  # searching costs half of what a logarithm does

    @property
    def count(self) -> int:
        return sum(self._counts)

    def copy(self) -> Latencies:
        return Latencies(self._counts)

    def since(self, earlier: Latencies) -> Latencies:
        """Those that were added after `earlier` was copied from here."""
        return Latencies([now - then for now, then in zip(self._counts, earlier._counts, strict=True)])

    def percentile(self, share: float) -> float | None:
        """What `share` of all do not exceed, in seconds, rounded up to its bucket. None where there are none."""
        rank = max(1, math.ceil(self.count * share))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return float(LEAST_S * GROWTH**bucket)
        return None
