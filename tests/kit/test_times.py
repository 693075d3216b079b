"""Times on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pulso.times import iso

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LISBON_IN_SUMMER = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOON, "2026-01-31T12:00:00.000Z"),
        (NOON.replace(microsecond=123_999), "2026-01-31T12:00:00.123Z"),
        (NOON.astimezone(LISBON_IN_SUMMER), "2026-01-31T12:00:00.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds(at: datetime, text: str) -> None:
    assert iso(at) == text
