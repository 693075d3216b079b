"""Topics that all connections of a user change together, on every gateway; events told to some, or told twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from pulso.contract import Access, Caller, Contract, Endpoint, Event, Nothing, Topic
from pulso.probes import Health
from pulso.push import Push, Telling
from pulso.routes import Routes
from pulso.service import serve
from pulso.settings import KitSettings
from pulso.shard import Context, Service
from services.gateway import hub
from tests.services.gateway.conftest import Client, Room, token_of
from tests.waiting import eventually


class Hall(msgspec.Struct, frozen=True):
    hall: str
    id: str = ""
    skip_user: str = ""


CALL = Event("hall:call", Hall, "Somebody calls.")
HALL = Topic("hall.{hall}", (CALL,))
ENTER = Endpoint("hall:enter", Hall, Nothing, Access.GUEST, "Enter with all connections.")
EXIT = Endpoint("hall:exit", Hall, Nothing, Access.GUEST, "Be in that hall or in none.")
SHOUT = Endpoint("hall:shout", Hall, Nothing, Access.GUEST, "Call everybody there.")
AGAIN = Endpoint("hall:again", Hall, Nothing, Access.GUEST, "Call everybody there, and be told that it arrived.")
RECAP = Endpoint("hall:recap", Hall, Nothing, Access.GUEST, "Say what may come again: ids, with blanks between.")

routes = Routes[Push]()


@routes.handler(ENTER)
async def enter(push: Push, caller: Caller, request: Hall) -> Nothing:
    push.move_user(caller.id, among="hall.", to=HALL.of(hall=request.hall))
    return Nothing()


@routes.handler(EXIT)
async def exit_(push: Push, caller: Caller, request: Hall) -> Nothing:
    push.withdraw_user(caller.id, among="hall.", but=HALL.of(hall=request.hall))
    return Nothing()


@routes.handler(SHOUT)
async def shout(push: Push, _caller: Caller, request: Hall) -> Nothing:
    push.to_topic(HALL.of(hall=request.hall), CALL, request, skip_user=request.skip_user)
    return Nothing()


@routes.handler(AGAIN)
async def again(push: Push, _caller: Caller, request: Hall) -> Nothing:
    assert await push.surely([Telling(HALL.of(hall=request.hall), CALL, request.id, request)])
    return Nothing()


@routes.handler(RECAP)
async def recap(push: Push, _caller: Caller, request: Hall) -> Nothing:
    topic = HALL.of(hall=request.hall)
    assert await push.recap(Telling(topic, CALL, id_, request) for id_ in request.id.split())
    return Nothing()


@contextlib.asynccontextmanager
async def start(context: Context) -> AsyncIterator[Push]:
    yield context.push


@pytest.fixture
async def halls(room: Room, kit: KitSettings) -> AsyncIterator[Room]:
    """The room, with a service that nobody has heard of."""
    stop = asyncio.Event()
    contract = Contract("hall", (ENTER, EXIT, SHOUT, AGAIN, RECAP), (HALL,))
    serving = asyncio.create_task(serve(Service(contract, routes, start), kit, Health(), stop))
    async with person(room, "Nobody") as (first, second):

        async def known() -> bool:
            answers = [await tab.call("hall:exit", {"hall": ""}) for tab in (first, second)]
            return answers == [{}, {}]

        await eventually(known)
    yield room
    stop.set()
    await serving


@contextlib.asynccontextmanager
async def person(room: Room, name: str) -> AsyncIterator[tuple[Client, Client]]:
    """Two connections of one guest, one at each gateway."""
    async with room.visitor() as visitor:
        token = await token_of(visitor, name)
    async with room.client(0, auth={"token": token}) as first, room.client(1, auth={"token": token}) as second:
        await first.hears("session:ready")
        await second.hears("session:ready")
        yield first, second


def heard(client: Client) -> list[str]:
    return [payload["hall"] for payload in client.payloads("hall:call")]


async def test_all_connections_of_a_user_change_topics_together(halls: Room) -> None:
    async with person(halls, "Ana") as (first, second), person(halls, "Rui") as (other, _):
        await other.call("hall:enter", {"hall": "a"})
        await first.call("hall:enter", {"hall": "a"})
        await eventually(lambda: asks(other, "a", second))
        # In one turn, so that the gateways get both at once: the later one counts.
        await asyncio.gather(*(first.call("hall:enter", {"hall": hall}) for hall in ("b", "c", "a", "c")))
        await eventually(lambda: asks(other, "c", second))
        marks = len(heard(first)), len(heard(second))
        for hall in ("a", "b", "c"):
            await other.call("hall:shout", {"hall": hall})
        for client, mark in zip((first, second), marks, strict=True):
            await eventually(lambda client=client, mark=mark: heard(client)[mark:] == ["c"])
        await first.call("hall:exit", {"hall": "c"})
        assert await asks(other, "c", second)
        await first.call("hall:exit", {"hall": "b"})
        assert not await asks(other, "c", second)
        assert not await asks(other, "b", second)


async def test_a_user_can_be_left_out_with_all_connections(halls: Room) -> None:
    async with person(halls, "Ana") as (first, second), person(halls, "Rui") as (other, _):
        for client in (first, other):
            await client.call("hall:enter", {"hall": "a"})
        await eventually(lambda: asks(other, "a", first, second))
        ana = (await first.hears("session:ready"))["user"]["id"]
        before = heard(first), heard(second)
        await first.call("hall:shout", {"hall": "a", "skip_user": ana, "id": "secret"})
        await eventually(lambda: other.payloads("hall:call")[-1]["id"] == "secret")
        await first.call("hall:exit", {"hall": "a"})
        await second.call("hall:exit", {"hall": "a"})
        assert (heard(first), heard(second)) == before


async def test_an_event_with_an_id_is_passed_on_once(halls: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "MAX_IDS", 3)
    async with person(halls, "Ana") as (first, _):
        await first.call("hall:enter", {"hall": "a"})
        for id_ in ("1", "2", "1", "3", "2", "4", "5", "1"):
            await first.call("hall:again", {"hall": "a", "id": id_})
        # With room for three only, the first is forgotten by the time that it comes for the third time.
        await eventually(lambda: len(heard(first)) == 6)
        assert [payload["id"] for payload in first.payloads("hall:call")] == ["1", "2", "3", "4", "5", "1"]


async def test_what_was_missed_is_not_told_after_what_came_later(halls: Room) -> None:
    async with person(halls, "Ana") as (first, _):
        await first.call("hall:enter", {"hall": "a"})
        for id_ in ("1", "3"):  # the gateway has missed the second one
            await first.call("hall:again", {"hall": "a", "id": id_})
        await first.call("hall:recap", {"hall": "a", "id": "2 3 4"})
        for id_ in ("2", "3", "4"):
            await first.call("hall:again", {"hall": "a", "id": id_})
        await eventually(lambda: len(heard(first)) == 3)
        assert [payload["id"] for payload in first.payloads("hall:call")] == ["1", "3", "4"]


async def asks(caller: Client, hall: str, *clients: Client) -> bool:
    """Whether all of these hear a call in the hall."""
    before = [len(heard(client)) for client in clients]
    await caller.call("hall:shout", {"hall": hall})
    for client in clients:  # nothing overtakes an answer
        await client.call("numbers:even")
    return all(len(heard(client)) > mark for client, mark in zip(clients, before, strict=True))
