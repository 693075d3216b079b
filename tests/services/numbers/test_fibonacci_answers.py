"""F(n) through real gateways: by websocket, polling and HTTP, to the one that asked, others undisturbed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from pulso.settings import KitSettings
from services.clock.__main__ import service as clock
from services.numbers.fibonacci import fibonacci
from tests.rows import rows
from tests.services.gateway.conftest import Client, Room, room_of, token_of
from tests.services.serving import serving

FAR = 100_000
ASKERS = 10


@pytest.fixture
async def room(kit: KitSettings) -> AsyncIterator[Room]:
    async with room_of(kit, 2) as running:
        yield running


@contextlib.asynccontextmanager
async def tabs(room: Room, count: int, **how: Any) -> AsyncIterator[list[Client]]:
    """So many connections of one guest, at the gateways in turn."""
    async with contextlib.AsyncExitStack() as stack:
        token = await token_of(await stack.enter_async_context(room.visitor()))
        clients = [
            await stack.enter_async_context(room.client(n % len(room.urls), auth={"token": token}, **how))
            for n in range(count)
        ]
        for client in clients:
            await client.hears("numbers:value")
        yield clients


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_the_answer_goes_to_the_connection_that_asked(room: Room, transport: str) -> None:
    async with tabs(room, 3, transports=[transport]) as (asking, *others):
        before = [list(client.told) for client in (asking, *others)]
        for n in (0, 10, FAR):
            answer = await asking.call("numbers:fibonacci", {"n": n})
            assert answer == {"n": n, "value": fibonacci(n), "digits": len(fibonacci(n))}
        # The user's other tabs hear of this; what was told before would have come first.
        await asking.call("numbers:set", {"value": 37})
        for client in others:
            await client.hears("numbers:value", 2)
        assert asking.told == before[0]
        assert [client.told[len(told) :] for client, told in zip(others, before[1:], strict=True)] == [
            [("numbers:value", {"value": 37, "step": 1})]
        ] * len(others)


async def test_http_answers_the_same_by_get_and_post(room: Room) -> None:
    async with room.visitor() as visitor:
        headers = {"Authorization": f"Bearer {await token_of(visitor)}"}
        async with visitor.get("/api/numbers/fibonacci", params={"n": FAR}, headers=headers) as answer:
            got = await answer.json()
        async with visitor.post("/api/numbers/fibonacci", json={"n": FAR}, headers=headers) as answer:
            assert await answer.json() == got == {"n": FAR, "value": fibonacci(FAR), "digits": 20_899}
        async with visitor.get("/api/numbers/fibonacci", params={"n": "-1"}, headers=headers) as answer:
            assert answer.status == 400
            assert "a whole number from 0 to 100000" in (await answer.json())["error"]["message"]


@rows("n", [-1, 2.7, None, "x", 10**9, True])
async def test_bad_input_is_told_what_is_allowed_and_the_socket_lives(room: Room, n: Any) -> None:
    async with tabs(room, 1) as (client,):
        error = (await client.call("numbers:fibonacci", {"n": n}))["error"]
        assert error["code"] == "bad_request"
        assert "a whole number from 0 to 100000" in error["message"]
        assert (await client.call("numbers:fibonacci", {"n": 10}))["value"] == "55"


async def test_ticks_and_values_go_on_while_many_ask_for_long_sums(kit: KitSettings) -> None:
    enough = asyncio.Event()

    async def ask(client: Client) -> int:
        answers = 0
        while not enough.is_set():
            assert (await client.call("numbers:fibonacci", {"n": FAR}))["digits"] == 20_899
            answers += 1
        return answers

    async with (
        serving(clock(kit), kit),
        room_of(kit, 2, limit_events_per_second=0) as room,
        tabs(room, 1) as (other,),
        tabs(room, ASKERS) as askers,
    ):
        asking = [asyncio.create_task(ask(client)) for client in askers]
        since = len(other.payloads("clock:tick"))
        for count in range(1, 5):
            await other.hears("clock:tick", since + count)
            assert await other.call("numbers:set", {"value": count}) == {"value": count}
        enough.set()
        assert min(await asyncio.gather(*asking)) > 1
    seconds = [datetime.fromisoformat(tick["now"]) for tick in other.payloads("clock:tick")]
    assert all((after - before).total_seconds() == 1 for before, after in pairwise(seconds))
