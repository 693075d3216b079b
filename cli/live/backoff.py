"""How long to wait before the next try."""

from __future__ import annotations

import random
from typing import Final

FIRST_S: Final = 0.4
MOST_S: Final = 5.0

_CHANCE: Final = random.SystemRandom()


def wait_s(failures: int, chance: random.Random = _CHANCE) -> float:
    """Doubles up to 5 s, and half of it is chance: thousands that lost one gateway must not come back as one.

    `failures` are those in a row, 0 for the first try after a loss.
    """
    most = min(MOST_S, FIRST_S * 2.0 ** min(failures, 10))
    return most / 2 + chance.random() * most / 2
