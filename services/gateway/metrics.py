"""The gateway's own metrics."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

from pulso import tallies
from pulso.metrics import SECONDS
from pulso.tallies import Tally

CONNECTIONS = Gauge("pulso_connections", "Sockets connected to this gateway.")
# Labelled with the endpoints of manifests and with what services send, never with what a client has written.
UNKNOWN: Final = "unknown"
RECEIVED = Tally(
    "pulso_events_received", "Events from clients, by endpoint and by what was answered.", ("event", "outcome")
)
SENT = Tally("pulso_events_sent", "Events to clients, one for each recipient.", ("event",))
ACK_SECONDS = tallies.Histogram(
    "pulso_ack_seconds",
    "Seconds from an event's or a request's arrival to its answer, at the gateway.",
    ("endpoint",),
    buckets=SECONDS,
)
OUTBOX_BYTES = Gauge("pulso_outbox_bytes", "Bytes that wait for clients to read them.")
SLOW_CLOSES = Counter("pulso_slow_closes", "Sockets closed because their client did not read.")
FLOOD_CLOSES = Counter("pulso_flood_closes", "Sockets closed because their client sent far more than it may.")
RESYNCS = Counter("pulso_resyncs", "Times all clients were told to fetch what they may have missed.")
JOURNAL_DROPPED = Counter("pulso_journal_dropped", "Journal records dropped: the disk had no room for them.")
JOURNAL_SPOOL_BYTES = Gauge(
    "pulso_journal_spool_bytes", "Disk used for journal records that are not stored yet, or were just now."
)


def value_of(counter: Counter) -> float:
    """What a counter without labels has counted."""
    (family,) = counter.collect()
    return next(sample.value for sample in family.samples if sample.name.endswith("_total"))
