"""Leases: one active instance a shard, shared fairly, taken over when the holder is gone, whatever Redis does."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from pulso.lease import GIVE_UP_AFTER_S, End, Leases, redis_client
from tests.conftest import REPOSITORY
from tests.redis_server import RedisServer, await_line
from tests.waiting import PATIENCE_S, eventually

TAKEN_OVER_WITHIN_S = 5.0


class Instance:
    """An instance and what it serves; `gate` holds up its beginnings, `brake` its endings."""

    def __init__(self, redis: Redis, prefix: str, shards: int) -> None:
        self.name = f"i-{secrets.token_hex(3)}"
        self.serves: set[int] = set()
        self.began = 0
        self.gate, self.brake = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.brake.set()
        self.fault: Exception | None = None
        self.is_fit = True
        self.leases = Leases(
            redis,
            prefix=prefix,
            service="echo",
            shards=shards,
            instance=self.name,
            is_fit=lambda: self.is_fit,
        )

    async def begin(self, shard: int) -> None:
        self.began += 1
        if self.fault is not None:
            raise self.fault
        await self.gate.wait()
        self.serves.add(shard)

    async def end(self, shard: int) -> None:
        await self.brake.wait()
        self.serves.discard(shard)


class House:
    """Instances of one service on one Redis."""

    def __init__(self, url: str, shards: int) -> None:
        self.prefix = f"t-{secrets.token_hex(4)}"
        self.shards = shards
        self._url = url

    @contextlib.asynccontextmanager
    async def instance(self) -> AsyncIterator[Instance]:
        async with redis_client(self._url) as redis:
            instance = Instance(redis, self.prefix, self.shards)
            stop = asyncio.Event()
            running = asyncio.create_task(instance.leases.run(instance.begin, instance.end, stop))
            try:
                yield instance
            finally:
                stop.set()
                await running

    @contextlib.contextmanager
    def process(self) -> Iterator[subprocess.Popen[str]]:
        """An instance in a process of its own; it says `begin` and `end` with the shard."""
        script = f"""
            import asyncio
            from pulso.lease import GIVE_UP_AFTER_S, Leases, redis_client

            async def say(word, shard):
                print(word, shard, flush=True)

            async def main():
                names = dict(prefix={self.prefix!r}, service="echo", instance="p")
                async with redis_client({self._url!r}) as redis:
                    leases = Leases(redis, shards={self.shards}, **names)
                    begin, end = (lambda shard, word=word: say(word, shard) for word in ("begin", "end"))
                    await leases.run(begin, end, asyncio.Event())

            asyncio.run(main())
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def began(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    while not process.stdout.readline().startswith("begin"):
        assert process.poll() is None


async def settled(*instances: Instance, shards: int, within_s: float = TAKEN_OVER_WITHIN_S) -> None:
    """Every shard is served, and by one instance."""

    def holds() -> bool:
        served = sorted(shard for instance in instances for shard in instance.serves)
        return served == list(range(shards))

    await eventually(holds, within_s=within_s)


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


@pytest.mark.alone
async def test_restarted_redis_that_forgot_all_leaves_the_holders_alone(own_redis: RedisServer) -> None:
    house = House(own_redis.url, 2)
    async with house.instance() as first, house.instance() as second:
        await eventually(lambda: len(first.serves) == len(second.serves) == 1)
        before = (set(first.serves), set(second.serves))
        own_redis.restart()
        async with Redis.from_url(own_redis.url) as admin:

            async def all_held() -> bool:
                return await admin.exists(*(f"{house.prefix}:lease:echo:{shard}" for shard in (0, 1))) == 2

            await eventually(all_held)
        assert (first.serves, second.serves) == before
        assert first.began + second.began <= 3  # the first may have begun both before the second came


async def test_without_redis_serving_ends_before_the_lease_does(own_redis: RedisServer) -> None:
    house = House(own_redis.url, 1)
    async with house.instance() as only:
        await settled(only, shards=1)
        own_redis.pause()
        await eventually(lambda: not only.serves, within_s=3.0)
        own_redis.resume()
        await settled(only, shards=1)


async def held_for(url: str, house: House, instance: Instance, shards: set[int], *, seconds: float) -> bool:
    """Whether the instance's leases of these shards never lapse: asked again and again for so long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with Redis.from_url(url) as admin:
        while loop.time() < until:
            for shard in shards:
                if await admin.get(f"{house.prefix}:lease:echo:{shard}") != instance.name.encode():
                    return False
            await asyncio.sleep(0.05)
    return True


async def test_a_dead_holders_lease_ends_in_time_though_the_clock_of_redis_was_set_back(redis_url: str) -> None:
    house = House(redis_url, 1)
    async with redis_client(redis_url) as redis:
        five_minutes_ms = 300_000
        later = time.time() * 1000 + five_minutes_ms
        await redis.set(f"{house.prefix}:lease:echo:0", "dead", px=five_minutes_ms)
        await redis.zadd(f"{house.prefix}:instances:echo", {"dead": later})
        async with house.instance() as alive:
            await settled(alive, shards=1)
            assert await redis.zrange(f"{house.prefix}:instances:echo", 0, -1) == [alive.name.encode()]


async def test_who_serves_goes_on_while_redis_takes_no_change(own_redis: RedisServer) -> None:
    """Its disk or its memory is full: nobody else can be given the lease either."""
    house = House(own_redis.url, 1)
    async with house.instance() as first, redis_client(own_redis.url) as redis:
        await settled(first, shards=1)
        await redis.config_set("maxmemory", 1)
        try:
            async with house.instance() as second:
                await asyncio.sleep(GIVE_UP_AFTER_S + 1)
                assert first.serves == {0}
                assert second.serves == set()
                await redis.config_set("maxmemory", 0)
                await eventually(lambda: lease_of(redis, house))
                assert (first.serves, second.serves) == ({0}, set())
        finally:
            await redis.config_set("maxmemory", 0)


async def lease_of(redis: Redis, house: House) -> bytes:
    return bytes(await redis.get(f"{house.prefix}:lease:echo:0") or b"")
