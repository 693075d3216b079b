"""The clock service: its one endpoint, its one loop. `python -m services.clock` runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from pulso.contract import Caller, Nothing
from pulso.party import running
from pulso.routes import Routes
from pulso.seconds import whole_seconds
from pulso.service import run_process
from pulso.settings import KitSettings
from pulso.shard import Context, Service
from pulso.times import iso
from services.clock import contract
from services.clock.contract import Time
from services.settings import ALL

# An instance that was paused must not tick for a second that its successor has ticked for.
LATE_S: Final = 0.5

routes = Routes[Context]()


@routes.handler(contract.NOW)
async def now(context: Context, _caller: Caller, _request: Nothing) -> Time:
    """`{}` -> `{"now": "2026-01-31T12:00:00.123Z"}`"""
    return Time(iso(context.now()))


async def tick(context: Context, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    async for second in whole_seconds(context.now, late_s=LATE_S, sleep=sleep):
        time = Time(iso(datetime.fromtimestamp(second, UTC)))
        context.push.to_topic(contract.TICKS.name, contract.TICK, time)


@contextlib.asynccontextmanager
async def start(context: Context) -> AsyncIterator[Context]:
    """Runs in the one active instance alone; the others stand by."""
    async with running(tick(context)):
        yield context


def service(_settings: KitSettings) -> Service[Context]:
    return Service(contract.CONTRACT, routes, start)


if __name__ == "__main__":
    run_process(service, KitSettings, os.environ, known=ALL)
