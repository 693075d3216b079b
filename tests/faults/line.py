"""A line to Redis that fails in one direction, or takes its time: a proxy that needs no rights on the machine.

What is held up comes later, as TCP sends again what was not confirmed. Connections stay open; new ones are made.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal

Direction = Literal["to Redis", "from Redis"]

CHUNK_BYTES: Final = 65_536
MAX_UNDER_WAY: Final = 1024
"""Chunks on the line; past this nothing more is read, as from a full buffer."""


class Line:
    """`url` is what a process is given as its Redis."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.delay_s = 0.0
        self._open: dict[Direction, asyncio.Event] = {"to Redis": asyncio.Event(), "from Redis": asyncio.Event()}
        self.mend()

    def drop(self, *directions: Direction) -> None:
        """Nothing more arrives in these directions."""
        for direction in directions:
            self._open[direction].clear()

    def mend(self) -> None:
        for is_open in self._open.values():
            is_open.set()

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        """Returns when either end is closed."""
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_UNDER_WAY)

        async def read() -> None:
            data = b"begin"
            while data:
                try:
                    data = await reader.read(CHUNK_BYTES)
                except OSError:
                    data = b""
                await under_way.put((loop.time() + self.delay_s, data))

        reading = asyncio.create_task(read())
        try:
            while True:
                due, data = await under_way.get()
                if not data:
                    return
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._open[direction].wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            return
        finally:
            reading.cancel()


@contextlib.asynccontextmanager
async def line_to(redis: Path, name: str) -> AsyncIterator[Line]:
    """A line of its own to the Redis that listens on this socket."""
    path = redis.with_name(f"{name}.sock")
    line = Line(path)
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections[task] = writer
        with contextlib.suppress(OSError), contextlib.closing(writer):
            there_reader, there_writer = await asyncio.open_unix_connection(redis)
            with contextlib.closing(there_writer):
                both = (
                    asyncio.create_task(line.carry(reader, there_writer, "to Redis")),
                    asyncio.create_task(line.carry(there_reader, writer, "from Redis")),
                )
                try:
                    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in both:
                        one.cancel()
                    await asyncio.gather(*both, return_exceptions=True)
        del connections[task]

    server = await asyncio.start_unix_server(connected, path)
    try:
        yield line
    finally:
        server.close()
        line.mend()
        # Closed, not cancelled: asyncio's streams log that of their own tasks as an error.
        for writer in connections.values():
            writer.close()
        await asyncio.gather(*connections, return_exceptions=True)
