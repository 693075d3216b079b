"""The running Pulso that a command is about: reached over the bus, as `pulso up` or the settings say where."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

from cli import settings
from cli.data_folder import redis_socket, redis_url
from pulso.config import load
from pulso.party import Connected, connected
from pulso.settings import KitSettings
from services import settings as product

REACHED_WITHIN_S: Final = 5.0


class NotRunning(Exception):
    """There is no Pulso to talk to; says where one was looked for."""


def kit_of(environ: Mapping[str, str]) -> KitSettings:
    """How to reach it. Raises `NotRunning` and `ConfigFaults`."""
    kit = load(KitSettings, environ, known=product.ALL)
    if settings.is_set(environ, "redis_url"):
        return kit
    data = kit.data.resolve()
    if not redis_socket(data).exists():
        raise NotRunning(
            f"No `pulso up` runs on the data folder {data}. Start it, name its folder with --data, "
            "or say with PULSO_REDIS_URL where Redis is."
        )
    return settings.on_embedded_redis(kit, redis_url(data))


@contextlib.asynccontextmanager
async def reached(kit: KitSettings) -> AsyncIterator[Connected]:
    """A party on the bus that gets replies. Raises `NotRunning` where Redis does not answer.

    What the block raises comes out as it is, not in an exception group.
    """
    stack = contextlib.AsyncExitStack()
    try:
        async with asyncio.timeout(REACHED_WITHIN_S):
            up = await stack.enter_async_context(
                connected(kit, name="cli", inbox=lambda channels, instance: channels.instance("cli", instance))
            )
            await up.bus.listen(up.bus.inbox, lambda batch: _drop(up.bus.take_replies(batch)))
    except TimeoutError:
        await stack.aclose()
        raise NotRunning(
            "Redis does not answer. Is Pulso running? (In the containers: docker compose run --rm cli ...)"
        ) from None
    try:
        yield up
    finally:
        await stack.aclose()


def _drop(_rest: object) -> None:
    """Nothing but replies comes to this inbox."""
