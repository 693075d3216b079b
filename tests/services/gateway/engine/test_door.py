"""Connections from their first byte: WebSockets at once, all else aiohttp's, and the same answer either way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from bench.protocol_server import ENGINE, echoing
from pulso.tasks import Tasks
from services.gateway.engine.door import ENTRIES, MAX_BYTES, Door
from services.gateway.engine.server import EngineServer
from tests.conftest import free_port
from tests.raw_websocket import KEY, Wire, masked
from tests.waiting import PATIENCE_S, eventually

WAYS = ["in one piece", "in two pieces", "byte by byte"]


@dataclass(slots=True)
class Place:
    """A door, and how many of its connections went on to aiohttp."""

    port: int
    door: Door
    engine: EngineServer
    with_aiohttp: list[web.RequestHandler] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def says(self, data: bytes, way: str = WAYS[0]) -> AsyncIterator[tuple[asyncio.StreamReader, Wire]]:
        """Send these bytes so that the server reads them in so many pieces."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            first = {"in one piece": len(data), "in two pieces": len(data) // 2, "byte by byte": 1}[way]
            writer.write(data[:first])
            if data[first:]:
                # It has read the first piece once the connection is aiohttp's; then pieces need no more care.
                await eventually(lambda: self.with_aiohttp)
            for byte in data[first:]:
                writer.write(bytes([byte]))
            yield reader, Wire(reader, writer)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def place_of(*, headers_within_s: float = 5.0) -> AsyncIterator[Place]:
    async with Tasks() as tasks:
        engine = echoing(EngineServer(tasks=tasks, **ENGINE))
        app = web.Application()
        engine.attach(app, "/engine.io/")
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        assert runner.server is not None

        def to_http(_by: float) -> web.RequestHandler:
            handler = runner.server()
            place.with_aiohttp.append(handler)
            return handler

        door = Door(app[ENTRIES], to_http, headers_within_s=headers_within_s)
        place = Place(free_port(), door, engine)
        server = await asyncio.get_running_loop().create_server(door, "127.0.0.1", place.port)
        try:
            yield place
        finally:
            server.close()
            door.close()
            await engine.shutdown()
            await runner.cleanup()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with place_of() as opened:
        yield opened


