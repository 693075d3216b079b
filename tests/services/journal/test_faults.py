"""Whatever is killed: every message is stored, once, and in each gateway's order."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from redis.asyncio import Redis

from pulso.lease import redis_client
from pulso.settings import KitSettings
from services.gateway import delivery
from tests.redis_server import RedisServer
from tests.services.journal.conftest import process, reading, served, writing
from tests.waiting import eventually

MOST_UNSEEN = 5_000
"""So far a test may be ahead of what it has seen stored: a busy machine would never see it all."""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LOOK_AFTER_S", 0.5)


async def test_a_service_that_is_away_is_waited_for_and_the_stream_stays_within_its_bounds(
    own_kit: KitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_IN_STREAM_BATCHES", 4)
    monkeypatch.setattr(delivery, "MAX_HELD_BATCHES", 8)
    async with reading(own_kit) as reader, writing(reader.up, own_kit) as writer:
        for _ in range(40):
            writer.write(50)
            await writer.journal.flush()
        async with redis_client(own_kit.redis_url) as redis:
            assert await redis.xlen(f"{own_kit.redis_prefix}:journal") == 4
        async with served(own_kit):
            assert await reader.becomes("gw-1", 2000) == list(range(2000))


async def test_a_service_killed_again_and_again_stores_everything_once(own_kit: KitSettings) -> None:
    chance = random.Random()
    async with contextlib.AsyncExitStack() as stack:
        reader = await stack.enter_async_context(reading(own_kit))
        service = await stack.enter_async_context(process(own_kit))
        async with writing(reader.up, own_kit, "gw-1") as one, writing(reader.up, own_kit, "gw-2") as two:
            seen = 0

            async def load() -> None:
                while True:
                    if one.written < seen + MOST_UNSEEN:
                        one.write(20)
                        two.write(30)
                    await asyncio.sleep(0.02)

            loading = asyncio.create_task(load())
            for _ in range(4):
                seen = len(await reader.becomes("gw-1", 1))
                await reader.becomes("gw-1", seen + chance.randrange(1, 200))
                await service.kill()
                await service.start()
            loading.cancel()
            assert await reader.becomes("gw-1", one.written) == list(range(one.written))
            assert await reader.becomes("gw-2", two.written) == list(range(two.written))


async def test_a_redis_that_forgets_everything_costs_no_message(
    own_kit: KitSettings, own_redis: RedisServer
) -> None:
    async with reading(own_kit) as reader, served(own_kit), writing(reader.up, own_kit) as writer:
        for _ in range(4):
            writer.write(100)
            await writer.journal.flush()
            own_redis.kill()
            writer.write(100)
            await writer.journal.flush()
            own_redis.start()
            await reader.becomes("gw-1", writer.written)
        assert await reader.becomes("gw-1", writer.written) == list(range(writer.written))


async def test_service_and_redis_gone_at_once_cost_no_message(
    own_kit: KitSettings, own_redis: RedisServer
) -> None:
    async with reading(own_kit) as reader, process(own_kit) as service, writing(reader.up, own_kit) as writer:
        writer.write(100)
        await reader.becomes("gw-1", 100)
        await service.kill()
        writer.write(500)
        await writer.journal.flush()
        own_redis.restart()
        writer.write(500)
        await writer.journal.flush()
        await service.start()
        assert await reader.becomes("gw-1", 1100) == list(range(1100))


async def test_what_is_sent_twice_is_stored_once(own_kit: KitSettings) -> None:
    async with reading(own_kit) as reader, served(own_kit), writing(reader.up, own_kit) as writer:
        stream = f"{own_kit.redis_prefix}:journal"
        async with redis_client(own_kit.redis_url) as redis:
            writer.write(10)
            await writer.journal.flush()
            entries = await redis.xrange(stream)
            writer.write(10)
            await reader.becomes("gw-1", 20)
            for _, fields in entries:
                await redis.xadd(stream, fields)
            await eventually(lambda: _is_empty(redis, stream))
        assert await reader.values("gw-1") == list(range(20))


async def test_what_comes_before_its_time_waits_for_what_was_lost(own_kit: KitSettings) -> None:
    async with reading(own_kit) as reader, writing(reader.up, own_kit) as writer:
        stream = f"{own_kit.redis_prefix}:journal"
        async with redis_client(own_kit.redis_url) as redis:
            for _ in range(5):
                writer.write(10)
                await writer.journal.flush()
            entries = await redis.xrange(stream)
            await redis.xdel(stream, entries[0][0], entries[2][0])
            async with served(own_kit):
                assert await reader.becomes("gw-1", 50) == list(range(50))


async def test_foreign_entries_are_left_out_and_hold_up_nothing(own_kit: KitSettings) -> None:
    async with reading(own_kit) as reader, served(own_kit), writing(reader.up, own_kit) as writer:
        stream = f"{own_kit.redis_prefix}:journal"
        async with redis_client(own_kit.redis_url) as redis:
            await redis.xadd(stream, {"hello": "world"})
            await redis.xadd(stream, {"gateway": "gw-9", "number": "1", "previous": "0", "batch": b"\xc1"})
            await redis.xadd(stream, {"gateway": "gw-9", "number": "x", "previous": "0", "batch": b"\x90"})
            writer.write(10)
            assert await reader.becomes("gw-1", 10) == list(range(10))
            await eventually(lambda: _is_empty(redis, stream))


async def test_a_standby_takes_over(own_kit: KitSettings) -> None:
    async with reading(own_kit) as reader, process(own_kit) as first, writing(reader.up, own_kit) as writer:
        writer.write(10)
        await reader.becomes("gw-1", 10)
        async with process(own_kit):
            await first.kill()
            writer.write(10)
            assert await reader.becomes("gw-1", 20) == list(range(20))


async def _is_empty(redis: Redis, stream: str) -> bool:
    return bool(await redis.xlen(stream) == 0)
