"""Leases while Redis is away, forgets, has its clock set back, or takes no change."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis

from pulso.lease import GIVE_UP_AFTER_S, redis_client
from tests.kit.leases import House, settled
from tests.redis_server import RedisServer
from tests.waiting import eventually


@pytest.mark.quiet
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
