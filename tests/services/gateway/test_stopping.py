"""The HTTP server of a gateway that stops: nothing new is taken, what changes something is finished."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from services.gateway import server
from services.gateway.engine.door import ENTRIES
from services.gateway.server import listening
from tests.conftest import free_port
from tests.waiting import eventually


@dataclass(slots=True)
class Running:
    """A server whose requests wait for a word."""

    port: int = field(default_factory=free_port)
    arrived: list[str] = field(default_factory=list)
    word: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    refuse: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.arrived.append(request.path)
        if request.path == "/slow":
            await self.word.wait()
        return web.Response(text="done")

    async def run(self) -> None:
        app = web.Application()
        app[ENTRIES] = {}
        app.router.add_route("*", "/{path}", self.answer)
        async with listening(app, "127.0.0.1", self.port) as self.refuse:
            self.arrived.append("started")
            await self.stop.wait()


@pytest.fixture
async def running() -> AsyncIterator[tuple[Running, asyncio.Task[None]]]:
    here = Running()
    task = asyncio.create_task(here.run())
    await eventually(lambda: here.arrived)
    yield here, task
    here.word.set()
    here.stop.set()
    await task


async def test_what_changes_something_is_finished_before_the_server_ends(
    running: tuple[Running, asyncio.Task[None]],
) -> None:
    here, task = running
    async with aiohttp.ClientSession(here.url) as http:
        posting = asyncio.create_task(_post(http, "/slow"))
        await eventually(lambda: "/slow" in here.arrived)
        here.stop.set()
        await asyncio.wait((task,), timeout=2 * server.READ_WITHIN_S)
        assert not task.done()
        here.word.set()
        assert await posting == (200, "done", "close")
        await task


async def test_what_only_reads_is_broken_off(running: tuple[Running, asyncio.Task[None]]) -> None:
    here, task = running
    async with aiohttp.ClientSession(here.url) as http:
        reading = asyncio.create_task(http.get("/slow"))
        await eventually(lambda: "/slow" in here.arrived)
        here.stop.set()
        with pytest.raises(aiohttp.ClientConnectionError):
            await reading
        await task


async def test_what_takes_too_long_does_not_hold_up_the_end(
    running: tuple[Running, asyncio.Task[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, task = running
    monkeypatch.setattr(server, "FINISH_WITHIN_S", 0.2)
    async with aiohttp.ClientSession(here.url) as http:
        posting = asyncio.create_task(_post(http, "/slow"))
        await eventually(lambda: "/slow" in here.arrived)
        here.stop.set()
        with pytest.raises(aiohttp.ClientConnectionError):
            await posting
        await task


async def test_a_stopping_server_takes_no_connection_and_ends_open_ones_with_their_next_answer(
    running: tuple[Running, asyncio.Task[None]],
) -> None:
    here, _ = running
    async with aiohttp.ClientSession(here.url) as http:
        assert await _post(http, "/quick") == (200, "done", "")
        here.refuse()
        assert await _post(http, "/quick") == (200, "done", "close")
        with pytest.raises(aiohttp.ClientConnectorError):
            await _post(http, "/quick")


async def _post(http: aiohttp.ClientSession, path: str) -> tuple[int, str, str]:
    """Status, text, and what becomes of the connection."""
    async with contextlib.AsyncExitStack() as stack:
        response = await stack.enter_async_context(http.post(path))
        return response.status, await response.text(), response.headers.get("Connection", "")
