"""What clients that mean harm, or know no better, get from the gateway: a code, in time, and nobody else pays."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.web_protocol import RequestHandler

from pulso.errors import ServiceError
from pulso.hardening import HEADERS, NO_CONTENT_POLICY, NOT_KEPT, SERVER
from pulso.lease import redis_client
from pulso.settings import KitSettings
from services.gateway import server, sockets
from services.gateway.limits import Turns
from services.gateway.responses import HSTS
from tests.raw_http import ask, at, connected
from tests.raw_websocket import masked
from tests.rows import rows
from tests.services.gateway.conftest import Room, room_of, token_of
from tests.waiting import PATIENCE_S, eventually

JSON = "Content-Type: application/json\r\n"


async def raw(room: Room, request: bytes) -> tuple[int, str]:
    """The status and the error's code that these bytes are answered with."""
    answer = await ask(at(room.urls[0]), request)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    return answer.status, answer.code


def post(headers: str, body: bytes = b"") -> bytes:
    return f"POST /api/auth/guest HTTP/1.1\r\nHost: pulso\r\n{headers}\r\n".encode() + body


@contextlib.asynccontextmanager
async def raw_socket(room: Room) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A connected socket whose frames the test writes; what it is told at first has been read."""
    async with room.visitor() as visitor:
        token = await token_of(visitor)
        url = f"{room.urls[0]}/socket.io/?EIO=4&transport=websocket"
        async with visitor.ws_connect(url, origin=room.urls[0]) as opened:
            await opened.receive_str()
            await opened.send_str("40" + json.dumps({"token": token}))
            while not (await opened.receive_str()).startswith('42["numbers:value"'):
                pass
            yield opened


@rows(
    "request_bytes",
    [
        post(JSON + "Content-Length: 2\r\nContent-Length: 3\r\n", b"{}x"),
        post(JSON + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
        post(JSON + "Content-Length: -1\r\n"),
        post(JSON + "Transfer-Encoding: chunked\r\n", b"ZZ\r\n{}\r\n0\r\n\r\n"),
        post("X-Long: " + "x" * 32_768 + "\r\n"),
        post("Expect: miracles\r\n"),
        b"FOO / HTTP/1.1\r\nHost: pulso\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: pulso\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500) + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_bad_request(room: Room, request_bytes: bytes) -> None:
    assert await raw(room, request_bytes) == (400, "bad_request")


async def test_a_body_that_is_declared_too_large_is_refused_before_it_comes(room: Room) -> None:
    assert await raw(room, post(JSON + "Content-Length: 99999999999\r\n", b"{")) == (413, "too_large")


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"{}"), gzip.compress(bytes(50_000_000)), b"\x1f\x8b\x08no"],
    ids=["small", "a bomb", "broken"],  # the workers of a run must agree on them: what gzip says holds its time
)
async def test_compressed_bodies_are_refused_unopened(room: Room, packed: bytes) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with (
        room.visitor() as visitor,
        visitor.post("/api/auth/guest", data=packed, headers=headers) as response,
    ):
        assert response.status == 400
        assert "uncompressed" in (await response.json())["error"]["message"]


async def test_an_odd_request_id_is_not_passed_on(room: Room) -> None:
    request = b"GET /api/auth/me HTTP/1.1\r\nHost: pulso\r\nX-Request-Id: \xff\xfe\r\n\r\n"
    assert await raw(room, request) == (401, "unauthorized")
    named = {"X-Request-Id": "trace-1"}
    async with room.visitor() as visitor, visitor.get("/api/auth/me", headers=named) as response:
        assert response.headers["X-Request-Id"] == "trace-1"


async def test_a_later_request_has_no_longer_for_its_headers(
    kit: KitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADERS_WITHIN_S", 0.5)
    whole = b"GET /api/auth/me HTTP/1.1\r\nHost: pulso\r\n\r\n"
    async with room_of(kit, 1) as room, connected(at(room.urls[0])) as connection:
        for _ in range(2):
            await connection.send(whole)
            assert (await connection.answer()).status == 401
        await connection.send(whole[:20])
        assert await connection.closes(within_s=5) == b""


@pytest.mark.parametrize("piece", [b"", b"GET / HTTP/1.1\r\nHost:", b"GET /socket.io/?EIO=4"])
async def test_headers_that_do_not_come_are_not_waited_for(
    kit: KitSettings, monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    monkeypatch.setattr(server, "HEADERS_WITHIN_S", 0.1)
    async with room_of(kit, 1) as room, connected(at(room.urls[0])) as connection:
        await connection.send(piece)
        assert await connection.closes(within_s=PATIENCE_S) == b""


@pytest.mark.parametrize("first", [None, 1], ids=["opened at once", "by way of aiohttp"])
async def test_a_handshake_is_answered_with_the_headers_that_harden(kit: KitSettings, first: int | None) -> None:
    handshake = (
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: pulso\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"X-Forwarded-Proto: https\r\n\r\n"
    )
    async with (
        room_of(kit, 1, trusted_proxies=("127.0.0.1",)) as room,
        connected(at(room.urls[0])) as connection,
    ):
        await connection.send(handshake[:first])
        if first is not None:
            await eventually(lambda: connections_of_aiohttp() > 0)
            await connection.send(handshake[first:])
        answer = await connection.answer()
    assert answer.status == 101
    assert dict(answer.headers) == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        **SERVER,
        **NOT_KEPT,
        "Content-Security-Policy": NO_CONTENT_POLICY,
        "Strict-Transport-Security": HSTS,
        **HEADERS,
    }


def connections_of_aiohttp() -> int:
    gc.collect()  # those of tests before
    return sum(isinstance(thing, RequestHandler) for thing in gc.get_objects())


async def test_guesses_sent_all_at_once_are_no_more_than_guesses_sent_in_turn(kit: KitSettings) -> None:
    limit = 3
    async with room_of(kit, 1, limit_logins_per_minute=limit) as room, room.visitor() as visitor:

        async def guess(number: int) -> int:
            name = ("ana", "ANA", "\uff41na")[number % 3]  # spellings of one name are one account
            wrong = {"username": name, "password": f"guess {number}"}
            async with visitor.post("/api/auth/login", json=wrong) as response:
                return response.status

        statuses = Counter(await asyncio.gather(*map(guess, range(30))))
    assert set(statuses) == {401, 429}
    assert statuses[401] == limit


async def test_a_turn_that_does_not_come_is_not_waited_for() -> None:
    turns = Turns(1)
    async with turns.of("ana", within_s=PATIENCE_S):
        with pytest.raises(ServiceError, match="unavailable"):
            async with turns.of("ana", within_s=0.01):
                pass
        async with turns.of("rui", within_s=PATIENCE_S):
            pass
    async with turns.of("ana", within_s=PATIENCE_S):
        pass


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ('451-["numbers:set",{"_placeholder":true,"num":0}]', None),
        ('451-7["numbers:set",{"_placeholder":true,"num":0}]', "437["),
        ("428[1]", "438["),
        ("4399[1]", None),  # an ack that nobody waits for
        ("40/elsewhere,", '44/elsewhere,{"message":"Invalid namespace"}'),
    ],
)
async def test_an_odd_packet_gets_its_own_answer_or_none(room: Room, frame: str, answer: str | None) -> None:
    async with raw_socket(room) as opened:
        await opened.send_str(frame)
        if frame.startswith("451-"):
            await opened.send_bytes(b"its attachment")
        await opened.send_str('429["numbers:set",{"value":5}]')
        if answer is not None:
            assert (await opened.receive_str()).startswith(answer)
        assert await opened.receive_str() == '439[{"value":5}]'


@pytest.mark.parametrize("frame", ['42\u0663["numbers:last",{}]', '42[\u00a0"numbers:last",{}]'])
async def test_digits_and_spaces_that_json_does_not_know_close_the_connection(room: Room, frame: str) -> None:
    """The fast lane takes nothing that the protocol does not allow."""
    async with raw_socket(room) as opened:
        await opened.send_str(frame)
        assert (await opened.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.CLOSE
        assert opened.close_code == 1002


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([masked(0x81, b'421["numbers:set",{"value":"\xff"}]')], 1007),  # no UTF-8 (RFC 6455, section 5.6)
        ([masked(0x01, b"4"), masked(0x81, b'421["numbers:set",{"value":1}]')], 1002),  # amid another (5.4)
    ],
)
async def test_an_event_in_a_frame_that_may_not_be_there_closes_the_connection(
    room: Room, frames: list[bytes], code: int
) -> None:
    async with raw_socket(room) as opened:
        connection = opened._response.connection
        assert connection is not None
        assert connection.transport is not None
        for frame in frames:
            connection.transport.write(frame)
            await asyncio.sleep(0)
        assert (await opened.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.CLOSE
        assert opened.close_code == code


async def test_malformed_events_count_against_the_rate_as_others_do(kit: KitSettings) -> None:
    async with room_of(kit, 1, limit_events_per_second=1) as room, raw_socket(room) as opened:
        for number in range(30):
            await opened.send_str(f"42{number}[1]")
        answers = [await opened.receive_str() for _ in range(30)]
    assert sum("rate_limited" in answer for answer in answers) >= 18


async def test_whoever_leaves_the_namespace_may_not_keep_the_transport(
    kit: KitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "CONNECT_WITHIN_S", 1.0)
    async with room_of(kit, 1) as room, raw_socket(room) as opened:
        await opened.send_str("41")
        async with asyncio.timeout(PATIENCE_S):
            assert (await opened.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_flood_that_is_refused_does_not_fill_the_journal(kit: KitSettings) -> None:
    async with (
        room_of(kit, 1, limit_events_per_second=5) as room,
        raw_socket(room) as opened,
        redis_client(kit.redis_url) as redis,
    ):
        for _ in range(200):
            await opened.send_str('42["numbers:set","' + "x" * 50_000 + '"]')
        await opened.send_str('421["numbers:last",{}]')
        while not (await opened.receive_str()).startswith("431["):
            pass
        stream = f"{kit.redis_prefix}:journal"

        async def has_the_last() -> bool:
            return any(b"numbers:last" in entry[b"batch"] for _, entry in await redis.xrange(stream))

        await eventually(has_the_last)
        assert sum(len(entry[b"batch"]) for _, entry in await redis.xrange(stream)) < 200_000
