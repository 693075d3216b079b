"""A way to Redis on which a process can be made deaf: what it publishes goes out, what it hears is held back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

CHUNK_BYTES: Final = 65536


class Way:
    """`url` is what the process is given as its Redis."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self._hears = asyncio.Event()
        self._hears.set()

    def deafen(self) -> None:
        """Nothing more comes on connections that subscribe; they stay open, and new ones are made."""
        self._hears.clear()

    def mend(self) -> None:
        self._hears.set()

    async def carry(
        self, here: asyncio.StreamReader, there: asyncio.StreamWriter, subscribes: asyncio.Event
    ) -> None:
        """From the process to Redis."""
        while data := await here.read(CHUNK_BYTES):
            if b"\r\nSUBSCRIBE\r\n" in data:
                subscribes.set()
            there.write(data)
            await there.drain()

    async def bring(
        self, there: asyncio.StreamReader, here: asyncio.StreamWriter, subscribes: asyncio.Event
    ) -> None:
        """From Redis to the process."""
        while data := await there.read(CHUNK_BYTES):
            if subscribes.is_set():
                await self._hears.wait()
            here.write(data)
            await here.drain()


@contextlib.asynccontextmanager
async def way_to(redis: Path, name: str) -> AsyncIterator[Way]:
    """A way of its own to the Redis that listens on this socket."""
    path = redis.with_name(f"{name}.sock")
    way = Way(path)
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        subscribes = asyncio.Event()
        with contextlib.suppress(OSError), contextlib.closing(writer):
            there_reader, there_writer = await asyncio.open_unix_connection(redis)
            with contextlib.closing(there_writer):
                both = (
                    asyncio.create_task(way.carry(reader, there_writer, subscribes)),
                    asyncio.create_task(way.bring(there_reader, writer, subscribes)),
                )
                try:
                    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in both:
                        one.cancel()
                    await asyncio.gather(*both, return_exceptions=True)
        connections.discard(task)

    server = await asyncio.start_unix_server(connected, path)
    try:
        yield way
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
