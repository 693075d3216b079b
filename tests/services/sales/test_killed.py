"""The service killed with -9 while records come: none is lost, none is there twice, and no commit is undone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from pulso.settings import KitSettings
from tests import programs
from tests.services.sales.conftest import gateway_on
from tests.services.sales.made import line, sale

KILLS = 5


@contextlib.asynccontextmanager
async def process(kit: KitSettings) -> AsyncIterator[programs.Program]:
    """`python -m services.sales`, killed at the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
    settings = {
        "PULSO_REDIS_URL": kit.redis_url,
        "PULSO_REDIS_PREFIX": kit.redis_prefix,
        "PULSO_DATA": str(kit.data),
        "PULSO_OPS_PORT": "0",
    }
    running = await programs.start(
        "services.sales", environ={**clean, **settings}, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGKILL)
        await running.wait()


async def write(source: Path, records: list[dict[str, object]], chance: random.Random) -> None:
    """In pieces that end anywhere, with breaks between them."""
    data = b"".join(map(line, records))
    while data:
        size = chance.randrange(1, 9_000)
        with source.open("ab") as out:
            out.write(data[:size])
        data = data[size:]
        await asyncio.sleep(chance.random() * 0.01)


async def test_records_are_stored_once_however_often_the_service_is_killed(kit: KitSettings, source: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    written: list[str] = []
    async with gateway_on(kit) as gateway:
        for _ in range(KILLS):
            async with process(kit):
                await gateway.serves()
                records = [sale() for _ in range(chance.randrange(200, 1_500))]
                written += [record["id"] for record in records]
                writing = asyncio.create_task(write(source, records, chance))
                await asyncio.sleep(chance.random() * 0.4)  # when it is killed is what chance decides
            await writing
        async with process(kit):
            assert await gateway.has(len(written)) == written
            assert (await gateway.source()).duplicates == 0, "what was committed is not read again"
    with sqlite3.connect(kit.data / "sales.sqlite3") as database:
        assert [id_ for (id_,) in database.execute("SELECT id FROM records ORDER BY seq")] == written
        assert json.loads(json.dumps(database.execute("PRAGMA integrity_check").fetchall())) == [["ok"]]
