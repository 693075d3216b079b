"""A party on the bus: its link, its id, and the loops that keep both going."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from pulso.bus import Bus
from pulso.channels import Channels
from pulso.redis_link import RedisLink
from pulso.settings import KitSettings

NO_REDIS: Final = "no connection to Redis"


@dataclass(slots=True)
class Connected:
    """A party's link, bus and id; see `connected`."""

    instance: str
    link: RedisLink
    bus: Bus


@contextlib.asynccontextmanager
async def connected(
    kit: KitSettings, *, name: str, inbox: Callable[[Channels, str], str], stop: asyncio.Event | None = None
) -> AsyncIterator[Connected]:
    """A running bus on a link of its own. Waits for Redis to be there, or for `stop`."""
    instance = f"{name}-{secrets.token_hex(4)}"
    channels = Channels(kit.redis_prefix)
    own = inbox(channels, instance)
    link = RedisLink(
        kit.redis_url,
        username=kit.redis_username,
        password=kit.redis_password,
        name=instance,
        probe_channel=f"{own}:probe",
    )
    bus = Bus(link, channels=channels, inbox=own)
    async with running(link.run(), bus.run()):
        await before(stop or asyncio.Event(), link.wait_up())
        yield Connected(instance, link, bus)


@contextlib.asynccontextmanager
async def running(*loops: Any) -> AsyncIterator[None]:
    """Own these endless coroutines meanwhile; one that fails ends the block with its fault."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop, name=loop.__qualname__) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def before(stop: asyncio.Event, awaited: Coroutine[Any, Any, None]) -> None:
    """Wait for what may be long in coming, such as Redis; breaks off where the process is to stop first."""
    waits = (asyncio.create_task(awaited), asyncio.create_task(stop.wait()))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
