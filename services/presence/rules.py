"""The rules of presence, pure: how names are compared, and times written."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime


def folded(text: str) -> str:
    """As it is searched and sorted: without case, accents and needless spaces, so that "jose" finds "José"."""
    plain = (char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return " ".join("".join(plain).casefold().split())


def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO-8601 in UTC."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
