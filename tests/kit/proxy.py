"""A proxy before Redis that delays what the test says, as a busy network would."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

Hold = Callable[[bytes], Awaitable[None]]


@contextlib.asynccontextmanager
async def proxy(upstream: Path, hold: Hold) -> AsyncIterator[str]:
    """The URL of a Redis whose commands, chunk by chunk, are passed on once `hold` returns for them."""
    path = upstream.with_name("proxy.sock")
    connections: set[asyncio.Task[None]] = set()

    async def serve(client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        server_reader, server_writer = await asyncio.open_unix_connection(upstream)
        try:
            back = asyncio.create_task(_pass_on(server_reader, client_writer, None))
            await _pass_on(client_reader, server_writer, hold)
            back.cancel()
        finally:
            connections.discard(task)

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield f"unix://{path}"
    finally:
        server.close()
        for task in connections:
            task.cancel()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hold: Hold | None) -> None:
    with contextlib.suppress(OSError), contextlib.closing(writer):
        while data := await reader.read(65536):
            if hold is not None:
                await hold(data)
            writer.write(data)
