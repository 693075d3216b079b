"""What tallies have counted lately."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from pulso.tallies import Histogram, Tally, quantile
from pulso.windows import WINDOW_S, CallWindow, P99Lately, Rate

BOUNDS = (0.001, 0.01, 0.1, 1.0)


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def latencies() -> Histogram:
    return Histogram("t_seconds", "For tests.", ("endpoint",), buckets=BOUNDS, registry=CollectorRegistry())


@pytest.fixture
def outcomes() -> Tally:
    return Tally("t_calls", "For tests.", ("endpoint", "outcome"), registry=CollectorRegistry())


@given(st.lists(st.floats(0, 2), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_of_the_value_that_it_stands_for(values: list[float], share: float) -> None:
    counts = [0] * (len(BOUNDS) + 1)
    for value in values:
        counts[next((i for i, bound in enumerate(BOUNDS) if value <= bound), len(BOUNDS))] += 1
    exact = sorted(values)[max(0, math.ceil(share * len(values) - 1e-9) - 1)]
    found = quantile(share, BOUNDS, counts)
    bucket = next((i for i, bound in enumerate(BOUNDS) if exact <= bound), len(BOUNDS))
    low = (0.0, *BOUNDS)[bucket]
    assert low - 1e-12 <= found <= (*BOUNDS, BOUNDS[-1])[bucket] + 1e-12


def test_nothing_seen_is_zero() -> None:
    assert quantile(0.99, BOUNDS, [0] * 5) == 0.0


def test_calls_of_the_last_minute_are_told_and_older_ones_forgotten(
    clock: Clock, latencies: Histogram, outcomes: Tally
) -> None:
    latencies.of("a:old").observe(0.5, 10)
    window = CallWindow(latencies, outcomes, lambda name: name.startswith("a:"), clock=clock)
    latencies.of("a:new").observe(0.05, 30)
    latencies.of("b:other").observe(0.05, 30)
    outcomes.counts["a:new", "ok"] += 27
    outcomes.counts["a:new", "timeout"] += 3
    clock.at += 30
    (figures,) = window.figures()
    assert (figures.endpoint, figures.per_s, figures.failed_per_s) == ("a:new", 1.0, 0.1)
    assert 10 < figures.p50_ms < figures.p99_ms <= 100
    for _ in range(5):
        clock.at += WINDOW_S / 2
        last = window.figures()
    assert last == ()


def test_what_comes_late_is_seen_for_a_minute(clock: Clock) -> None:
    histogram = Histogram("t_lag", "For tests.", (), buckets=BOUNDS, registry=CollectorRegistry())
    lag = P99Lately(histogram, clock=clock)
    histogram.of().observe(0.5, 10)
    clock.at += 2
    assert lag.value() > 0.1
    clock.at += 2 * WINDOW_S
    lag.value()
    clock.at += 2
    assert lag.value() == 0.0


def test_a_rate_is_that_since_the_last_question(clock: Clock) -> None:
    counted = [100.0]
    rate = Rate(lambda: counted[0], clock=clock)
    counted[0], clock.at = 120.0, clock.at + 2
    assert rate.per_s() == 10.0
    clock.at += 2
    assert rate.per_s() == 0.0
    assert rate.per_s() == 0.0  # no time has gone by
