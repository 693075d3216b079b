"""Who may connect, as whom, and for how long: handshakes, cookies, tokens, logout across gateways."""

from __future__ import annotations

from typing import Any

import jwt
import msgspec
import pytest
import socketio

from pulso.channels import Channels
from pulso.message import Tell
from pulso.party import connected
from pulso.settings import KitSettings
from services.auth.contract import SESSIONS_ENDED
from tests.admission import admitted
from tests.patient_client import PatientClient
from tests.services.gateway.conftest import Room, cookie_of, room_of, token_of
from tests.waiting import eventually, in_own_task

ACCOUNT = {"name": "Ana", "username": "ana", "email": "ana@example.com", "password": "correct horse"}


async def refusal(room: Room, **how: Any) -> str:
    """What a refused client is told."""
    client = PatientClient()
    heard: list[Any] = []
    client.on("connect_error", heard.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        # The client takes the cookie out of the headers that it is given.
        await client.connect(room.urls[0], **{**how, "headers": dict(how.get("headers", {}))})
    await eventually(lambda: heard)
    return str(heard[0]["message"])


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_without_identity_a_handshake_is_unauthorized(room: Room, transport: str) -> None:
    for auth in (None, {"token": "x.y.z"}, {"token": 7}):
        assert await refusal(room, auth=auth, transports=[transport]) == "unauthorized"


async def test_a_token_opens_a_socket_and_says_who_it_is(room: Room) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor, "Rui")
    async with room.client(auth={"token": token}) as client:
        ready = await client.hears("session:ready")
        assert ready["user"]["name"] == "Rui"
        assert ready["user"]["kind"] == "guest"
        await client.hears("numbers:value")
        assert [event for event, _ in client.told[:2]] == ["session:ready", "numbers:value"]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_cookie_counts_only_from_a_page_of_ours(room: Room, transport: str) -> None:
    how = {"transports": [transport]}
    async with room.visitor() as visitor:
        token = await token_of(visitor)
        cookie = cookie_of(visitor)
    for headers in (
        {"Cookie": cookie},
        {"Cookie": cookie, "Origin": "http://evil.example"},
        {"Cookie": cookie, "Origin": "null"},
    ):
        assert await refusal(room, headers=headers, **how) == "unauthorized"
        assert await refusal(room, headers=headers, auth={"token": token}, **how) == "unauthorized"
    async with room.client(headers={"Cookie": cookie, "Origin": room.urls[0]}, **how) as client:
        await client.hears("session:ready")


async def test_registering_signs_in_and_the_cookie_works_on_another_gateway(room: Room) -> None:
    async with room.visitor() as visitor:
        async with admitted(visitor, "/api/auth/register", json=ACCOUNT) as response:
            body = await response.json()
            assert response.status == 200, body
            assert set(body) == {"user", "access_token", "expires_in"}
            assert response.cookies["pulso_session"]["httponly"]
            assert response.cookies["pulso_session"]["samesite"] == "Lax"
        async with visitor.get(f"{room.urls[1]}/api/auth/me") as response:
            me = await response.json()
            assert (me["name"], me["kind"], me["email"]) == ("Ana", "user", "ana@example.com")
        async with admitted(visitor, "/api/auth/register", json=ACCOUNT) as response:
            assert response.status == 409
            assert (await response.json())["error"]["code"] == "conflict"


async def test_a_guest_who_registers_keeps_the_number_and_nobody_else_has_a_hold_of_it(room: Room) -> None:
    async with room.visitor() as visitor, room.visitor() as thief:
        token = await token_of(visitor)
        stolen = {"Cookie": cookie_of(visitor)}
        async with room.client(auth={"token": token}) as client:
            await client.call("numbers:set", {"value": 37})
            async with admitted(visitor, "/api/auth/register", json=ACCOUNT) as response:
                account = await response.json()
                assert response.status == 200, account
            assert await client.hears("session:ended") == {"reason": "registered"}
        async with room.client(auth={"token": account["access_token"]}) as client:
            assert (await client.hears("numbers:value"))["value"] == 37
            assert (await client.hears("session:ready"))["user"]["kind"] == "user"
        async with thief.get("/api/auth/me", headers=stolen) as response:
            assert response.status == 401
        assert await refusal(room, auth={"token": token}) == "unauthorized"


