"""Times as they stand on the wire: ISO-8601 in UTC with milliseconds and `Z`."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(at: datetime) -> str:
    """`2026-01-31T12:00:00.000Z`; `at` knows its zone, and is cut to whole milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
