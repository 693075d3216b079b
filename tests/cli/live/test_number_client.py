"""What a number client makes of a server's answers, from a server that says whatever a test has it say."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from cli.live.number_client import NumberClient, Tally

OPEN = '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}'
READY = '42["session:ready",{"user":{"id":"u-1","name":"Ana","kind":"guest"},"gateway":"g-1"}]'
WITHIN_S = 30

Answer = Callable[[int, str, int | None], list[str]]
"""What is said to an ask: its number, event and value."""


def granted(ask: int, event: str, value: int | None) -> list[str]:
    return [f'43{ask}[{{"value":{value}}}]' if event == "numbers:set" else f'43{ask}[{{"number":8}}]']


class Server:
    def __init__(self) -> None:
        self.tells = (0, 1)
        self.answer: Answer = granted
        self.sockets: list[web.WebSocketResponse] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.send_str(OPEN)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            for frame in self._said_to(message.data):
                await socket.send_str(frame)
        return socket

    def _said_to(self, frame: str) -> list[str]:
        if frame.startswith("40"):
            value, step = self.tells
            return ['40{"sid":"b"}', READY, f'42["numbers:value",{{"value":{value},"step":{step}}}]']
        begin = frame.index("[")
        event, *arguments = json.loads(frame[begin:])
        return self.answer(int(frame[2:begin]), event, arguments[0]["value"] if arguments else None)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    scripted = Server()
    app = web.Application()
    app.router.add_get("/socket.io/", scripted.handle)
    async with TestServer(app) as running:
        scripted.url = f"ws://127.0.0.1:{running.port}"
        yield scripted


@contextlib.asynccontextmanager
async def connected(server: Server, tally: Tally) -> AsyncIterator[NumberClient]:
    client = NumberClient(tally)
    await client.connect(server.url, "token")
    try:
        yield client
    finally:
        client.close()


async def all_answered(tally: Tally) -> None:
    async with asyncio.timeout(WITHIN_S):
        await tally.all_answered()


async def comes_back(client: NumberClient, server: Server, *, told: tuple[int, int]) -> None:
    client.close()
    server.tells = told
    await client.connect(server.url, "token")


async def test_what_was_granted_is_expected_back(server: Server) -> None:
    tally = Tally()
    async with connected(server, tally) as client:
        client.send(client.next_value())
        client.send(client.draw())
        await all_answered(tally)
        assert (client.value, client.step) == (1, 8)
        await comes_back(client, server, told=(1, 8))
        assert (tally.sent, tally.answered, tally.wrong, tally.forgotten) == (2, 2, 0, 0)
        assert tally.latencies.count == 2
        await comes_back(client, server, told=(0, 8))
        assert tally.accusations == ["u-1: promised value 1 and step 8; the server tells 0 and 8"]


async def test_the_same_answer_in_other_words_is_the_same(server: Server) -> None:
    server.answer = lambda ask, _event, value: [f'43{ask}[ {{ "value" : {value} }} ]']
    tally = Tally()
    async with connected(server, tally) as client:
        client.send(client.next_value())
        await all_answered(tally)
        assert (tally.wrong, tally.latencies.count) == (0, 1)
        await comes_back(client, server, told=(0, 1))
        assert tally.forgotten == 1


async def test_another_value_than_was_asked_is_wrong_and_what_is_expected_back(server: Server) -> None:
    server.answer = lambda ask, _event, _value: [f'43{ask}[{{"value":38}}]']
    tally = Tally()
    async with connected(server, tally) as client:
        client.send(client.next_value())
        await all_answered(tally)
        assert (tally.wrong, tally.answered) == (1, 1)
        await comes_back(client, server, told=(38, 1))
        assert tally.forgotten == 0


@pytest.mark.parametrize(("code", "is_in_doubt"), [("rate_limited", False), ("timeout", True)])
async def test_a_refusal_is_counted_and_may_have_been_done_or_not(
    server: Server, code: str, *, is_in_doubt: bool
) -> None:
    server.answer = lambda ask, _event, _value: [f'43{ask}[{{"error":{{"code":"{code}","message":""}}}}]']
    tally = Tally()
    async with connected(server, tally) as client:
        client.send(client.next_value())
        client.send(client.draw())
        await all_answered(tally)
        assert (tally.refused, tally.latencies.count) == ({code: 2}, 0)
        await comes_back(client, server, told=(1, 1))
        assert tally.forgotten == (0 if is_in_doubt else 1)


async def test_answers_in_another_order_belong_to_what_was_asked(server: Server) -> None:
    later: list[str] = []

    def all_at_last(ask: int, event: str, value: int | None) -> list[str]:
        later[:0] = granted(ask, event, value)
        return later if ask == 12 else []

    server.answer = all_at_last
    tally = Tally()
    async with connected(server, tally) as client:
        for _ in range(4):  # numbers of one digit and of two, of which one begins as the other
            client.send(client.next_value())
            client.send(client.draw())
            client.send(client.next_value())
        await all_answered(tally)
        assert (tally.sent, tally.answered, tally.wrong) == (12, 12, 0)
        await comes_back(client, server, told=(8, 8))
        assert tally.forgotten == 0


async def test_an_answer_that_nobody_asked_for_or_that_comes_twice_counts_for_nothing(server: Server) -> None:
    server.answer = lambda ask, event, value: ['437[{"value":1}]', *(2 * granted(ask, event, value))]
    tally = Tally()
    async with connected(server, tally) as client:
        client.send(client.next_value())
        client.send(client.draw())
        await all_answered(tally)
        client.send(client.next_value())  # whatever came before its answer was looked at by then
        await all_answered(tally)
        assert (tally.sent, tally.answered, tally.wrong) == (3, 3, 0)


async def test_what_a_lost_connection_had_under_way_is_not_waited_for(server: Server) -> None:
    server.answer = lambda *_: []
    tally = Tally()
    async with connected(server, tally) as client:
        client.send(client.next_value())
        waits = asyncio.create_task(tally.all_answered())
        await server.sockets[-1].close()
        async with asyncio.timeout(WITHIN_S):
            await client.session.until_lost()
        assert not client.is_live
        assert not waits.done()
        client.lose()
        async with asyncio.timeout(WITHIN_S):
            await waits
        assert (tally.never_answered, tally.lost_connections) == (1, 1)
        await comes_back(client, server, told=(1, 1))
        assert client.is_live
        assert tally.forgotten == 0
