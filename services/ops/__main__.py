"""The ops service: it follows everybody's reports and shows them to admins. `python -m services.ops` runs it.

It stores nothing: what it knows is two seconds old at the most, and whoever takes over asks for all of it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import structlog

from pulso.contract import Caller, Nothing
from pulso.party import running
from pulso.reports import REPORT_EVERY_S, REPORT_NOW
from pulso.routes import Routes
from pulso.service import run_process
from pulso.settings import KitSettings
from pulso.shard import Context, Service
from pulso.times import iso
from services.ops import contract
from services.ops.board import Board
from services.ops.contract import RedisFigures, Status
from services.ops.redis_info import redis_figures
from services.ops.rules import evicts, level_of, problems_of
from services.settings import ALL

LISTEN_FIRST_S = 0.5
"""How long the others are given to report to an instance that has just taken over."""

log = structlog.get_logger(__name__)


class Ops:
    """What the active instance knows. `run` tells it to those who watch."""

    def __init__(self, context: Context) -> None:
        self.push = context.push
        self._context = context
        self.board = Board(asyncio.get_running_loop().time)
        self._redis: RedisFigures | None = None
        self._evicts = False

    def status(self) -> Status:
        processes = self.board.processes()
        problems = problems_of(processes, self._redis)
        return Status(iso(self._context.now()), level_of(problems), problems, processes, self._redis)

    async def look(self) -> None:
        redis = self._redis = await redis_figures(self._context.bus.link)
        if redis is not None and evicts(redis) != self._evicts:
            self._evicts = not self._evicts
            if self._evicts:
                log.error("redis drops keys that are needed: set its maxmemory-policy to noeviction",
                          maxmemory_policy=redis.eviction)  # fmt: skip
            else:
                log.info("redis drops no keys any more")

    async def run(self) -> None:
        while True:
            await self.look()
            self.push.to_topic(contract.STATUSES.name, contract.STATUS_EVENT, self.status())
            await asyncio.sleep(REPORT_EVERY_S)


routes = Routes[Ops]()


@routes.handler(contract.STATUS)
async def status(ops: Ops, _caller: Caller, _request: Nothing) -> Status:
    """`{}` -> `{"at": "...", "level": "ok", "problems": [], "processes": [...], "redis": {...}}`"""
    return ops.status()


@routes.handler(contract.WATCH)
async def watch(ops: Ops, caller: Caller, _request: Nothing) -> Status:
    await ops.push.join(caller, contract.STATUSES.name)
    return ops.status()


@routes.handler(contract.UNWATCH)
async def unwatch(ops: Ops, caller: Caller, _request: Nothing) -> Nothing:
    await ops.push.leave(caller, contract.STATUSES.name)
    return Nothing()


@contextlib.asynccontextmanager
async def start(context: Context) -> AsyncIterator[Ops]:
    ops, bus = Ops(context), context.bus
    await bus.listen(bus.channels.reports, ops.board.accept)
    try:
        await bus.announce(bus.channels.report_now, REPORT_NOW, b"{}")
        await ops.look()
        await asyncio.sleep(LISTEN_FIRST_S)
        async with running(ops.run()):
            yield ops
    finally:
        bus.unlisten(bus.channels.reports)


def service(_settings: KitSettings) -> Service[Ops]:
    return Service(contract.CONTRACT, routes, start)


if __name__ == "__main__":
    run_process(service, KitSettings, os.environ, known=ALL)
