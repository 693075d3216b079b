"""The journal's own metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

MESSAGES = Counter("pulso_journal_messages", "Messages stored in the journal.")
BATCHES = Counter("pulso_journal_batches", "Gateways' batches, by what was done with them.", ("verdict",))
BYTES = Gauge("pulso_journal_bytes", "What the journal takes of the disk.")
DELETED = Counter("pulso_journal_deleted", "Messages deleted for their age or the journal's size.", ("why",))
