"""What gateways announce of their connections, as a service that follows them sees it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import socketio

from pulso.attendance import attending
from pulso.channels import Channels
from pulso.connections import LEASE_S, OpenConnection
from pulso.party import connected
from pulso.settings import KitSettings
from tests.services.gateway.conftest import Room, cookie_of, room_of, token_of
from tests.waiting import eventually


class Notes:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.opened_ones: list[OpenConnection] = []
        self.open: dict[str, OpenConnection] = {}
        self.gone: list[str] = []

    def opened(self, connection: OpenConnection) -> None:
        self.opened_ones.append(connection)
        self.open[connection.id] = connection

    def closed(self, connection: OpenConnection) -> None:
        del self.open[connection.id]

    def left(self, user: str) -> None:
        self.gone.append(user)


@contextlib.asynccontextmanager
async def noting(kit: KitSettings) -> AsyncIterator[Notes]:
    notes = Notes()
    async with (
        connected(kit, name="follower", inbox=Channels.gateway) as up,
        attending(up.bus, notes, grace_s=0.3),
    ):
        yield notes


async def test_each_connection_is_announced_by_the_gateway_that_holds_it(room: Room) -> None:
    async with noting(room.kit) as notes, room.visitor() as visitor:
        token = await token_of(visitor, "Rui")
        async with room.client(0, auth={"token": token}) as one, room.client(1, auth={"token": token}) as two:
            ready = [await client.hears("session:ready") for client in (one, two)]
            await eventually(lambda: len(notes.open) == 2)
            announced = list(notes.open.values())
            assert {connection.gateway for connection in announced} == {said["gateway"] for said in ready}
            assert {(c.user, c.name, c.kind, c.address) for c in announced} == {
                (ready[0]["user"]["id"], "Rui", "guest", "127.0.0.1")
            }
        await eventually(lambda: notes.gone == [ready[0]["user"]["id"]])
        assert notes.open == {}


async def test_who_is_there_before_the_service_is_listed_to_it(room: Room) -> None:
    async with room.visitor() as visitor, room.client(auth={"token": await token_of(visitor)}) as client:
        await client.hears("session:ready")
        async with noting(room.kit) as notes:
            assert [connection.name for connection in notes.open.values()] == ["Rui"]


async def test_who_is_refused_is_not_announced(room: Room) -> None:
    async with noting(room.kit) as notes, room.visitor() as visitor:
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with room.client(auth={"token": "forged"}):
                pass
        async with room.client(auth={"token": await token_of(visitor)}) as client:
            await client.hears("session:ready")
            await eventually(lambda: notes.open)
        assert [connection.name for connection in notes.opened_ones] == ["Rui"]


@pytest.mark.quiet
async def test_a_logout_closes_the_connection_for_followers_too(room: Room) -> None:
    async with noting(room.kit) as notes, room.visitor() as visitor:
        await token_of(visitor)
        headers = {"Cookie": cookie_of(visitor), "Origin": room.urls[0]}
        async with room.client(headers=headers) as client:
            await client.hears("session:ready")
            await eventually(lambda: notes.open)
            async with visitor.post("/api/auth/logout") as answer:
                assert answer.status == 200
            await eventually(lambda: not notes.open, within_s=1)


async def test_a_gateway_that_stops_says_good_bye(kit: KitSettings) -> None:
    async with noting(kit) as notes, contextlib.AsyncExitStack() as stack:
        async with room_of(kit, 1) as room, room.visitor() as visitor:
            token = await token_of(visitor)
            client = await stack.enter_async_context(room.client(auth={"token": token}))
            await client.hears("session:ready")
            await eventually(lambda: notes.open)
        await eventually(lambda: not notes.open, within_s=LEASE_S / 2)
