"""A disk that does not write or sync any more: nothing is acknowledged that is not kept, and all recovers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from random import Random
from time import perf_counter

import pytest

from tests.cases import Case
from tests.faults.conftest import PEOPLE, Pulso
from tests.faults.deployment import Program
from tests.faults.disks import injected, no_more_writing
from tests.faults.people import Person, everybody_acked, more_acks, nothing_is_lost, under_load
from tests.stopwatch import Stopwatch
from tests.waiting import eventually

RECOVERS_WITHIN_S = 15.0
STEADY_S = 2.5
"""Between two ticks of the clock, on a busy machine."""
EXPECTED = {"the store failed", "shard not started"}


@pytest.mark.quiet
async def test_a_disk_that_takes_no_write_ends_the_shard_and_costs_nothing_that_was_acknowledged(
    pulso: Pulso, people: list[Person], chance: Random, report: Callable[[Case], None]
) -> None:
    async with recovery(pulso, people, chance) as recovered:
        with no_more_writing(pulso.numbers, after_bytes=16_384):
            await pulso.numbers.becomes("unready")
            await eventually(lambda: is_refused(people[0]))
            for program in (pulso.auth, *pulso.gateways):
                await program.becomes("ready")
    report(recovered("numbers: no write works (EFBIG)"))


@pytest.mark.long
async def test_syncs_that_fail_are_never_acknowledged(
    pulso: Pulso, people: list[Person], chance: Random, report: Callable[[Case], None]
) -> None:
    async with recovery(pulso, people, chance) as recovered, injected(pulso.numbers, "error=EIO"):
        await pulso.numbers.becomes("unready")
        acks = [person.acks for person in people]
        await asyncio.sleep(3)
        assert [person.acks for person in people] == acks
    await pulso.numbers.kill()
    await pulso.numbers.start()
    await pulso.numbers.becomes("ready")
    await nothing_is_lost(people, pulso.urls[1])
    report(recovered("numbers: every sync fails (EIO)"))


@pytest.mark.long
async def test_one_sync_that_fails_leaves_nothing_in_doubt_behind(
    pulso: Pulso, people: list[Person], chance: Random, report: Callable[[Case], None]
) -> None:
    """The operating system says that the next one works: what the first one was to write may be gone."""
    async with recovery(pulso, people, chance) as recovered, injected(pulso.numbers, "error=EIO:when=1"):
        await pulso.numbers.becomes("unready")
    report(recovered("numbers: one sync fails (EIO)"))


@pytest.mark.long
@pytest.mark.parametrize("delay_s", [0.2, 2.0])
async def test_slow_syncs_slow_down_their_service_and_nobody_else(
    pulso: Pulso, people: list[Person], chance: Random, delay_s: float, report: Callable[[Case], None]
) -> None:
    await pulso.deployment.start_all("clock")
    async with under_load(people, chance):
        await more_acks(people, 200)
        async with injected(pulso.numbers, f"delay_enter={int(delay_s * 1_000_000)}"):
            commits, acks = await commits_of(pulso.numbers), sum(person.acks for person in people)
            slowest_s, longest_gap_s = await asyncio.gather(
                slowest_answer(people, rounds=3), steadiness(people[0])
            )
            commits = await commits_of(pulso.numbers) - commits
            acks = sum(person.acks for person in people) - acks
            assert await pulso.numbers.status() == "ready"
        await everybody_acked(people)
    await check(pulso, people)
    assert longest_gap_s < STEADY_S
    together = acks / max(1.0, commits)
    expected = f"acknowledged in groups, ticks at most {STEADY_S:g} s apart, lost 0"
    seen = f"{slowest_s:.1f} s for an answer, {together:.0f} a commit, ticks {longest_gap_s:.1f} s apart, lost 0"
    report(Case(f"numbers: each sync takes {delay_s:g} s", expected, seen))
    assert together > PEOPLE / 4


@contextlib.asynccontextmanager
async def recovery(pulso: Pulso, people: list[Person], chance: Random) -> AsyncIterator[Callable[[str], Case]]:
    """The disk of numbers fails within, under load; afterwards all is well by itself, and the case can be told."""
    pulso.deployment.expected |= EXPECTED
    took_s: list[float] = []
    async with under_load(people, chance):
        await more_acks(people, chance.randrange(100, 1_500))
        yield lambda name: case(name, *took_s)
        took_s.append(await recovers(pulso.numbers, people))
    await check(pulso, people)


async def is_refused(person: Person) -> bool:
    answer = await person.call("numbers:even")
    return bool(answer.get("error", {}).get("code") == "unavailable")


async def recovers(program: Program, people: list[Person]) -> float:
    """By itself, in seconds."""
    with Stopwatch() as watch:
        await program.becomes("ready")
    assert watch.seconds < RECOVERS_WITHIN_S
    await everybody_acked(people)
    return watch.seconds


async def check(pulso: Pulso, people: list[Person]) -> None:
    await nothing_is_lost(people, pulso.urls[0])
    assert {code for person in people for code in person.refusals} <= {"unavailable", "timeout"}
    assert not any(person.ends for person in people)


async def commits_of(program: Program) -> float:
    return await program.metric("pulso_commits_total")


async def slowest_answer(people: list[Person], *, rounds: int) -> float:
    """Until everybody got so many more of them."""
    slowest_s = 0.0
    for _ in range(rounds):
        began = perf_counter()
        await everybody_acked(people)
        slowest_s = max(slowest_s, perf_counter() - began)
    return slowest_s


async def steadiness(person: Person, *, ticks: int = 6) -> float:
    """The longest time between two ticks."""
    longest_s = 0.0
    since = person.mark()
    await person.hears("clock:tick", since=since)
    for count in range(2, ticks):
        began = perf_counter()
        await person.hears("clock:tick", since=since, count=count)
        longest_s = max(longest_s, perf_counter() - began)
    return longest_s


def case(name: str, recovered_s: float) -> Case:
    expected = f"unready, then ready by itself within {RECOVERS_WITHIN_S:g} s, lost 0"
    return Case(name, expected, f"ready after {recovered_s:.1f} s, lost 0")
