"""A clock that never runs by itself, for what measures intervals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Ticking:
    """Called, it tells its seconds; a test moves them on."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds
