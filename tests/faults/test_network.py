"""Packets between a process and Redis are lost one way, both ways, or by chance, in the kernel's own network.

Makes a network namespace, and so needs root: `make faults`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from tests.cases import Case
from tests.conftest import free_port
from tests.faults.deployment import Deployment, Program
from tests.faults.line import Direction
from tests.faults.network import Apart, apart
from tests.faults.people import Person, crowd, everybody_acked, more_acks, nothing_is_lost, under_load
from tests.stopwatch import Stopwatch

pytestmark = [pytest.mark.long, pytest.mark.alone]

PEOPLE = 8
UNREADY_WITHIN_S = 5.0
WELL_WITHIN_S = 10.0
LOSSY_FOR_ACKS = 100

LOSSES: dict[str, tuple[Direction, ...]] = {
    "to Redis": ("to Redis",),
    "from Redis": ("from Redis",),
    "both ways": ("to Redis", "from Redis"),
}


@pytest.fixture
async def net(deployment: Deployment) -> AsyncIterator[Apart]:
    """Redis listens for it, too; all others go on with the Unix socket."""
    port = free_port()
    with apart(port) as net:
        deployment.redis.kill()
        deployment.redis.start("--port", str(port), "--bind", net.outside, "--protected-mode", "no")
        yield net


def url_of(net: Apart) -> str:
    return f"redis://{net.outside}:{net.redis_port}/0"


@pytest.mark.parametrize("where", LOSSES)
async def test_a_gateway_whose_packets_are_lost(
    deployment: Deployment, net: Apart, where: str, chance: Random, report: Callable[[Case], None]
) -> None:
    _, _, other = await deployment.start_all("auth", "numbers", "gateway")
    hurt = await deployment.start("gateway", place=net.place, redis_url=url_of(net))
    await hurt.becomes("ready")
    loop = asyncio.get_running_loop()
    async with crowd(deployment.http, [hurt.url, other.url], PEOPLE) as people:
        here, there = people[::2], people[1::2]
        since = [person.mark() for person in here]
        async with under_load(people, chance):
            await more_acks(people, chance.randrange(100, 500))
            net.drop(*LOSSES[where])
            with Stopwatch() as unready:
                await hurt.becomes("unready")
            await everybody_acked(there)
            await hurt.stays("unready", until=loop.time() + 5)
            net.mend()
            with Stopwatch() as well:
                await hurt.becomes("ready")
            await everybody_acked(people)
        for person, mark in zip(here, since, strict=True):
            await person.hears("session:resync", since=mark)
        await check(people, other)
        assert not any(person.refusals for person in there)
    report(case(f"gateway, 100 % lost {where}", unready, well))


@pytest.mark.parametrize("where", LOSSES)
async def test_a_service_whose_packets_are_lost(
    deployment: Deployment, net: Apart, where: str, chance: Random, report: Callable[[Case], None]
) -> None:
    _, gateway = await deployment.start_all("auth", "gateway")
    hurt = await deployment.start("numbers", place=net.place, redis_url=url_of(net))
    await hurt.becomes("ready")
    (standby,) = await deployment.start_all("numbers")
    async with crowd(deployment.http, [gateway.url], PEOPLE) as people:
        async with under_load(people, chance):
            await more_acks(people, chance.randrange(100, 500))
            net.drop(*LOSSES[where])
            with Stopwatch() as unready:
                await hurt.becomes("unready")
            await standby.becomes("ready")
            await everybody_acked(people)
            net.mend()
            with Stopwatch() as well:
                await hurt.becomes("standby")
            await everybody_acked(people)
        await check(people, gateway)
    report(case(f"service, 100 % lost {where}", unready, well))


async def test_a_gateway_and_a_service_of_which_every_third_packet_is_lost(
    deployment: Deployment, net: Apart, chance: Random, report: Callable[[Case], None]
) -> None:
    """Nothing is promised of how fast that is; what is acknowledged holds, and it is forgotten once it is over."""
    await deployment.start_all("auth")
    numbers = await deployment.start("numbers", place=net.place, redis_url=url_of(net))
    hurt = await deployment.start("gateway", place=net.place, redis_url=url_of(net))
    await asyncio.gather(numbers.becomes("ready"), hurt.becomes("ready"))
    async with crowd(deployment.http, [hurt.url], PEOPLE) as people:
        async with under_load(people, chance, hurt.url):
            await more_acks(people, 200)
            net.drop("to Redis", "from Redis", share=0.3)
            await more_acks(people, LOSSY_FOR_ACKS)
            net.mend()
            await asyncio.gather(*(program.becomes("ready") for program in (numbers, hurt)))
            await everybody_acked(people)
        refusals = sum(sum(person.refusals.values()) for person in people)
        await check(people, hurt)
    report(Case("30 % of all packets lost", "lost 0", f"lost 0, {refusals} calls refused"))


async def check(people: list[Person], gateway: Program) -> None:
    await nothing_is_lost(people, gateway.url)
    assert [person.ends for person in people] == [[]] * PEOPLE
    assert {code for person in people for code in person.refusals} <= {"unavailable", "timeout"}


def case(name: str, unready: Stopwatch, well: Stopwatch) -> Case:
    expected = f"unready within {UNREADY_WITHIN_S:g} s, well within {WELL_WITHIN_S:g} s, lost 0"
    assert unready.seconds < UNREADY_WITHIN_S
    assert well.seconds < WELL_WITHIN_S
    return Case(name, expected, f"unready {unready.seconds:.1f} s, well {well.seconds:.1f} s, lost 0")
