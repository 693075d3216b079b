"""What a client can cost: slow readers, many at once, and what stays behind when they leave."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import socket
from typing import NoReturn
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from pulso.tasks import Tasks
from services.gateway import metrics
from services.gateway.engine import packets
from services.gateway.engine.members import Members
from services.gateway.engine.server import EngineServer
from services.gateway.engine.websocket import MAX_LATE_FRAMES, MAX_OUTBOX_BYTES, WebSocket
from tests.raw_websocket import KEY, masked
from tests.services.gateway.engine.conftest import Speaker, listening, turns
from tests.waiting import PATIENCE_S, eventually

HANDSHAKE = (
    "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
).encode()


@pytest.fixture
def heart() -> dict[str, float]:
    """What is over is let go at its next beat."""
    return {"ping_interval": 0.3, "ping_timeout": PATIENCE_S}


def held(kind: type) -> list[object]:
    """The objects of this class that something still refers to."""
    gc.collect()
    return [thing for thing in gc.get_objects() if isinstance(thing, kind)]


async def test_a_client_that_does_not_read_is_closed_and_the_others_are_not() -> None:
    ended: list[str] = []
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks)
        engine.on("disconnect", lambda _sid, reason: ended.append(reason))
        app = web.Application()
        engine.attach(app, "/engine.io/")
        async with listening(app) as url, aiohttp.ClientSession(url) as http:
            address = urlsplit(url)
            with socket.create_connection((address.hostname, address.port)) as deaf:
                deaf.sendall(HANDSHAKE)
                async with http.ws_connect("/engine.io/?EIO=4&transport=websocket") as reading:
                    await reading.receive_str()
                    await eventually(lambda: len(engine.sessions) == 2)
                    slow_before = metrics.SLOW_CLOSES._value.get()
                    frame = packets.message_frame("x" * 65_536)
                    sent = 0
                    while not ended:
                        for session in list(engine.sessions.values()):
                            session.send(frame)
                        sent += 1
                        assert sent < 1000
                        assert len(await reading.receive_str(timeout=PATIENCE_S)) == 65_537
                    assert ended == ["transport error"]
                    assert metrics.SLOW_CLOSES._value.get() == slow_before + 1
                    assert len(engine.sessions) == 1
        await engine.shutdown()


async def test_frames_keep_their_order_while_the_kernel_is_full_and_afterwards() -> None:
    """What the kernel takes goes past the transport's buffer, which must be empty then."""
    loop = asyncio.get_running_loop()
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks, ping_interval=3600)  # its own pings are no part of what is compared
        app = web.Application()
        engine.attach(app, "/engine.io/")
        async with listening(app) as url:
            address = urlsplit(url)
            with socket.create_connection((address.hostname, address.port)) as client:
                client.setblocking(False)
                await loop.sock_sendall(client, HANDSHAKE)
                while b'{"sid"' not in await loop.sock_recv(client, 65_536):
                    pass
                (session,) = engine.sessions.values()
                websocket = session.transport
                assert isinstance(websocket, WebSocket)
                numbers = itertools.count()
                expected, received = bytearray(), bytearray()

                def send() -> None:
                    frame = packets.message_frame(f"{next(numbers):08}" * 1000)
                    expected.extend(frame)
                    session.send(frame)
                    session.flush()

                for _ in range(3):
                    while not websocket._connection.get_write_buffer_size():
                        send()
                        await turns(2)
                    received += client.recv(1 << 20)
                    send()  # the kernel has room again, which the transport does not know yet
                    while len(received) < len(expected):
                        received += await loop.sock_recv(client, 1 << 20)
                    assert received == expected
            await eventually(lambda: not engine.sessions)
            assert websocket._socket.fileno() == -1  # its number may be another connection's by now
        await engine.shutdown()


async def test_pongs_that_nobody_reads_do_not_pile_up() -> None:
    """WebSocket's own pings are answered at once, not through the outbox; its bound holds for them, too."""
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks)
        app = web.Application()
        engine.attach(app, "/engine.io/")
        async with listening(app) as url:
            address = urlsplit(url)
            _deaf, writer = await asyncio.open_connection(address.hostname, address.port, limit=1)
            writer.write(HANDSHAKE)
            await eventually(lambda: len(engine.sessions) == 1)
            (session,) = engine.sessions.values()
            assert isinstance(session.transport, WebSocket)
            connection = session.transport._connection
            for _ in range(400):
                writer.write(masked(0x89, b"x" * 125) * 500)
                await writer.drain()
                assert connection.get_write_buffer_size() <= MAX_OUTBOX_BYTES
            await eventually(lambda: connection.get_write_buffer_size() > MAX_OUTBOX_BYTES * 0.9)
            assert not session.closed  # its heartbeat or the next message will find it slow
            session.send(packets.message_frame("x" * 1000))
            await eventually(lambda: session.closed)
            writer.close()
        await engine.shutdown()


