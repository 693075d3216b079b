"""A connection that comes to nothing is told of at once."""

from __future__ import annotations

import asyncio

import pytest

from cli.live.socket import CONNECT_WITHIN_S, Client, NotConnected


@pytest.mark.parametrize("until", [b"", b"\r\n\r\n"])
async def test_a_server_that_goes_during_the_handshake_is_no_reason_to_wait(until: bytes) -> None:
    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if until:
            await reader.readuntil(until)
        writer.close()

    server = await asyncio.start_server(vanish, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Client(on_event=lambda *_: None, on_ack=lambda *_: None, on_lost=lambda *_: None)
    async with server, asyncio.timeout(CONNECT_WITHIN_S / 2):
        with pytest.raises(NotConnected):
            await client.connect(f"ws://127.0.0.1:{port}", "token")
