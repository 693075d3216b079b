"""Whole seconds on a clock that the tests turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from pulso.seconds import whole_seconds

NOON = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())


class Clock:
    """Moves only while somebody sleeps; `early_s` is by how much a sleep falls short, at first."""

    def __init__(self, at: float, *, early_s: float = 0.0) -> None:
        self.at = at
        self.early_s = early_s
        self.slept: list[float] = []
        self.too_long: list[float] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds if seconds <= self.early_s else seconds - self.early_s

    async def oversleep(self, seconds: float) -> None:
        """Sleep, and for as long again as `too_long` says next."""
        await self.sleep(seconds + (self.too_long.pop(0) if self.too_long else 0.0))

    def seconds(self, *, ahead_s: float = 0.0) -> AsyncIterator[int]:
        return whole_seconds(self.now, ahead_s=ahead_s, sleep=self.sleep)


@pytest.mark.parametrize("early_s", [0.0, 0.001, 0.3])
async def test_each_second_comes_once_and_on_time(early_s: float) -> None:
    clock = Clock(NOON + 0.4, early_s=early_s)
    seconds = clock.seconds()
    for expected in range(NOON + 1, NOON + 120):
        assert await anext(seconds) == expected
        assert clock.at == pytest.approx(expected, abs=1e-4)
        clock.at += 0.013  # what a listener takes does not add up


async def test_seconds_come_ahead_by_as_much_as_is_asked() -> None:
    clock = Clock(NOON + 0.1)
    seconds = clock.seconds(ahead_s=0.2)
    for expected in range(NOON + 1, NOON + 20):
        assert await anext(seconds) == expected
        assert clock.at == pytest.approx(expected - 0.2, abs=1e-4)


async def test_seconds_that_went_by_unheeded_are_passed_over() -> None:
    clock = Clock(NOON + 0.5)
    seconds = clock.seconds()
    assert await anext(seconds) == NOON + 1
    clock.at = NOON + 7.25
    assert await anext(seconds) == NOON + 8
    assert clock.at == pytest.approx(NOON + 8, abs=1e-4)


async def test_a_second_that_comes_too_late_is_passed_over() -> None:
    clock = Clock(NOON + 0.5)
    seconds = whole_seconds(clock.now, late_s=0.5, sleep=clock.oversleep)
    clock.too_long = [0.4, 7.2, 0.6]
    assert await anext(seconds) == NOON + 1
    assert await anext(seconds) == NOON + 11
    assert clock.at == pytest.approx(NOON + 11, abs=1e-4)


async def test_a_clock_set_back_is_followed() -> None:
    clock = Clock(NOON + 0.5)
    seconds = clock.seconds()
    await anext(seconds)
    clock.at = NOON - 3600.5
    assert await anext(seconds) == NOON - 3600
    assert max(clock.slept) <= 1.0
