"""Each process of a whole Pulso killed, and hung, under load: nothing is lost, and all works again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.cases import Case
from tests.faults.deployment import Deployment, Program
from tests.faults.whole import NO_DAMAGE, SERVICES, Damage, Whole, whole_pulso
from tests.stopwatch import Stopwatch

Report = Callable[[Case], None]

BACK_WITHIN_S: Final = 30.0
"""A process that is started again at once starts within 3 s or so, and a lease outlives its holder by 3 s."""
HANGS_FOR_S: Final = 7.0
"""Longer than a lease, and than a gateway may be silent."""
REDIS_HANGS_FOR_S: Final = 20.0
WARM_UP: Final = 5

pytestmark = pytest.mark.long


@pytest.fixture
async def whole(deployment: Deployment, tmp_path: Path, chance: Random) -> AsyncIterator[Whole]:
    async with whole_pulso(deployment, tmp_path, chance) as running:
        yield running


async def test_nothing_is_lost_when_a_process_is_killed(whole: Whole, report: Report) -> None:
    async def killed(program: Program) -> None:
        await program.kill()
        await program.start()

    async def redis_killed(*options: str) -> None:
        whole.deployment.redis.kill()
        whole.deployment.redis.start(*options)

    async def nginx_killed() -> None:
        whole.door.kill()  # and is started again by what runs it

    async def subscribers_cut_off() -> None:
        whole.deployment.redis.cut_off_subscribers(whole.chance, share=1.0)

    async def all_gateways_killed() -> None:
        await asyncio.gather(*map(killed, whole.gateways))

    async def everything_killed() -> None:
        whole.deployment.redis.kill()
        await asyncio.gather(*(program.kill() for program in (*whole.services.values(), *whole.gateways)))
        whole.deployment.redis.start()
        await asyncio.gather(*(program.start() for program in (*whole.services.values(), *whole.gateways)))

    faults: dict[str, Callable[[], Awaitable[None]]] = {
        **{f"{name} killed": _bind(killed, whole.services[name]) for name in SERVICES},
        "a gateway killed": _bind(killed, whole.chance.choice(whole.gateways)),
        "all three gateways killed": all_gateways_killed,
        "nginx killed": nginx_killed,
        "Redis killed, comes back empty": redis_killed,
        "all subscribers cut off": subscribers_cut_off,
        "all processes and Redis killed": everything_killed,
    }
    await _all_survived(whole, faults, report, within_s=BACK_WITHIN_S)


async def test_nothing_is_lost_when_a_process_hangs(whole: Whole, report: Report) -> None:
    async def hung(program: Program, for_s: float = HANGS_FOR_S) -> None:
        program.pause()
        await asyncio.sleep(for_s)
        program.resume()

    async def nginx_hung() -> None:
        whole.door.pause()
        await asyncio.sleep(HANGS_FOR_S)
        whole.door.resume()

    async def redis_hung() -> None:
        whole.deployment.redis.pause()
        await asyncio.sleep(REDIS_HANGS_FOR_S)
        whole.deployment.redis.resume()

    faults: dict[str, Callable[[], Awaitable[None]]] = {
        **{f"{name} hangs for {HANGS_FOR_S:g} s": _bind(hung, whole.services[name]) for name in SERVICES},
        f"a gateway hangs for {HANGS_FOR_S:g} s": _bind(hung, whole.chance.choice(whole.gateways)),
        f"nginx hangs for {HANGS_FOR_S:g} s": nginx_hung,
        f"Redis hangs for {REDIS_HANGS_FOR_S:g} s": redis_hung,
    }
    await _all_survived(whole, faults, report, within_s=BACK_WITHIN_S)


async def _all_survived(
    whole: Whole, faults: dict[str, Callable[[], Awaitable[None]]], report: Report, *, within_s: float
) -> None:
    """One after the other, each on a stack that works; the damage of each is that of all so far."""
    outcomes: dict[str, tuple[Damage, float]] = {}
    for name, break_ in faults.items():
        async with whole.busy():
            await whole.more_acks(WARM_UP)
            await break_()
            with Stopwatch() as back:
                await whole.works_again()
        damage = await whole.damage()
        outcomes[name] = damage, back.seconds
        expected = f"lost / twice / out of order 0 / 0 / 0, works again within {within_s:g} s"
        report(Case(name, expected, f"{damage}, {back.seconds:.1f} s"))
    assert [name for name, (damage, back_s) in outcomes.items() if damage != NO_DAMAGE or back_s > within_s] == []


def _bind(fault: Callable[[Program], Awaitable[None]], program: Program) -> Callable[[], Awaitable[None]]:
    return lambda: fault(program)
