"""The clock killed or paused, Redis restarted: the ticks go on soon, and no second comes twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import pytest

from tests.faults.deployment import Deployment, Program
from tests.faults.people import Person, crowd
from tests.stopwatch import Stopwatch

TAKEOVER_S = 5.0
PEOPLE = 4


@dataclass(frozen=True, slots=True)
class Clocks:
    """Two gateways with people who hear the ticks, and two instances of the clock, of which one is active."""

    deployment: Deployment
    active: Program
    standby: Program
    people: list[Person]

    async def hear_on(self, count: int = 2) -> None:
        """Everybody hears so many more ticks."""
        marks = [person.mark() for person in self.people]
        for person, mark in zip(self.people, marks, strict=True):
            await person.hears("clock:tick", since=mark, count=count)

    def check(self) -> None:
        """Nobody was told a second twice, or one after a later one."""
        for person in self.people:
            told = seconds_told(person)
            assert told == sorted(set(told)), person.name


@pytest.fixture
async def clocks(deployment: Deployment) -> AsyncIterator[Clocks]:
    _, _, *gateways, one, two = await deployment.start_all(
        "auth", "numbers", "gateway", "gateway", "clock", "clock"
    )
    active, standby = (one, two) if await one.status() == "ready" else (two, one)
    assert await standby.status() == "standby"
    async with crowd(deployment.http, [gateway.url for gateway in gateways], PEOPLE) as people:
        running = Clocks(deployment, active, standby, people)
        await running.hear_on()
        yield running


@pytest.mark.quiet
async def test_a_standby_ticks_within_5_s_when_the_active_instance_is_killed(clocks: Clocks) -> None:
    with Stopwatch() as watch:
        await clocks.active.kill()
        killed_at = datetime.now(UTC)
        await clocks.hear_on()
    clocks.check()
    for person in clocks.people:
        first = min(second for second in seconds_told(person) if second > killed_at)
        assert (first - killed_at).total_seconds() < TAKEOVER_S * watch.slowness


async def test_an_instance_that_hung_does_not_tick_for_seconds_that_another_has_told(
    clocks: Clocks, chance: Random
) -> None:
    clocks.active.pause()
    await clocks.hear_on(count=chance.randint(1, 4))
    clocks.active.resume()
    await clocks.active.becomes("standby")
    await clocks.hear_on(count=3)
    clocks.check()


async def test_the_ticks_go_on_when_redis_was_restarted(clocks: Clocks) -> None:
    clocks.deployment.redis.restart()
    await clocks.hear_on(count=3)
    clocks.check()


def seconds_told(person: Person) -> list[datetime]:
    return [datetime.fromisoformat(tick["now"]) for tick in person.heard("clock:tick")]
