"""Socket.IO protocol, section "Connection to a namespace": handlers that take their time, refuse or fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refused

from pulso.tasks import Tasks
from services.gateway.engine.strict import StrictServer
from tests.services.gateway.engine.conftest import Raw, Speaker, listening
from tests.waiting import eventually

CONNECT_WITHIN_S = 0.6


class Doorkeeper:
    """A connect handler that waits for `decides`, and then does what `answer` says."""

    def __init__(self) -> None:
        self.decides = asyncio.Event()
        self.answer: Exception | None = None
        self.asked: list[str] = []
        self.left: list[str] = []

    async def connect(self, sid: str, _environ: Any, _auth: Any) -> None:
        self.asked.append(sid)
        await self.decides.wait()
        if self.answer is not None:
            raise self.answer

    def disconnect(self, sid: str, _reason: str) -> None:
        self.left.append(sid)


@pytest.fixture
async def strict() -> AsyncIterator[StrictServer]:
    async with Tasks() as tasks:
        yield StrictServer(tasks, namespaces=["/"], connect_within_s=CONNECT_WITHIN_S)


@pytest.fixture
def door(strict: StrictServer) -> Doorkeeper:
    keeper = Doorkeeper()
    strict.on("connect", keeper.connect)
    strict.on("disconnect", keeper.disconnect)
    return keeper


@pytest.fixture
async def client(strict: StrictServer) -> AsyncIterator[Raw]:
    """A WebSocket that has asked to be connected."""
    app = web.Application()
    strict.attach(app)
    async with (
        listening(app) as url,
        aiohttp.ClientSession(url) as http,
        Speaker(http, "/socket.io/").opened() as raw,
    ):
        await raw.send("40")
        yield raw
    await strict.eio.shutdown()


async def test_who_is_refused_late_has_as_long_again_and_is_closed(door: Doorkeeper, client: Raw) -> None:
    door.answer = Refused("no")
    await asyncio.sleep(CONNECT_WITHIN_S * 1.1)  # the deadline passes while the handler has not decided
    door.decides.set()
    assert await client.next() == '44{"message":"no"}'
    assert await client.closed() == 1000
    assert door.left == []


async def test_who_is_let_in_late_stays(door: Doorkeeper, client: Raw) -> None:
    await asyncio.sleep(CONNECT_WITHIN_S * 1.1)
    door.decides.set()
    assert (await client.next()).startswith('40{"sid"')
    with pytest.raises(TimeoutError):
        await client.socket.receive(timeout=CONNECT_WITHIN_S * 2)


async def test_who_is_sent_out_of_the_only_namespace_has_the_time_of_a_newcomer(
    door: Doorkeeper, client: Raw, strict: StrictServer
) -> None:
    door.decides.set()
    assert (await client.next()).startswith('40{"sid"')
    await asyncio.sleep(CONNECT_WITHIN_S * 1.1)  # the first deadline passes
    await strict.disconnect(door.asked[0])
    assert await client.next() == "41"
    assert await client.closed() == 1000
    assert door.left == door.asked


async def test_a_connect_handler_that_fails_leaves_nothing_behind(
    door: Doorkeeper, client: Raw, strict: StrictServer
) -> None:
    door.answer = RuntimeError("on purpose")
    door.decides.set()
    assert await client.closed() == 1011
    await eventually(lambda: not strict.environ)
    assert not strict.manager._sids
    assert not strict.manager._engine_ids
    assert not strict.manager._pending