def asking(*more: str, line: str = "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1", **changed: str) -> bytes:
    """A handshake. `changed` headers replace those of the same name, or leave them out where empty."""
    headers = {
        "Host": "pulso",
        "Connection": "keep-alive, Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": KEY,
        **changed,
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([line, *lines, *more, "", ""]).encode("latin-1")


async def opened(wire: Wire) -> None:
    assert (await wire.frame())[1].startswith(b'0{"sid"')


@pytest.mark.parametrize("way", WAYS)
async def test_the_answer_is_the_same_however_the_handshake_arrives(place: Place, way: str) -> None:
    """The key and its answer are those of RFC 6455, section 1.3."""
    async with place.says(asking(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=="), way) as (reader, wire):
        assert await reader.readuntil(b"\r\n\r\n") == (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        await opened(wire)
        wire.send(masked(0x81, b"4hello"))
        assert await wire.frame() == (1, b"4hello")
    await eventually(lambda: not place.engine.sessions)
    assert len(place.with_aiohttp) == (way != WAYS[0])


@pytest.mark.parametrize("way", WAYS)
async def test_a_frame_right_behind_the_handshake_is_not_lost(place: Place, way: str) -> None:
    """No client may send it there, RFC 6455 says, before it has read the answer; proxies have joined them up."""
    frame = masked(0x81, b"4early")
    async with place.says(asking() + frame + frame[:3], way) as (reader, wire):
        await reader.readuntil(b"\r\n\r\n")
        await opened(wire)
        assert await wire.frame() == (1, b"4early")
        wire.send(frame[3:])
        assert await wire.frame() == (1, b"4early")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "request_bytes",
    [
        asking(line="GET /engine.io/?EIO=4&transport=websocket HTTP/1.0"),
        asking(line="POST /engine.io/?EIO=4&transport=websocket HTTP/1.1"),
        asking(line="GET /engine.io/?EIO=3&transport=websocket HTTP/1.1"),
        asking(line="GET /engine.io/?EIO=4&transport=polling&transport=websocket&EIO=4&sid=x HTTP/1.1"),
        asking(line="GET /engine.io/?EIO=4&transport=websocket&sid=nobody HTTP/1.1"),
        asking(Host=""),
        asking("Host: evil.example"),
        asking(Sec_WebSocket_Key="c2hvcnQ="),
        asking(Sec_WebSocket_Key=KEY + "="),
        asking(Sec_WebSocket_Key="\xff" * 24),
        asking(Sec_WebSocket_Version="8"),
        asking(Upgrade="h2c"),
        asking(Connection="close"),
        asking(f"Sec-WebSocket-Key: {KEY}"),
        asking("Sec-WebSocket-Version: 13"),
        asking("Origin: http://pulso", "Origin: http://evil.example"),
        asking("Sec-Fetch-Site: same-origin", "sec-fetch-site: cross-site"),
        asking("Content-Length: 4") + b"body",
        asking("Transfer-Encoding: chunked") + b"0\r\n\r\n",
        asking("Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        asking("Content-Length: 4", "Content-Length: 5") + b"body",
        asking("Content-Length: -1"),
        asking("X-Folded: one", " two"),
        asking("X-Null: a\0b"),
        asking("No colon"),
        asking("Space : before"),
        asking("X-Long: " + "x" * 9_000),
        asking(*(f"X-{number}: 1" for number in range(200))),
    ],
)
async def test_what_is_wrong_is_refused_however_it_arrives(place: Place, request_bytes: bytes, way: str) -> None:
    async with place.says(request_bytes, way) as (reader, _wire), asyncio.timeout(PATIENCE_S):
        assert (await reader.readline()).split()[1] == b"400"
        assert not place.engine.sessions


@pytest.mark.parametrize("way", WAYS[:2])
async def test_expect_is_answered_by_aiohttp_and_opens_the_socket(place: Place, way: str) -> None:
    async with place.says(asking("Expect: 100-continue"), way) as (reader, _wire):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    assert len(place.with_aiohttp) == 1


async def test_a_long_handshake_is_left_to_aiohttp(place: Place) -> None:
    for extra, through_aiohttp in ((0, 0), (1, 1)):
        padding = MAX_BYTES + extra - len(asking("Cookie: "))
        async with place.says(asking("Cookie: " + "x" * padding)) as (reader, _wire):
            assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
        assert len(place.with_aiohttp) == through_aiohttp


async def test_other_requests_are_aiohttps(place: Place) -> None:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{place.port}") as http:
        for path, status in (("/", 404), ("/engine.io/", 400), ("/engine.io/?EIO=4&transport=polling", 200)):
            async with http.get(path) as response:
                assert response.status == status
    assert len(place.with_aiohttp) == 1  # one connection, kept alive


async def test_who_says_nothing_is_not_waited_for() -> None:
    async with (
        place_of(headers_within_s=0.1) as place,
        place.says(b"") as (reader, _wire),
        asyncio.timeout(PATIENCE_S),
    ):
        assert await reader.read() == b""
        assert not place.door.waiting


async def test_closing_ends_those_who_have_said_nothing_yet(place: Place) -> None:
    async with place.says(b"") as (reader, _wire), asyncio.timeout(PATIENCE_S):
        await eventually(lambda: place.door.waiting)
        place.door.close()
        assert await reader.read() == b""


async def test_a_client_that_leaves_at_once_is_forgotten(place: Place) -> None:
    async with place.says(b""):
        await eventually(lambda: place.door.waiting)
    await eventually(lambda: not place.door.waiting)
