"""Readers and writers who give up, raise, or are many: nobody else is harmed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from pulso.store import StoreBusy, open_store
from tests.kit.store.conftest import Slow, names, put
from tests.waiting import PATIENCE_S

SLOW_QUERY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) "
SLOW_QUERY += "SELECT max(i) FROM n"


async def test_writer_that_gives_up_does_not_break_the_others(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        writers = [asyncio.create_task(store.write(put(f"{number:02}"))) for number in range(20)]
        await asyncio.sleep(0)
        for writer in writers[::2]:
            writer.cancel()
        slow = Slow()
        under_way = asyncio.create_task(store.write(slow))
        await slow.begun.wait()
        under_way.cancel()
        slow.go_on.set()
        outcomes = await asyncio.gather(*writers, under_way, return_exceptions=True)
        expected = {f"{number:02}" for number in range(1, 20, 2)}
        assert {outcome for outcome in outcomes if isinstance(outcome, str)} == expected
        assert set(await names(store)) == expected | {"slow"}  # it was too late to take that back


async def test_reader_that_gives_up_harms_nobody(file: Path, migrations: Path) -> None:
    """However early or late in its query: the connection, and with it the lock on the file, must be kept."""
    async with open_store(file, migrations=migrations) as store:
        for number, patience_s in enumerate((0.0, 0.0005, 0.002, 0.01, 0.05)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(patience_s), store.read() as connection:
                    await connection.execute(text(SLOW_QUERY))
            with pytest.raises(StoreBusy):
                async with open_store(file, migrations=migrations):
                    pass
            assert await store.write(put(str(number))) == str(number)
        assert await names(store) == ["0", "1", "2", "3", "4"]


async def test_reader_that_raises_leaves_the_store_usable(file: Path, migrations: Path) -> None:
    async with open_store(file, migrations=migrations) as store:
        with pytest.raises(KeyError):
            async with store.read():
                raise KeyError
        assert await store.write(put("a")) == "a"


async def test_reads_and_writes_at_once_all_end(file: Path, migrations: Path) -> None:
    async with asyncio.timeout(PATIENCE_S), open_store(file, migrations=migrations) as store:

        async def write_and_see(name: str) -> None:
            await store.write(put(name))
            assert name in await names(store)

        await asyncio.gather(*(write_and_see(f"{number:03}") for number in range(100)))
