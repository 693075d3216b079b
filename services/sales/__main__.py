"""The sales service, put together. `python -m services.sales` runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from pulso.party import running
from pulso.service import run_process
from pulso.shard import Context, Service
from pulso.store import open_store
from services.sales.contract import CONTRACT, LATEST, MAX_MINUTES
from services.sales.feed import feeding
from services.sales.generator import Generator
from services.sales.handlers import routes
from services.sales.live import Live
from services.sales.rules import milliseconds
from services.sales.sales import Sales
from services.sales.store import MIGRATIONS, SalesStore
from services.sales.sums import MINUTE_MS, Sums
from services.sales.writing import write_steadily
from services.settings import ALL, SalesSettings

WRITE_AGAIN_S = 5.0

log = structlog.get_logger(__name__)


def service(settings: SalesSettings) -> Service[Sales]:
    @contextlib.asynccontextmanager
    async def start(context: Context) -> AsyncIterator[Sales]:
        async with started(context, settings) as sales:
            yield sales

    return Service(CONTRACT, routes, start)


@contextlib.asynccontextmanager
async def started(context: Context, settings: SalesSettings) -> AsyncIterator[Sales]:
    """The active shard: its file, the reading of the source, the telling of watchers, perhaps the generator."""
    path = source_path(settings, context.data)
    async with open_store(context.file("sales"), migrations=MIGRATIONS) as opened:
        store = SalesStore(opened)
        since = milliseconds(context.now()) // MINUTE_MS - MAX_MINUTES
        live = Live(Sums(await store.cells(since)), await store.latest(LATEST), context.push, context.now)
        tag, last_seq = await store.tag(), await store.last_seq()
        sales = Sales(store, live, context.push, tag=tag, last_seq=last_seq, stopping=context.stopping)
        loops = [live.run(), sales.wake_at_end()]
        if every_s := settings.generator_every_s:
            loops.append(generate(path, every_s, context))
        async with running(*loops), feeding(path, store, sales.committed, context.now) as feed:
            sales.feed = feed
            yield sales


def source_path(settings: SalesSettings, data: Path) -> Path:
    return Path(settings.sales_source).expanduser() if settings.sales_source else data / "sales.jsonl"


async def generate(path: Path, every_s: float, context: Context) -> None:
    """Write made-up sales to the source, until cancelled."""
    generator = Generator(random.Random(), context.now)  # noqa: S311  # nothing of it is a secret
    while True:
        try:
            await write_steadily(path, generator, every_s=every_s)
        except OSError as fault:
            log.error("generated sales cannot be written", path=str(path), fault=str(fault))
            await asyncio.sleep(WRITE_AGAIN_S)


if __name__ == "__main__":
    run_process(service, SalesSettings, os.environ, known=ALL)
