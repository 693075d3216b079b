"""A connection that comes to nothing is told of at once."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

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


async def test_a_server_that_falls_silent_is_given_up_after_as_long_as_it_said_it_would_be() -> None:
    lost: list[str] = []
    app = web.Application()
    app.router.add_get("/socket.io/", _greet_only)
    client = Client(on_event=lambda *_: None, on_ack=lambda *_: None, on_lost=lambda _, why: lost.append(why))
    async with TestServer(app) as server:
        await client.connect(f"ws://127.0.0.1:{server.port}", "token")
        now = monotonic()
        client.give_up_if_silent(now)  # it has spoken since the last look: that counts as now
        client.give_up_if_silent(now + 44)
        assert lost == []
        client.give_up_if_silent(now + 46)
        assert lost == ["the server has fallen silent"]


async def _greet_only(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str('0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}')
    async for _ in socket:
        await socket.send_str('40{"sid":"b"}')
    return socket
