"""The kit's own metrics. Labels are names from contracts or codes, never ids."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from pulso import tallies

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

BUS_RECONNECTS = Counter("pulso_bus_reconnects", "Times a link to Redis was lost and made anew.")
BUS_PROBES_MISSED = Counter("pulso_bus_probes_missed", "Probes that did not come back through Redis in time.")
BUS_BROKEN_FRAMES = Counter("pulso_bus_broken_frames", "Messages on the bus that could not be decoded.")
BUS_BATCH_SIZE = tallies.Histogram(
    "pulso_bus_batch_size", "Envelopes in one message on the bus.", (), buckets=SIZES
)
BUS_LAG_SECONDS = tallies.Histogram(
    "pulso_bus_lag_seconds", "Seconds from the publishing of a probe to its delivery.", (), buckets=SECONDS
)

LOOP_LAG_SECONDS = tallies.Histogram(
    "pulso_loop_lag_seconds", "Seconds that the event loop came late to a timer.", (), buckets=SECONDS
)

LOG_LINES_LOST = Counter("pulso_log_lines_lost", "Lines of the log that its disk or pipe did not take.")

CALLS = tallies.Tally("pulso_calls", "Calls answered by a service.", ("endpoint", "outcome"))
CALL_SECONDS = tallies.Histogram(
    "pulso_call_seconds", "Seconds from a call's arrival to its reply.", ("endpoint",), buckets=SECONDS
)
CALLS_IN_HAND = Gauge("pulso_calls_in_hand", "Calls taken and not answered yet.", ("service",))

COMMITS = Counter("pulso_commits", "Transactions committed.", ("store",))
COMMIT_SIZE = Histogram("pulso_commit_size", "Changes in one transaction.", ("store",), buckets=SIZES)
COMMIT_SECONDS = Histogram("pulso_commit_seconds", "Seconds for one transaction.", ("store",), buckets=SECONDS)

SHARDS_ACTIVE = Gauge("pulso_shards_active", "Shards that this instance serves now.", ("service",))
