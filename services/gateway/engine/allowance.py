"""How much one client may send: a megabyte of tiny packets would take everybody else's turn for seconds."""

from __future__ import annotations

import math
from typing import Final

AT_ONCE: Final = 2.0
"""Seconds of what a client may send that it may send at once."""


class Allowance:
    """`per_second` packets on average, twice that at once; 0: no limit.

    Whoever receives one takes it from `left` without a call, which would cost more. What has come back meanwhile
    is added only where `left` is used up.
    """

    __slots__ = ("_per_second", "_since", "left")

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._since = now
        self.left = AT_ONCE * per_second if per_second else math.inf

    def is_exceeded(self, came: int, now: float) -> bool:
        """Whether the `came` packets taken last are more than there was, with what has come back since."""
        back = (now - self._since) * self._per_second
        self.left = min(AT_ONCE * self._per_second - came, self.left + back)
        self._since = now
        return self.left < 0
