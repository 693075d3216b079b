"""The numbers service, put together. `python -m services.numbers` runs it."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import AsyncIterator

from pulso.service import run_process
from pulso.shard import Context, Service
from pulso.store import open_store
from services.numbers.active import Active
from services.numbers.board import showing
from services.numbers.contract import CONTRACT
from services.numbers.handlers import routes
from services.numbers.numbers import Numbers
from services.numbers.store import MIGRATIONS, LastNumbers
from services.numbers.worker import Worker
from services.settings import ALL, NumbersSettings


def service(settings: NumbersSettings) -> Service[Numbers]:
    return Service(CONTRACT, routes, start, shards=settings.numbers_shards)


@contextlib.asynccontextmanager
async def start(context: Context) -> AsyncIterator[Numbers]:
    """One shard: its file, its active users, its share of the board, its thread for long sums."""
    active = Active()
    async with open_store(context.file("numbers"), migrations=MIGRATIONS) as store, showing(context, active):
        with contextlib.closing(Worker()) as worker:
            chance = random.SystemRandom()
            yield Numbers(LastNumbers(store), active, context.push, worker, chance=chance, now=context.now)


if __name__ == "__main__":
    run_process(service, NumbersSettings, os.environ, known=ALL)
