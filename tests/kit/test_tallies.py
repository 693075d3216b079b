"""Counters that cost an addition are scraped as prometheus_client's own are."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from pulso.tallies import Histogram, Tally


def test_a_tally_is_scraped_with_its_labels() -> None:
    registry = CollectorRegistry()
    tally = Tally("calls", "Calls.", ("endpoint", "outcome"), registry=registry)
    tally.counts["a:b", "ok"] += 3
    tally.counts["a:b", "timeout"] += 1
    assert b'calls_total{endpoint="a:b",outcome="ok"} 3.0\n' in generate_latest(registry)


def test_a_tally_without_labels_is_there_before_the_first_count() -> None:
    registry = CollectorRegistry()
    tally = Tally("sent", "Sent.", (), registry=registry)
    assert b"sent_total 0.0\n" in generate_latest(registry)
    tally.counts[()] += 2
    assert b"sent_total 2.0\n" in generate_latest(registry)


def test_a_histogram_counts_each_value_in_its_bucket_and_all_above() -> None:
    registry = CollectorRegistry()
    spread = Histogram("seconds", "Seconds.", ("endpoint",), buckets=(0.1, 1.0), registry=registry).of("a:b")
    spread.observe(0.1)
    spread.observe(0.5, times=2)
    spread.observe(7.0)
    scraped = generate_latest(registry).decode()
    assert [line for line in scraped.splitlines() if not line.startswith("#")] == [
        'seconds_bucket{endpoint="a:b",le="0.1"} 1.0',
        'seconds_bucket{endpoint="a:b",le="1.0"} 3.0',
        'seconds_bucket{endpoint="a:b",le="+Inf"} 4.0',
        'seconds_count{endpoint="a:b"} 4.0',
        'seconds_sum{endpoint="a:b"} 8.1',
    ]
