"""Instances of a service that serves nothing, here and in processes of their own, for the tests of leases."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from typing import Final

from redis.asyncio import Redis

from pulso.lease import Leases, redis_client
from tests.conftest import REPOSITORY
from tests.waiting import eventually

TAKEN_OVER_WITHIN_S: Final = 5.0


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
