"""A line to Redis that fails in one direction, or is slow: readiness says so, and all goes on when it is well.

The real thing, in the kernel's own network, is in `test_network`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random

import pytest

from tests.cases import Case
from tests.faults.deployment import Deployment, Program
from tests.faults.line import Direction, Line, line_to
from tests.faults.people import Person, crowd, everybody_acked, more_acks, nothing_is_lost, under_load
from tests.stopwatch import Stopwatch

PEOPLE = 8
UNREADY_WITHIN_S = 5.0
WELL_WITHIN_S = 10.0


@pytest.fixture
async def line(deployment: Deployment) -> AsyncIterator[Line]:
    async with line_to(deployment.redis.socket, "line") as line:
        yield line


@pytest.mark.quiet
async def test_a_gateway_that_cannot_speak_is_unready_and_tells_its_clients_when_it_can(
    deployment: Deployment, line: Line, chance: Random, report: Callable[[Case], None]
) -> None:
    _, _, other = await deployment.start_all("auth", "numbers", "gateway")
    (mute,) = await deployment.start_all("gateway", redis_url=line.url)
    async with crowd(deployment.http, [mute.url, other.url], PEOPLE) as people:
        here, there = people[::2], people[1::2]
        since = [person.mark() for person in here]
        unready, well = await broken_and_mended(mute, line, ("to Redis",), people, chance, unhurt=there)
        await asyncio.gather(
            *(one.hears("session:resync", since=mark) for one, mark in zip(here, since, strict=True))
        )
        await nothing_is_lost(people, other.url)
        assert [person.ends for person in people] == [[]] * PEOPLE
        assert {code for person in people for code in person.refusals} <= {"unavailable", "timeout"}
    report(case("a gateway whose words do not reach Redis", unready, well))


@pytest.mark.quiet
async def test_a_service_that_cannot_speak_is_unready_and_its_standby_serves(
    deployment: Deployment, line: Line, chance: Random, report: Callable[[Case], None]
) -> None:
    _, gateway = await deployment.start_all("auth", "gateway")
    (mute,) = await deployment.start_all("numbers", redis_url=line.url)
    (standby,) = await deployment.start_all("numbers")
    async with crowd(deployment.http, [gateway.url], PEOPLE) as people:
        unready, well = await broken_and_mended(mute, line, ("to Redis",), people, chance, instead=standby)
        await nothing_is_lost(people, gateway.url)
        assert [person.ends for person in people] == [[]] * PEOPLE
        assert {code for person in people for code in person.refusals} <= {"unavailable", "timeout"}
    report(case("a service whose words do not reach Redis", unready, well))


async def broken_and_mended(
    hurt: Program,
    line: Line,
    directions: Sequence[Direction],
    people: Sequence[Person],
    chance: Random,
    *,
    unhurt: Sequence[Person] = (),
    instead: Program | None = None,
) -> tuple[Stopwatch, Stopwatch]:
    """How long it took to say so, and to be well again."""
    async with under_load(people, chance):
        await more_acks(people, chance.randrange(100, 1_000))
        line.drop(*directions)
        with Stopwatch() as unready:
            await hurt.becomes("unready")
        if unhurt:
            await everybody_acked(unhurt)
        if instead is not None:
            await instead.becomes("ready")
            await everybody_acked(people)
        line.mend()
        with Stopwatch() as well:
            await hurt.becomes("standby" if instead else "ready")
        await everybody_acked(people)
    return unready, well


def case(name: str, unready: Stopwatch, well: Stopwatch) -> Case:
    expected = f"unready within {UNREADY_WITHIN_S:g} s, well within {WELL_WITHIN_S:g} s, lost 0"
    assert unready.seconds < UNREADY_WITHIN_S
    assert well.seconds < WELL_WITHIN_S
    return Case(name, expected, f"unready {unready.seconds:.1f} s, well {well.seconds:.1f} s, lost 0")


@pytest.mark.long
async def test_a_line_of_200_ms_there_and_back_slows_everything_down_and_breaks_nothing(
    deployment: Deployment, line: Line, chance: Random, report: Callable[[Case], None]
) -> None:
    line.delay_s = 0.1
    await deployment.start_all("auth")
    slow = await deployment.start_all("numbers", "gateway", redis_url=line.url)
    gateway = slow[1]
    async with crowd(deployment.http, [gateway.url], PEOPLE) as people:
        before = [await program.metric("pulso_bus_reconnects_total") for program in slow]
        async with under_load(people, chance):
            await more_acks(people, 200)
        assert [await program.metric("pulso_bus_reconnects_total") for program in slow] == before
        assert not any(person.refusals for person in people)
        await nothing_is_lost(people, gateway.url)
    report(
        Case("200 ms to Redis and back", "no refusal, no reconnect, lost 0", "no refusal, no reconnect, lost 0")
    )
