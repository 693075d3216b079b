"""Events through the gateway: acks, errors, bad input, topics, mirrors, the journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from pulso.lease import redis_client
from pulso.settings import KitSettings
from services.gateway.contract import Record
from tests.rows import rows
from tests.services.gateway.conftest import Client, Room, room_of, token_of
from tests.waiting import eventually


@pytest.fixture
async def client(room: Room) -> AsyncIterator[Client]:
    async with room.visitor() as visitor:
        token = await token_of(visitor)
    async with room.client(auth={"token": token}) as connected:
        await connected.hears("numbers:value")
        yield connected


async def test_a_value_is_acknowledged_and_kept_for_the_next_connection(room: Room) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor)
    async with room.client(0, auth={"token": token}) as client:
        assert await client.hears("numbers:value") == {"value": 0, "step": 1}
        assert await client.call("numbers:set", {"value": 37}) == {"value": 37}
        drawn = await client.call("numbers:even")
    async with room.client(1, auth={"token": token}) as client:
        assert await client.hears("numbers:value") == {"value": 37, "step": drawn["number"]}


@rows(
    "payload",
    [100, -1, {"value": 100}, {"value": -1}, {"value": 1.5}, {"value": True}, {"value": "5"}, {"value": None},
     {}, {"value": 1, "more": 2}, [], [1], "x", None, {"value": 2**63}, {"value": [1]}],
)  # fmt: skip
async def test_bad_values_are_refused(client: Client, payload: Any) -> None:
    answer = await client.call("numbers:set", payload)
    assert answer["error"]["code"] == "bad_request"
    assert answer["error"]["message"]


@rows("event", ["nobody:home", "connect_error", "disconnecting", "__proto__", "numbers:connected", "auth:resolve"])
async def test_unknown_and_internal_events_are_not_found(client: Client, event: str) -> None:
    assert (await client.call(event, {}))["error"]["code"] == "not_found"


async def test_binary_and_surplus_arguments_are_refused(client: Client) -> None:
    assert (await client.call("numbers:set", b"\x00"))["error"]["code"] == "bad_request"
    assert (await client.call("numbers:set", ({"value": 1}, {"value": 2})))["error"]["code"] == "bad_request"
    assert await client.call("numbers:set", {"value": 1}) == {"value": 1}


async def test_an_oversize_payload_is_refused_and_the_socket_lives(client: Client) -> None:
    assert (await client.call("numbers:set", {"value": "x" * 70_000}))["error"]["code"] == "too_large"
    assert await client.call("numbers:set", {"value": 1}) == {"value": 1}


async def test_events_beyond_the_rate_are_refused_and_the_socket_lives(kit: KitSettings) -> None:
    async with room_of(kit, 1, limit_events_per_second=5) as room:
        async with room.visitor() as visitor:
            token = await token_of(visitor)
        async with room.client(auth={"token": token}) as client:
            answers = await asyncio.gather(*(client.call("numbers:set", {"value": 1}) for _ in range(20)))
    refused = [answer for answer in answers if "error" in answer]
    assert {answer["error"]["code"] for answer in refused} == {"rate_limited"}
    assert 8 <= len(refused) <= 11


@rows(
    "frame",
    ["", "9", "4", "49", "4x", "42", "42{", "42[", "42[]", "42[1]", '42[{"a":1}]', "4215[NaN]", "450-[", "43[]",
     '42/elsewhere,["numbers:set",{}]', "44{}", "4451-", '40/elsewhere,{}', "\ud83d",
     '4212345678901234567["numbers:set",{}]', '451-["numbers:set",{"_placeholder":true,"num":0}]',
     '42["numbers:set",' + "[" * 60_000, '42["\\u0000"]', '422["numbers:set",{"value":NaN}]',
     '421["numbers:set",{"value":"\\ud800"}]'],
)  # fmt: skip
async def test_a_malformed_frame_harms_nobody_else(room: Room, client: Client, frame: str) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor)
        url = f"{room.urls[0]}/socket.io/?EIO=4&transport=websocket"
        async with visitor.ws_connect(url, origin=room.urls[0]) as raw:
            await raw.receive_str()
            await raw.send_str("40" + json.dumps({"token": token}))
            await raw.receive_str()
            await raw.send_frame(frame.encode("utf-8", "surrogatepass"), aiohttp.WSMsgType.TEXT)
            assert await client.call("numbers:set", {"value": 3}) == {"value": 3}


async def test_the_users_other_connections_mirror_across_gateways(room: Room) -> None:
    async with room.visitor() as visitor, room.visitor() as other:
        token, others = await token_of(visitor), await token_of(other)
    async with (
        room.client(0, auth={"token": token}) as driver,
        room.client(0, auth={"token": token}) as same,
        room.client(1, auth={"token": token}) as far,
        room.client(1, auth={"token": others}) as stranger,
    ):
        for client in (driver, same, far, stranger):
            await client.hears("numbers:value")
        await driver.call("numbers:set", {"value": 12})
        for mirror in (same, far):
            assert await mirror.hears("numbers:value", 2) == {"value": 12, "step": 1}
        await driver.call("numbers:set", {"value": 13})
        for mirror in (same, far):
            assert await mirror.hears("numbers:value", 3) == {"value": 13, "step": 1}
        assert len(driver.payloads("numbers:value")) == 1
        assert len(stranger.payloads("numbers:value")) == 1


async def test_the_board_reaches_those_who_watch_and_nobody_else(room: Room) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor, "Rui")
    async with room.client(0, auth={"token": token}) as watcher, room.client(1, auth={"token": token}) as other:
        await watcher.call("numbers:set", {"value": 42})
        assert await watcher.call("numbers:watch") == {}
        row = {"user": "Rui", "value": 42, "step": 1}
        await eventually(lambda: any(board["values"] == [row] for board in watcher.payloads("numbers:board")))
        board = await watcher.hears("numbers:board")
        assert board["active"] == 1
        assert len(board["histogram"]) == 100
        assert board["histogram"][42] == 1
        assert not other.payloads("numbers:board")
        assert await watcher.call("numbers:unwatch") == {}


async def test_http_answers_as_the_socket_does(room: Room) -> None:
    async with room.visitor() as visitor:
        async with visitor.post("/api/numbers/set", json={"value": 1}) as response:
            assert response.status == 401
        await token_of(visitor)
        for path, body, status in (
            ("/api/numbers/set", {"value": 5}, 200),
            ("/api/numbers/set", {"value": 500}, 400),
            ("/api/numbers/nothing", {}, 404),
            ("/api/numbers/connected", {}, 404),
            ("/api/auth/resolve", {"credential": "x"}, 404),
            ("/api/numbers/set", {"value": "x" * 70_000}, 413),
        ):
            async with visitor.post(path, json=body) as response:
                assert response.status == status, await response.text()
                if status != 200:
                    assert set((await response.json())["error"]) >= {"code", "message"}


@rows("body", [b"[", b"\xff\xfe", b"[" * 50_000, b"null", b'"x"', b'{"value":1e999}', b'{"value":NaN}'])
async def test_bad_bodies_are_refused(room: Room, body: bytes) -> None:
    async with room.visitor() as visitor:
        await token_of(visitor)
        headers = {"Content-Type": "application/json"}
        async with visitor.post("/api/numbers/set", data=body, headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["error"]["code"] == "bad_request"


async def test_another_sites_page_cannot_act(room: Room) -> None:
    async with room.visitor() as visitor:
        await token_of(visitor)
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            async with visitor.post("/api/numbers/set", json={"value": 5}, headers=headers) as response:
                assert response.status == 403
        async with visitor.post("/api/numbers/set", data=b'{"value":5}') as response:
            assert response.status == 400


async def test_every_response_carries_the_security_headers(room: Room) -> None:
    async with room.visitor() as visitor:
        for path in ("/", "/api/auth/me", "/nothing", "/socket.io/?EIO=3", "/assets/nothing.js"):
            async with visitor.get(path) as response:
                assert response.headers["X-Content-Type-Options"] == "nosniff", path
                assert response.headers["X-Frame-Options"] == "DENY"
                assert "default-src" in response.headers["Content-Security-Policy"]
                assert "aiohttp" not in response.headers["Server"]


async def test_messages_stand_in_the_journal_once_per_direction(room: Room, kit: KitSettings) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor)
    async with room.client(0, auth={"token": token}) as client, room.client(1, auth={"token": token}) as mirror:
        await mirror.hears("numbers:value")
        await client.call("numbers:set", {"value": 77})
        await mirror.hears("numbers:value", 2)
        await client.call("numbers:set", {"value": 777})
        async with redis_client(kit.redis_url) as redis:

            async def records() -> list[Record]:
                entries = await redis.xrange(f"{kit.redis_prefix}:journal")
                return [r for _, e in entries for r in msgspec.msgpack.decode(e[b"batch"], type=list[Record])]

            found: list[Record] = []

            async def complete() -> bool:
                found[:] = [record for record in await records() if b'"value":77' in record.payload]
                return len(found) >= 3

            await eventually(complete)
    assert sorted((r.direction, r.event, r.outcome, r.payload) for r in found) == [
        ("in", "numbers:set", "bad_request", b'{"value":777}'),
        ("in", "numbers:set", "ok", b'{"value":77}'),
        ("out", "numbers:value", "ok", b'{"value":77,"step":1}'),
    ]
