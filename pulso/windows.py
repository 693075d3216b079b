"""What tallies have counted lately: the last minute of them, as differences between looks."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, NamedTuple

from pulso.reports import CallFigures
from pulso.tallies import Histogram, Tally, quantile

WINDOW_S: Final = 60.0
_FAILURES: Final = frozenset({"internal", "unavailable", "timeout"})


class _Look(NamedTuple):
    at: float
    spreads: dict[str, list[int]]
    failed: Counter[str]


class CallWindow:
    """Latencies and failures of the endpoints that `belongs` says yes to. `clock` tells seconds."""

    def __init__(
        self,
        latencies: Histogram,
        outcomes: Tally,
        belongs: Callable[[str], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._latencies = latencies
        self._outcomes = outcomes
        self._belongs = belongs
        self._clock = clock
        self._looks: deque[_Look] = deque([self._look()])

    def figures(self) -> tuple[CallFigures, ...]:
        """Those of endpoints that were called in the last minute, the most called first."""
        now = self._look()
        self._looks.append(now)
        while len(self._looks) > 2 and now.at - self._looks[1].at >= WINDOW_S:
            self._looks.popleft()
        before = self._looks[0]
        seconds = max(now.at - before.at, 0.001)
        found = []
        for endpoint, counts in now.spreads.items():
            earlier = before.spreads.get(endpoint) or [0] * len(counts)
            lately = [new - old for new, old in zip(counts, earlier, strict=True)]
            failed = now.failed[endpoint] - before.failed[endpoint]
            if (called := sum(lately)) or failed:
                p50_s, p99_s = (quantile(share, self._latencies.bounds, lately) for share in (0.5, 0.99))
                found.append(
                    CallFigures(
                        endpoint,
                        round(max(called, failed) / seconds, 2),
                        round(failed / seconds, 2),
                        round(p50_s * 1000, 2),
                        round(p99_s * 1000, 2),
                    )
                )
        return tuple(sorted(found, key=lambda figures: (-figures.per_s, figures.endpoint)))

    def _look(self) -> _Look:
        spreads = {
            labels[0]: list(spread.counts)
            for labels, spread in self._latencies.spreads.items()
            if self._belongs(labels[0])
        }
        failed: Counter[str] = Counter()
        for (endpoint, outcome), count in self._outcomes.counts.items():
            if outcome in _FAILURES:
                failed[endpoint] += count
        return _Look(self._clock(), spreads, failed)


class P99Lately:
    """Below which a histogram without labels has seen 99 of 100 values in the last minute."""

    def __init__(self, histogram: Histogram, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._spread = histogram.of()
        self._clock = clock
        self._looks: deque[tuple[float, list[int]]] = deque([(clock(), list(self._spread.counts))])

    def value(self) -> float:
        now = self._clock()
        self._looks.append((now, list(self._spread.counts)))
        while len(self._looks) > 2 and now - self._looks[1][0] >= WINDOW_S:
            self._looks.popleft()
        lately = [new - old for new, old in zip(self._spread.counts, self._looks[0][1], strict=True)]
        return quantile(0.99, self._spread.bounds, lately)


class Rate:
    """How fast a counter goes, between one question and the next."""

    def __init__(self, read: Callable[[], float], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._before = (clock(), read())

    def per_s(self) -> float:
        at, value = now = self._clock(), self._read()
        seconds = at - self._before[0]
        if seconds <= 0:
            return 0.0
        rate = (value - self._before[1]) / seconds
        self._before = now
        return round(rate, 2)
