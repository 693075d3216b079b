"""The bare protocol server in this process, and clients that speak it by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from bench.protocol_server import application
from pulso.tasks import Tasks
from tests.conftest import free_port
from tests.waiting import PATIENCE_S, eventually

T = TypeVar("T")


SLOW_HEART = {"ping_interval": 60.0, "ping_timeout": 60.0}
"""No test waits for it by chance, and no busy machine is too slow for it."""


class Arrivals:
    """How many requests of HTTP have come to the server so far."""

    def __init__(self) -> None:
        self.count = 0

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.count += 1
        return await handler(request)


@dataclass(slots=True)
class Speaker:
    """Speaks to one path of the protocol server."""

    http: aiohttp.ClientSession
    path: str
    arrivals: Arrivals = field(default_factory=Arrivals)

    def url(self, sid: str | None = None, **query: str) -> str:
        asked = {"EIO": "4", "transport": "polling", **query, **({"sid": sid} if sid else {})}
        return f"{self.path}?" + "&".join(f"{name}={value}" for name, value in asked.items())

    async def open_polling(self) -> str:
        """A new session's id."""
        status, body = await self.poll()
        assert status == 200, body
        return str(json.loads(body[1:])["sid"])

    async def poll(self, sid: str | None = None) -> tuple[int, str]:
        async with self.http.get(self.url(sid)) as response:
            return response.status, await response.text()

    async def arrived(self, request: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """One that the server waits upon: it has come, and whatever the server can do about it is done."""
        before = self.arrivals.count
        task = asyncio.create_task(request)
        await eventually(lambda: self.arrivals.count > before)
        await turns()
        return task

    async def polled(self, sid: str) -> str:
        """What the next poll brings, pings aside: they may come at any time, and are answered here."""
        while True:
            status, body = await self.poll(sid)
            assert status == 200, body
            if body != "2":
                return body
            await self.post(sid, "3")

    async def post(self, sid: str, body: str | bytes | AsyncIterator[bytes]) -> tuple[int, str]:
        async with self.http.post(self.url(sid), data=body) as response:
            return response.status, await response.text()

    @contextlib.asynccontextmanager
    async def websocket(self, sid: str | None = None) -> AsyncIterator[Raw]:
        async with self.http.ws_connect(self.url(sid, transport="websocket"), max_msg_size=0) as socket:
            yield Raw(socket)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Raw]:
        """A WebSocket after Engine.IO's handshake."""
        async with self.websocket() as raw:
            assert (await raw.next()).startswith("0")
            yield raw

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Raw]:
        """A WebSocket that is connected to the main namespace."""
        async with self.opened() as raw:
            await raw.send("40")
            assert (await raw.next()).startswith("40")
            assert await raw.next() == '42["auth",{}]'
            yield raw


@dataclass(slots=True)
class Raw:
    """A WebSocket that answers pings like any client, and shows everything else."""

    socket: aiohttp.ClientWebSocketResponse

    async def send(self, packet: str | bytes) -> None:
        if isinstance(packet, str):
            await self.socket.send_str(packet)
        else:
            await self.socket.send_bytes(packet)

    async def next(self) -> Any:
        """The next packet that is no ping."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.receive()
                assert message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}, message
                if message.data != "2":
                    return message.data
                await self.socket.send_str("3")

    async def closed(self) -> int | None:
        """The close code, once the server closes; meanwhile pings are answered, so that it is not for them."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.socket.receive()
                if message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING}:
                    return self.socket.close_code
                if message.data == "2":
                    await self.socket.send_str("3")


@contextlib.asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
def heart() -> dict[str, float]:
    """Its interval and its patience, which tests of the heartbeat have shorter."""
    return SLOW_HEART


@pytest.fixture
def arrivals() -> Arrivals:
    return Arrivals()


@pytest.fixture
async def server(arrivals: Arrivals, heart: dict[str, float]) -> AsyncIterator[str]:
    async with Tasks() as tasks:
        app = application(tasks, **heart)
        app.middlewares.append(arrivals.note)
        async with listening(app) as url:
            yield url


@pytest.fixture
async def http(server: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server, timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
        yield session


@pytest.fixture
def engine(http: aiohttp.ClientSession, arrivals: Arrivals) -> Speaker:
    """Engine.IO alone: every message comes back."""
    return Speaker(http, "/engine.io/", arrivals)


@pytest.fixture
def sio(http: aiohttp.ClientSession) -> Speaker:
    """Socket.IO on the engine."""
    return Speaker(http, "/socket.io/")


async def turns(count: int = 5) -> None:
    """Let the event loop turn a few times."""
    for _ in range(count):
        await asyncio.sleep(0)
