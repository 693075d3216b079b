"""Leases: one active instance a shard, shared fairly, taken over when the holder is gone."""

from __future__ import annotations

import asyncio
import secrets
import signal
from typing import Any

import pytest

from pulso.lease import End, redis_client
from tests.kit.leases import TAKEN_OVER_WITHIN_S, House, Instance, began, held_for, settled
from tests.redis_server import await_line
from tests.waiting import PATIENCE_S, eventually


async def test_one_of_two_serves_and_the_other_takes_over_at_once_when_it_leaves(redis_url: str) -> None:
    house = House(redis_url, 1)
    async with house.instance() as standby:
        async with house.instance() as other:
            await settled(standby, other, shards=1)
            assert sorted((len(standby.serves), len(other.serves))) == [0, 1]
        await settled(standby, shards=1, within_s=2)
        assert not other.serves


async def test_killed_holder_is_replaced_in_time(redis_url: str) -> None:
    house = House(redis_url, 1)
    with house.process() as process:
        began(process)
        async with house.instance() as standby:
            await eventually(lambda: standby.leases._renewed_at)
            assert not standby.serves
            process.send_signal(signal.SIGKILL)
            await settled(standby, shards=1)


async def test_paused_holder_finds_its_lease_lost_and_stops(redis_url: str) -> None:
    house = House(redis_url, 1)
    with house.process() as process:
        began(process)
        process.send_signal(signal.SIGSTOP)
        async with house.instance() as standby:
            await settled(standby, shards=1)
            process.send_signal(signal.SIGCONT)
            assert process.stdout is not None
            await asyncio.to_thread(await_line, process, process.stdout, "end 0", PATIENCE_S)
            assert standby.serves == {0}


async def test_who_is_not_fit_leaves_the_shard_to_the_one_who_is_and_takes_it_again(redis_url: str) -> None:
    house = House(redis_url, 1)
    async with house.instance() as first:
        await settled(first, shards=1)
        first.is_fit = False
        async with house.instance() as second:
            await eventually(lambda: second.serves == {0}, within_s=2 * TAKEN_OVER_WITHIN_S)
            assert first.serves == set()
            first.is_fit = True
        await settled(first, shards=1, within_s=2 * TAKEN_OVER_WITHIN_S)


async def test_two_instances_share_two_shards_and_the_late_one_gets_its_own(redis_url: str) -> None:
    house = House(redis_url, 2)
    async with house.instance() as first:
        await settled(first, shards=2)
        async with house.instance() as second:
            await eventually(lambda: len(first.serves) == len(second.serves) == 1)
            await settled(first, second, shards=2)
        await settled(first, shards=2)


async def test_slow_beginning_keeps_its_lease_and_those_of_its_neighbours(redis_url: str) -> None:
    """A store that is migrated, or waited for, takes longer than a lease lives."""
    house = House(redis_url, 2)
    async with house.instance() as first:
        await eventually(lambda: first.serves == {0})
        first.gate.clear()
        await eventually(lambda: first.began == 2)
        assert await held_for(redis_url, house, first, {0, 1}, seconds=3.5)
        first.gate.set()
        await settled(first, shards=2)


async def test_slow_ending_keeps_the_lease_until_it_has_ended(redis_url: str) -> None:
    """While calls in hand are finished, nobody else may begin."""
    house = House(redis_url, 1)
    async with house.instance() as first:
        await settled(first, shards=1)
        first.brake.clear()
        first.leases.report_broken(0)
        assert await held_for(redis_url, house, first, {0}, seconds=3.5)
        assert first.began == 1
        first.brake.set()
        await eventually(lambda: first.began == 2)


@pytest.mark.parametrize("while_renewed", [0, 1])
async def test_what_was_let_go_during_a_renewal_is_not_taken_back(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, while_renewed: int
) -> None:
    """Else nobody would serve it for as long as a lease lives."""
    async with redis_client(redis_url) as redis:
        prefix = f"t-{secrets.token_hex(4)}"
        leases = Instance(redis, prefix, shards=2).leases
        leases.held = {0, 1}
        hold = leases._hold

        async def meanwhile(shard: int) -> bool:
            if shard == while_renewed:
                await leases._let_go(1)
            return await hold(shard)

        monkeypatch.setattr(leases, "_hold", meanwhile)
        await leases._renew()
        assert await redis.exists(f"{prefix}:lease:echo:0")
        assert not await redis.exists(f"{prefix}:lease:echo:1")


async def test_who_has_left_is_counted_no_more_though_a_beat_was_under_way(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the others would leave it a share for as long as a sign of life counts."""
    async with redis_client(redis_url) as redis:
        prefix = f"t-{secrets.token_hex(4)}"
        one = Instance(redis, prefix, shards=1)
        beat, leave = one.leases._beat, one.leases._leave
        stop, has_left = asyncio.Event(), asyncio.Event()

        async def last_beat(**what: Any) -> Any:
            if stop.is_set():
                await has_left.wait()
            return await beat(**what)

        async def leave_before_it(end: End) -> None:
            await leave(end)
            has_left.set()

        monkeypatch.setattr(one.leases, "_beat", last_beat)
        monkeypatch.setattr(one.leases, "_leave", leave_before_it)
        running = asyncio.create_task(one.leases.run(one.begin, one.end, stop))
        await settled(one, shards=1)
        stop.set()
        await running
        assert await redis.zcard(f"{prefix}:instances:echo") == 0


async def test_shard_that_cannot_start_is_tried_again_by_anybody(redis_url: str) -> None:
    house = House(redis_url, 1)
    async with house.instance() as first:
        first.fault = KeyError("no such thing")
        await eventually(lambda: first.began >= 2)
        async with house.instance() as second:
            await eventually(lambda: second.serves == {0})
            assert not first.serves


async def test_broken_shard_is_started_again(redis_url: str) -> None:
    house = House(redis_url, 1)
    async with house.instance() as only:
        await settled(only, shards=1)
        only.leases.report_broken(0)
        await eventually(lambda: only.began == 2 and only.serves == {0})
