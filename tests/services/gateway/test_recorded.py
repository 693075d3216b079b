"""What stands in the log of all messages: all that came and went, however it was answered, and no secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
import socketio

from pulso.lease import redis_client
from pulso.settings import KitSettings
from services.gateway import relay
from services.gateway.connection import ack_frame
from services.gateway.contract import Record
from services.gateway.journal import SPOOLS
from tests.admission import admitted
from tests.services.gateway.conftest import Room, cookie_of, room_of, token_of
from tests.waiting import eventually

SECRET = "nonce-7c1f-correct-horse"


@pytest.fixture
async def slow_room(kit: KitSettings) -> AsyncIterator[Room]:
    """Two events in a burst are taken of a socket, and one more each second."""
    async with room_of(kit, 1, limit_events_per_second=1) as running:
        yield running


async def records(kit: KitSettings) -> list[Record]:
    """All that came to the stream: no service takes anything from it here."""
    async with redis_client(kit.redis_url) as redis:
        entries = await redis.xrange(f"{kit.redis_prefix}:journal")
    return [r for _, entry in entries for r in msgspec.msgpack.decode(entry[b"batch"], type=list[Record])]


async def recorded(kit: KitSettings, event: str, outcome: str, count: int = 1) -> list[Record]:
    """Those of an event that were so answered, once there are as many; there must not be more."""

    async def found() -> list[Record]:
        return [r for r in await records(kit) if (r.event, r.outcome) == (event, outcome)]

    async def complete() -> bool:
        return len(await found()) >= count

    await eventually(complete)
    assert len(await found()) == count
    return await found()


async def test_connections_are_recorded_from_their_beginning_to_their_end(room: Room) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor, "Rui")
    async with room.client(auth={"token": token}) as client:
        ready = await client.hears("session:ready")
    (began,) = await recorded(room.kit, "connect", "ok")
    (ended,) = await recorded(room.kit, "disconnect", "ok")
    assert began.connection == ended.connection != ""
    assert (began.user, began.name, began.payload) == (ready["user"]["id"], "Rui", b"")
    assert json.loads(ended.payload)["reason"] in ("client disconnect", "transport close")


async def test_a_refused_connection_is_recorded(room: Room) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with room.client(auth={"token": SECRET}):
            pass
    (refused,) = await recorded(room.kit, "connect", "unauthorized")
    assert (refused.user, refused.payload) == ("", b"")


async def test_refused_and_limited_events_are_recorded(slow_room: Room) -> None:
    async with slow_room.visitor() as visitor:
        token = await token_of(visitor)
    async with slow_room.client(auth={"token": token}) as client:
        await client.hears("numbers:value")
        await client.call("nobody:home", {"a": 1})
        await client.call("numbers:set", {"value": "x" * 70_000})
        await client.call("numbers:set", {"value": 5})
    (unknown,) = await recorded(slow_room.kit, "nobody:home", "not_found")
    assert unknown.payload == b'{"a":1}'
    (large,) = await recorded(slow_room.kit, "numbers:set", "too_large")
    assert (large.payload, large.size) == (b"", 70_012)
    (limited,) = await recorded(slow_room.kit, "numbers:set", "rate_limited")
    assert limited.payload == b'{"value":5}'


async def test_an_ack_that_cannot_be_sent_keeps_nothing_from_others_or_from_the_journal(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def framed(ack: bytes, payload: bytes) -> bytes:
        if payload == b'{"value":1}':
            raise RuntimeError("as a fault of ours would")
        return ack_frame(ack, payload)

    monkeypatch.setattr(relay, "ack_frame", framed)
    async with room.visitor() as visitor:
        token = await token_of(visitor)
    async with room.client(auth={"token": token}) as client:
        await client.hears("numbers:value")
        await client.socket.emit("numbers:set", {"value": 1}, callback=lambda _: None)
        assert await client.call("numbers:set", {"value": 2}) == {"value": 2}
    assert {record.payload for record in await recorded(room.kit, "numbers:set", "ok", 2)} == {
        b'{"value":1}',
        b'{"value":2}',
    }


async def test_a_malformed_packet_is_recorded_as_it_came(room: Room) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor, "Rui")
        url = f"{room.urls[0]}/socket.io/?EIO=4&transport=websocket"
        async with visitor.ws_connect(url, origin=room.urls[0]) as raw:
            await raw.receive_str()
            await raw.send_str("40" + json.dumps({"token": token}))
            await raw.receive_str()
            await raw.send_str('42["numbers:set"')
            (broken,) = await recorded(room.kit, "malformed", "bad_request")
    assert (broken.name, broken.payload) == ("Rui", b'2["numbers:set"')


async def test_requests_over_http_are_recorded_with_how_they_were_answered(room: Room) -> None:
    async with room.visitor() as visitor:
        await token_of(visitor, "Rui")
        for path, body, headers in (
            ("/api/numbers/set", {"value": 5}, {}),
            ("/api/numbers/set", {"value": 500}, {}),
            ("/api/numbers/nothing", {"n": 1}, {}),
            ("/api/numbers/set", {"value": 5}, {"Origin": "http://evil.example"}),
            ("/api/numbers/set", {"value": "x" * 70_000}, {}),
        ):
            async with visitor.post(path, json=body, headers=headers):
                pass
    (done,) = await recorded(room.kit, "numbers:set", "ok")
    assert (done.name, done.connection, json.loads(done.payload)) == ("Rui", "", {"value": 5})
    (wrong,) = await recorded(room.kit, "numbers:set", "bad_request")
    assert json.loads(wrong.payload) == {"value": 500}
    await recorded(room.kit, "numbers:nothing", "not_found")
    (forged,) = await recorded(room.kit, "numbers:set", "forbidden")
    assert forged.user == ""
    await recorded(room.kit, "numbers:set", "too_large")


async def test_a_broadcast_is_recorded_once_with_its_recipients(room: Room) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor)
    async with room.client(0, auth={"token": token}) as one, room.client(0, auth={"token": token}) as two:
        for client in (one, two):
            await client.hears("numbers:value")
            await client.call("numbers:watch")
        await eventually(lambda: one.payloads("numbers:board") and two.payloads("numbers:board"))

        async def both() -> bool:
            return any((r.event, r.recipients) == ("numbers:board", 2) for r in await records(room.kit))

        await eventually(both)


async def test_signing_in_is_recorded_and_no_secret_is_anywhere(room: Room, kit: KitSettings) -> None:
    account = {"name": "Ana", "username": "ana", "email": "ana@example.com", "password": SECRET}
    async with room.visitor() as visitor:
        async with admitted(visitor, "/api/auth/register", json=account) as answer:
            token = (await answer.json())["access_token"]
        cookie = cookie_of(visitor).partition("=")[2]
        async with admitted(visitor, "/api/auth/login", json={"username": "ana", "password": SECRET}):
            pass
        async with visitor.post("/api/auth/login", json={"username": "ana", "password": f"{SECRET}!"}):
            pass
        async with visitor.post("/api/auth/signin", json={"username": "ana", "password": SECRET}):
            pass
        async with visitor.get(f"/api/auth/me?access_token={token}", headers={"Authorization": f"Bearer {token}"}):
            pass
        async with admitted(visitor, "/api/auth/token") as answer:
            another = (await answer.json())["access_token"]
        async with room.client(auth={"token": token}) as client:
            await client.hears("numbers:value")
            await client.call("auth:login", {"username": "ana", "password": SECRET})
            await client.call("auth:signin", {"user": "ana", "pwd": SECRET})
            await client.call("numbers:set", {"value": 1, "token": token})
        await _send_broken(visitor, room.urls[0], token)
        async with visitor.post("/api/auth/logout"):
            pass
    (registered,) = await recorded(kit, "auth:register", "ok")
    assert (registered.name, registered.payload) == ("Ana", b"")
    assert registered.size == len(json.dumps(account))
    await recorded(kit, "auth:login", "ok")
    await recorded(kit, "auth:login", "unauthorized")
    await recorded(kit, "auth:logout", "ok")
    await recorded(kit, "malformed", "bad_request")
    kept = msgspec.msgpack.encode(await records(kit)) + _all_of(kit.data / SPOOLS)
    for secret in (SECRET, token, another, cookie):
        assert secret.encode() not in kept
    assert b"auth:signin" in kept


async def _send_broken(visitor: aiohttp.ClientSession, url: str, token: str) -> None:
    async with visitor.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket", origin=url) as raw:
        await raw.receive_str()
        await raw.send_str('40{"token":"' + token)
        await raw.receive()


def _all_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
