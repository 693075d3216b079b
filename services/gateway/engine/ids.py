"""Session ids: secrets, because who knows one may poll in its client's name."""

from __future__ import annotations

import base64
import os
from typing import Final

_BYTES: Final = 15
_AT_ONCE: Final = 256

_random: list[bytes] = []


def new_id() -> str:
    """120 random bits, URL-safe. The kernel is asked once for many: a system call each is 3 % of a connect."""
    if not _random:
        drawn = os.urandom(_BYTES * _AT_ONCE)
        _random.extend(drawn[start : start + _BYTES] for start in range(0, len(drawn), _BYTES))
    return base64.urlsafe_b64encode(_random.pop()).decode()
