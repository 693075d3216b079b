"""What must hold between a handshake and the first event, and after a service has come."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import pkgutil
from collections.abc import AsyncIterator
from typing import Any

import msgspec

import services
from pulso.contract import Access, Contract, Endpoint, Event, Nothing, Topic
from pulso.probes import Health
from pulso.push import Push
from pulso.routes import Routes
from pulso.service import serve
from pulso.settings import KitSettings
from pulso.shard import Context, Service
from tests.services.gateway.conftest import Client, Room, token_of
from tests.waiting import eventually


class Ring(msgspec.Struct, frozen=True):
    number: int


RING = Event("bell:ring", Ring, "It rings.")
BELL = Topic("bell.rings", (RING,), everyone=True)
PULL = Endpoint("bell:pull", Nothing, Nothing, Access.GUEST, "Ring for everybody.")

routes = Routes[Push]()


@routes.handler(PULL)
async def pull(push: Push, _caller: Any, _request: Nothing) -> Nothing:
    push.to_topic(BELL.name, RING, Ring(1))
    return Nothing()


@contextlib.asynccontextmanager
async def start(context: Context) -> AsyncIterator[Push]:
    yield context.push


@contextlib.asynccontextmanager
async def bell(kit: KitSettings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(Service(Contract("bell", (PULL,), (BELL,)), routes, start), kit, Health(), stop)
    )
    try:
        yield
    finally:
        stop.set()
        await serving


async def pulled(client: Client) -> None:
    async def rings() -> bool:
        return "error" not in await client.call("bell:pull")

    await eventually(rings)


async def test_a_topic_for_everyone_reaches_those_who_were_there_before_its_service(
    room: Room, kit: KitSettings
) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor)
    async with room.client(0, auth={"token": token}) as early:
        await early.hears("numbers:value")
        async with bell(kit), room.client(1, auth={"token": token}) as late:
            await pulled(late)
            await early.hears("bell:ring")
            await late.hears("bell:ring")


async def test_a_topic_reaches_whoever_follows_it_by_then(room: Room, kit: KitSettings) -> None:
    async with room.visitor() as visitor:
        token = await token_of(visitor)

    async def ring_for(*clients: Client) -> None:
        for client in clients:
            client.told.clear()
        await pulled(clients[0])
        for client in clients:
            await client.hears("bell:ring")

    async with bell(kit), room.client(0, auth={"token": token}) as stays:
        await stays.hears("numbers:value")
        async with room.client(0, auth={"token": token}) as leaves:
            await leaves.hears("numbers:value")
            await ring_for(stays, leaves)
        await ring_for(stays)
        async with room.client(0, auth={"token": token}) as comes:
            await comes.hears("numbers:value")
            await ring_for(stays, comes)


async def test_no_socket_of_an_ended_session_stays_however_the_logout_falls(room: Room) -> None:
    for _ in range(5):
        async with room.visitor() as visitor:
            token = await token_of(visitor)
            async with contextlib.AsyncExitStack() as stack:
                opening = [
                    asyncio.create_task(stack.enter_async_context(room.client(number % 2, auth={"token": token})))
                    for number in range(10)
                ]
                await asyncio.sleep(0)
                async with visitor.post("/api/auth/logout") as response:
                    assert response.status == 200
                clients = await asyncio.gather(*opening, return_exceptions=True)
                let_in = [client for client in clients if not isinstance(client, BaseException)]
                await eventually(lambda clients=let_in: not any(client.socket.connected for client in clients))


def test_no_exception_is_made_once_and_raised_again() -> None:
    """Each raise adds to its traceback, which keeps the frames and requests of all the times before."""
    for info in pkgutil.walk_packages(services.__path__, "services."):
        if not info.name.endswith("__main__"):
            module = importlib.import_module(info.name)
            assert not [name for name, value in vars(module).items() if isinstance(value, BaseException)], (
                info.name
            )
