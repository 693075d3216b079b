"""Sockets that watch the feed: all are told all of it, and one that does not read harms nobody but itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from tests.patient_client import PatientClient
from tests.services.sales.conftest import Shop
from tests.services.sales.made import append, sale
from tests.waiting import PATIENCE_S, eventually

WATCHERS = 5
RECORDS = 3_500
LONG = "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 195
"""Makes records of 2.5 KB, so that they fill every buffer on their way."""


class Watcher:
    def __init__(self) -> None:
        self.ids: list[str] = []
        self.socket = PatientClient()
        self.socket.on("sales:record", self._hear)

    async def _hear(self, record: dict[str, Any]) -> None:
        self.ids.append(record["id"])


@contextlib.asynccontextmanager
async def watching(shop: Shop, token: str) -> AsyncIterator[Watcher]:
    watcher = Watcher()
    await watcher.socket.connect(shop.url, auth={"token": token}, transports=["websocket"])
    try:
        assert await watcher.socket.call("sales:watch") == {}
        yield watcher
    finally:
        await watcher.socket.disconnect()


@contextlib.asynccontextmanager
async def deaf(shop: Shop, token: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A client that watches, and from then on reads nothing; its buffers are small."""

    def small(info: Any) -> socket.socket:
        made = socket.socket(*info[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        return made

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=small)) as session:
        connected = await session.ws_connect(f"{shop.url}/socket.io/?EIO=4&transport=websocket")
        await connected.receive()
        await connected.send_str("40" + json.dumps({"token": token}))
        await connected.send_str('421["sales:watch"]')
        while "431" not in (await connected.receive_str())[:3]:
            pass
        transport = connected._response.connection.transport
        transport.pause_reading()
        yield connected
        await connected.close()


async def test_all_watchers_are_told_all_in_order_whoever_does_not_read(shop: Shop) -> None:
    token = await shop.token()
    records = [sale(product=LONG, store=LONG, seller=LONG, category=LONG) for _ in range(RECORDS)]
    async with contextlib.AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(watching(shop, token)) for _ in range(WATCHERS)]
        silent = await stack.enter_async_context(deaf(shop, token))
        append(shop.source, *records)
        await eventually(lambda: all(len(watcher.ids) >= RECORDS for watcher in watchers))
        assert [watcher.ids for watcher in watchers] == [[record["id"] for record in records]] * WATCHERS
        assert all(watcher.socket.connected for watcher in watchers)
        assert await _was_closed(silent), "it was closed as slow"


async def _was_closed(connected: aiohttp.ClientWebSocketResponse) -> bool:
    """Whether what was sent to a client that now reads again ends with the connection."""
    connected._response.connection.transport.resume_reading()
    heard = 0
    async with asyncio.timeout(PATIENCE_S):
        while (await connected.receive()).type is aiohttp.WSMsgType.TEXT:
            heard += 1
    return heard < RECORDS
