"""The gateway's own metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from pulso.tallies import Tally

CONNECTIONS = Gauge("pulso_connections", "Sockets connected to this gateway.")
RECEIVED = Tally("pulso_events_received", "Events from clients, by what was answered.", ("outcome",))
SENT = Tally("pulso_events_sent", "Events to clients, one for each recipient.", ())
SLOW_CLOSES = Counter("pulso_slow_closes", "Sockets closed because their client did not read.")
RESYNCS = Counter("pulso_resyncs", "Times all clients were told to fetch what they may have missed.")
JOURNAL_DROPPED = Counter("pulso_journal_dropped", "Journal records dropped: the disk had no room for them.")
JOURNAL_SPOOL_BYTES = Gauge(
    "pulso_journal_spool_bytes", "Disk used for journal records that are not stored yet, or were just now."
)