async def test_who_sends_far_more_than_it_may_is_out_and_others_are_not() -> None:
    heard: list[str | bytes] = []
    ended: list[str] = []
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks, packets_per_second=50)
        engine.on("message", lambda _sid, data: heard.append(data))
        engine.on("disconnect", lambda _sid, reason: ended.append(reason))
        app = web.Application()
        engine.attach(app, "/engine.io/")
        async with listening(app) as url, aiohttp.ClientSession(url) as http:
            speaker = Speaker(http, "/engine.io/")
            async with speaker.opened() as eager, speaker.opened() as flooding:
                for _ in range(100):  # two seconds of it at once
                    await eager.send("4")
                for _ in range(1000):
                    await flooding.send("3")
                assert await flooding.closed() == 1008
                polling = await speaker.open_polling()
                body = "\x1e".join(["3"] * 1000)
                assert (await speaker.post(polling, body))[0] == 400
                assert (await speaker.poll(polling))[0] == 400
                await eventually(lambda: len(heard) == 100)
                assert ended == ["transport error"] * 2
                assert len(engine.sessions) == 1
        await engine.shutdown()


@pytest.mark.parametrize(
    ("first", "flood"),
    [
        pytest.param(b"", masked(0x89, b""), id="pings"),
        pytest.param(masked(0x01, b"4"), masked(0x00, b""), id="empty pieces of a message"),
    ],
)
async def test_frames_that_are_no_packets_count_as_packets(first: bytes, flood: bytes) -> None:
    ended: list[str] = []
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks, packets_per_second=50)
        engine.on("disconnect", lambda _sid, reason: ended.append(reason))
        app = web.Application()
        engine.attach(app, "/engine.io/")
        async with listening(app) as url:
            address = urlsplit(url)
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(HANDSHAKE)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(first + flood * 90)
            await turns()
            assert not ended  # two seconds of it at once
            writer.write(flood * 1000)
            async with asyncio.timeout(PATIENCE_S):
                await reader.readuntil(b"\x88\x02" + (1008).to_bytes(2))
            assert ended == ["transport error"]
            writer.close()
        await engine.shutdown()


async def test_who_is_being_closed_is_read_no_further_than_its_answer_may_be() -> None:
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks)
        app = web.Application()
        engine.attach(app, "/engine.io/")
        async with listening(app) as url:
            address = urlsplit(url)
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(HANDSHAKE)
            await eventually(lambda: len(engine.sessions) == 1)
            (session,) = engine.sessions.values()
            websocket = session.transport
            assert isinstance(websocket, WebSocket)
            session.close()
            writer.write(masked(0x89, b"") * (MAX_LATE_FRAMES + 1))
            await eventually(lambda: not websocket._connection.is_reading())
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), PATIENCE_S)  # it is given up all the same
            writer.close()
        await engine.shutdown()


async def test_a_websocket_leaves_nothing_of_http_behind() -> None:
    """That aiohttp lets go of a connection taken over is not promised by it: this is where it would show."""
    async with Tasks() as tasks:
        engine = EngineServer(tasks=tasks)
        app = web.Application()
        engine.attach(app, "/engine.io/")
        async with listening(app) as url, aiohttp.ClientSession(url) as http:
            before = asyncio.all_tasks()
            sockets = [await http.ws_connect("/engine.io/?EIO=4&transport=websocket") for _ in range(20)]
            for opened in sockets:
                await opened.receive_str()
            await eventually(lambda: asyncio.all_tasks() == before)
            await eventually(lambda: not held(RequestHandler))
            await asyncio.gather(*(opened.close() for opened in sockets))
            await eventually(lambda: not engine.sessions)
        await engine.shutdown()


async def test_sessions_that_are_over_are_freed(server: str) -> None:
    others = held(WebSocket)  # of servers that other tests have left behind
    async with aiohttp.ClientSession(server) as http:
        for _ in range(20):
            async with http.ws_connect("/socket.io/?EIO=4&transport=websocket") as opened:
                await opened.receive_str()
                await opened.send_str("40")
                await opened.receive_str()
    await eventually(lambda: len(held(WebSocket)) <= len(others))


class Unwalked(dict[str, str]):
    """What is kept by key: it is never gone through, so that its size costs nobody anything."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("gone through from end to end")

    keys = values = items = copy = __reversed__ = __iter__  # type: ignore[assignment]  # none of them may be called


async def test_clients_that_leave_cost_the_same_however_many_they_are() -> None:
    members = Members()
    members._sids, members._engine_ids = Unwalked(), Unwalked()
    numbers = itertools.count()

    class Engine:
        def generate_id(self) -> str:
            return f"id{next(numbers)}"

    members.server = type("Server", (), {"eio": Engine()})()
    sids = [members.add(f"e{number}", "/") for number in range(100)]
    for sid in sids:
        members.confirm(sid)
    for sid in sids:
        members.pre_disconnect(sid, "/")
        await members.disconnect(sid, "/")
    assert len(members._sids) == len(members._engine_ids) == 0