@pytest.mark.quiet
async def test_logout_ends_the_sessions_sockets_on_every_gateway_and_refuses_its_tokens(room: Room) -> None:
    async with room.visitor() as visitor, room.visitor() as stranger:
        async with admitted(visitor, "/api/auth/register", json=ACCOUNT) as response:
            token = (await response.json())["access_token"]
        other = await token_of(stranger)
        async with (
            room.client(0, auth={"token": token}) as here,
            room.client(1, auth={"token": token}) as there,
            room.client(1, auth={"token": other}) as neighbour,
        ):
            for client in (here, there, neighbour):
                await client.hears("session:ready")
            async with visitor.post("/api/auth/logout") as response:
                assert response.status == 200
            # At once, on the gateway that did not see the logout as well.
            for url in room.urls:
                async with stranger.get(
                    f"{url}/api/auth/me", headers={"Authorization": f"Bearer {token}"}
                ) as response:
                    assert response.status == 401
            for client in (here, there):
                assert await client.hears("session:ended") == {"reason": "logout"}
                await eventually(lambda client=client: not client.socket.connected, within_s=1.0)
            assert neighbour.socket.connected
            assert await refusal(room, auth={"token": token}) == "unauthorized"


async def test_logout_all_ends_every_session_of_the_user(room: Room) -> None:
    async with room.visitor() as phone, room.visitor(1) as laptop:
        async with admitted(phone, "/api/auth/register", json=ACCOUNT) as response:
            phone_token = (await response.json())["access_token"]
        credentials = {"username": "ANA", "password": ACCOUNT["password"]}
        async with admitted(laptop, "/api/auth/login", json=credentials) as response:
            assert response.status == 200
        async with laptop.get("/api/auth/sessions") as response:
            assert len((await response.json())["sessions"]) == 2
        async with room.client(0, auth={"token": phone_token}) as client:
            await client.hears("session:ready")
            async with laptop.post("/api/auth/logout-all") as response:
                assert response.status == 200
            await client.hears("session:ended")
        async with phone.get("/api/auth/me") as response:
            assert response.status == 401


async def test_what_cannot_be_read_takes_no_ended_session_along(room: Room, kit: KitSettings) -> None:
    async with room.visitor() as visitor, in_own_task(connected(kit, name="t", inbox=Channels.gateway)) as up:
        token = await token_of(visitor)
        session = jwt.decode(token, options={"verify_signature": False})["sid"]
        async with room.client(0, auth={"token": token}) as client:
            await client.hears("session:ready")
            for payload in (b"{", b'"\xff"', msgspec.json.encode({"sessions": [session], "reason": "revoked"})):
                up.bus.send(up.bus.channels.identity, Tell(SESSIONS_ENDED.name, payload))
            assert await client.hears("session:ended") == {"reason": "revoked"}


async def test_failed_logins_are_limited_by_account_and_address(kit: KitSettings) -> None:
    async with room_of(kit, 2, limit_logins_per_minute=3) as room, room.visitor() as visitor:
        async with admitted(visitor, "/api/auth/register", json=ACCOUNT) as response:
            assert response.status == 200
        wrong = {"username": "ana", "password": "not this one"}
        for attempt in range(3):
            async with visitor.post(f"{room.urls[attempt % 2]}/api/auth/login", json=wrong) as response:
                assert response.status == 401
        async with visitor.post(f"{room.urls[1]}/api/auth/login", json=wrong) as response:
            assert response.status == 429
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["error"]["code"] == "rate_limited"
        other = {"username": "rui", "password": "not this one"}
        async with visitor.post("/api/auth/login", json=other) as response:
            assert response.status == 401


async def test_guests_can_be_switched_off(kit: KitSettings) -> None:
    async with room_of(kit, 1, guests=False) as room, room.visitor() as visitor:
        async with admitted(visitor, "/api/auth/guest") as response:
            assert response.status == 403
        async with visitor.get("/") as response:
            assert "pulso_session" not in response.cookies


async def test_a_newcomer_on_a_page_becomes_a_guest(room: Room) -> None:
    async with room.visitor() as visitor:
        async with visitor.get("/") as response:
            assert response.status == 200
            assert "pulso_session" in response.cookies
        async with visitor.get("/api/auth/me") as response:
            assert (await response.json())["kind"] == "guest"


async def test_no_more_sockets_than_allowed(kit: KitSettings) -> None:
    async with room_of(kit, 1, limit_connections_per_user=2) as room, room.visitor() as visitor:
        token = await token_of(visitor)
        async with room.client(auth={"token": token}), room.client(auth={"token": token}):
            assert await refusal(room, auth={"token": token}) == "rate_limited"
        async with room.client(auth={"token": token}) as client:
            await client.hears("session:ready")
