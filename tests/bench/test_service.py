"""The service `bench`, through a gateway that has never heard of it, driven by the benchmarks' own clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bench import servers
from bench.crowd import Crowd, crowd_of, tokens_of
from bench.results import Unfit
from bench.servers import System
from cli.live.number_client import NumberClient, Tally
from cli.live.socket import Client, argument_of, event_frame
from tests.waiting import in_own_task

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system() -> AsyncIterator[System]:
    async with in_own_task(servers.pulso("bench.service", "services.numbers")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def crowd(system: System) -> AsyncIterator[Crowd]:
    async with crowd_of(system, 2) as two:
        yield two


async def answer_of(client: Client, event: str, payload: Any) -> Any:
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    client.on_ack = lambda _, frame: answered.set_result(argument_of(frame))
    client.send(event_frame(event, payload, ack=7))
    async with asyncio.timeout(60):
        return await answered


async def test_any_object_comes_back(crowd: Crowd) -> None:
    anything = {"a": [1, 2.5, None, {"b": "ç"}], "big": 2**70}
    assert await answer_of(crowd.clients[0], "bench:echo", anything) == anything


async def test_a_value_is_stored_and_a_wrong_one_refused(crowd: Crowd) -> None:
    assert await answer_of(crowd.clients[0], "bench:store", {"value": 37}) == {"value": 37}
    assert (await answer_of(crowd.clients[0], "bench:store", {"value": -1}))["error"]["code"] == "bad_request"


async def test_members_of_a_topic_are_told_in_order_and_strangers_nothing(crowd: Crowd) -> None:
    member, stranger = crowd.clients
    ticks: list[Any] = []
    strange: list[bytes] = []
    complete = asyncio.Event()

    def take(_client: Client, frame: bytes) -> None:
        if frame.startswith(b'42["bench:tick"'):
            ticks.append(argument_of(frame))
            if len(ticks) == 3:
                complete.set()

    member.on_event = take
    stranger.on_event = lambda _, frame: strange.append(frame)
    assert await answer_of(member, "bench:join", {"topic": "news"}) == {}
    last = (await answer_of(stranger, "bench:publish", {"topic": "news", "count": 3, "size": 5}))["last"]
    async with asyncio.timeout(60):
        await complete.wait()
    assert ticks == [{"n": number, "text": "xxxxx"} for number in (last - 2, last - 1, last)]
    assert not [frame for frame in strange if b"bench:tick" in frame]


async def test_an_error_gives_no_figure(crowd: Crowd) -> None:
    with pytest.raises(Unfit, match="bad_request"):
        await crowd.ask(event_frame("bench:publish", {"topic": "news", "count": 0}, ack=1))


async def test_a_number_client_is_greeted_with_what_it_was_promised(system: System) -> None:
    tally = Tally()
    (token,) = await tokens_of(system, 1)
    assert token is not None
    client = NumberClient(tally)
    await client.connect(system.url, token)
    assert (client.value, client.step) == (0, 1)
    client.send(client.next_value())
    client.send(client.draw())
    async with asyncio.timeout(60):
        await tally.all_answered()
    drawn = client.step
    client.close()
    await client.connect(system.url, token)
    assert (client.value, client.step) == (1, drawn)
    assert (tally.sent, tally.answered, tally.refused.total(), tally.wrong, tally.forgotten) == (2, 2, 0, 0, 0)
    client.close()


async def test_a_number_client_notices_that_a_promise_was_not_kept(system: System) -> None:
    tally = Tally()
    mine, other = await tokens_of(system, 2)
    assert mine is not None and other is not None
    client = NumberClient(tally)
    await client.connect(system.url, mine)
    client.send(client.next_value())
    async with asyncio.timeout(60):
        await tally.all_answered()
    client.close()
    await client.connect(system.url, other)  # of whom nothing is stored
    assert tally.forgotten == 1
    client.close()
