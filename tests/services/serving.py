"""A service in the test's own process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from pulso.probes import Health
from pulso.service import serve
from pulso.settings import KitSettings
from pulso.shard import Service
from tests.waiting import eventually


@contextlib.asynccontextmanager
async def serving(service: Service[Any], kit: KitSettings) -> AsyncIterator[Health]:
    """One more instance of the service, which serves or stands by, until the end of the block."""
    stop, health = asyncio.Event(), Health()
    run = asyncio.create_task(serve(service, kit, health, stop))
    try:
        await eventually(lambda: health.status() in ("ready", "standby"))
        yield health
    finally:
        stop.set()
        await run
