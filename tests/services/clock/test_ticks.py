"""The ticks on a clock that the tests turn: an hour of them, late sleeps, pauses, a clock that is set."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest

from pulso.bus import Bus
from pulso.channels import Channels
from pulso.message import Tell
from pulso.push import Push
from pulso.shard import Context
from services.clock.__main__ import tick
from services.clock.contract import Time

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Over(Exception):
    """The time of the test is over."""


@dataclass
class Clock:
    """Stands in for the bus, the time and sleep: an hour passes at once. Each sleep takes too long by chance."""

    at: datetime = NOON + timedelta(seconds=0.4)
    until: datetime = NOON + timedelta(hours=1, seconds=0.4)
    late_s: float = 0.02
    pauses: dict[datetime, float] = field(default_factory=dict)
    told: list[tuple[datetime, Tell]] = field(default_factory=list)
    channels: Channels = field(default_factory=lambda: Channels("test"))
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def send(self, channel: str, envelope: Tell) -> None:
        assert channel == self.channels.topic("clock.ticks")
        self.told.append((self.at, envelope))

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds + self.chance.uniform(0, self.late_s))
        for begin in [begin for begin in self.pauses if begin <= self.at]:
            self.at += timedelta(seconds=self.pauses.pop(begin))
        if self.at > self.until:
            raise Over

    async def run(self, tmp_path: Any) -> list[datetime]:
        """The seconds that were told."""
        bus = cast(Bus, self)
        context = Context(0, 1, tmp_path, bus, Push(bus), now=lambda: self.at)
        with pytest.raises(Over):
            await tick(context, sleep=self.sleep)
        return [datetime.fromisoformat(msgspec.json.decode(t.payload, type=Time).now) for _, t in self.told]


async def test_an_hour_has_3600_ticks_each_on_its_second(tmp_path: Any) -> None:
    clock = Clock()
    seconds = await clock.run(tmp_path)
    assert seconds == [NOON + timedelta(seconds=number) for number in range(1, 3601)]
    late = [(at - second).total_seconds() for (at, _), second in zip(clock.told, seconds, strict=True)]
    assert min(late) >= 0
    assert max(late) <= clock.late_s  # the last as little as the first: nothing adds up


async def test_a_tick_says_when_it_is_in_utc_with_milliseconds(tmp_path: Any) -> None:
    clock = Clock(until=NOON + timedelta(seconds=1.5))
    await clock.run(tmp_path)
    ((_, tell),) = clock.told
    assert (tell.event, tell.payload) == ("clock:tick", b'{"now":"2026-01-01T12:00:01.000Z"}')


async def test_after_a_pause_no_tick_is_told_for_a_second_that_is_over(tmp_path: Any) -> None:
    pause = {NOON + timedelta(seconds=3): 7.6}
    seconds = await Clock(until=NOON + timedelta(seconds=15.5), pauses=pause, late_s=0.001).run(tmp_path)
    assert [(second - NOON).total_seconds() for second in seconds] == [1, 2, 11, 12, 13, 14, 15]


async def test_a_tick_that_is_held_up_a_little_is_told_all_the_same(tmp_path: Any) -> None:
    pause = {NOON + timedelta(seconds=3): 0.3}
    seconds = await Clock(until=NOON + timedelta(seconds=5.5), pauses=pause, late_s=0.001).run(tmp_path)
    assert [(second - NOON).total_seconds() for second in seconds] == [1, 2, 3, 4, 5]
