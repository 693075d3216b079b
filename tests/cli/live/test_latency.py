"""Percentiles out of buckets."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from cli.live.latency import GROWTH, LEAST_S, Latencies


def of(*seconds: float) -> Latencies:
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    return latencies


@given(st.lists(st.floats(0, 300), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_percentile_is_at_most_one_bucket_too_high(seconds: list[float], share: float) -> None:
    exact = sorted(seconds)[max(1, math.ceil(len(seconds) * share)) - 1]
    told = of(*seconds).percentile(share)
    assert told is not None
    assert exact <= told * (1 + 1e-9)
    assert told <= max(exact, LEAST_S) * GROWTH * (1 + 1e-9)


def test_of_nothing_there_is_no_percentile() -> None:
    assert of().percentile(0.5) is None


def test_only_what_came_since_is_counted() -> None:
    latencies = of(10.0)
    earlier = latencies.copy()
    latencies.add(0.001)
    lately = latencies.since(earlier)
    assert lately.count == 1
    assert math.isclose(lately.percentile(0.99) or 0, 0.001, rel_tol=0.03)
