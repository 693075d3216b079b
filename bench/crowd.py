"""Many clients that act together: they connect, ask all at once, and count what they are told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import aiohttp

from bench.results import Unfit
from bench.servers import HOST, System
from cli.live.socket import Client, argument_of, event_frame

TICK: Final = b'42["bench:tick",'
FAULT: Final = b'[{"error":'
AT_ONCE: Final = 64
"""Clients that connect at the same time: more would queue in the kernel and be measured for that."""
ANSWERED_WITHIN_S: Final = 60.0


class Crowd:
    """Clients of one system. One thing is awaited at a time: all acks, or a number of ticks."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.clients: list[Client] = []
        self.lost = 0
        self._missing = 0
        self._complete: asyncio.Future[None] | None = None

    async def grow(self, tokens: Sequence[str | None]) -> None:
        """Connect one more client for each token. Raises `NotConnected`."""
        places = asyncio.Semaphore(AT_ONCE)

        async def connect(token: str | None) -> None:
            client = Client(on_event=self._take_event, on_ack=self._take_ack, on_lost=self._lose)
            async with places:
                await client.connect(self.system.url, token)
            self.clients.append(client)

        await asyncio.gather(*map(connect, tokens))

    async def ask(self, frame: bytes, clients: Sequence[Client] | None = None, *, ticks: int = 0) -> None:
        """Send a frame that is to be acked from each client, and wait for all acks and so many ticks.

        Raises `Unfit` where an ack is an error, a connection is lost, or something does not come.
        """
        asking = self.clients if clients is None else clients
        self._missing = len(asking) + ticks
        self._complete = asyncio.get_running_loop().create_future()
        for client in asking:
            client.send(frame)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                await self._complete
        except TimeoutError:
            raise Unfit(f"{self.system.name}: {self._missing} answers or ticks never came") from None

    async def join(self, topic: str) -> None:
        await self.ask(event_frame("bench:join", {"topic": topic}, ack=1))

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()

    def _take_event(self, _client: Client, frame: bytes) -> None:
        if frame.startswith(TICK):
            self._count_down()

    def _take_ack(self, _client: Client, frame: bytes) -> None:
        if FAULT in frame[:32]:
            self._fail(f"answered {argument_of(frame)}")
        else:
            self._count_down()

    def _count_down(self) -> None:
        self._missing -= 1
        if not self._missing and self._complete is not None and not self._complete.done():
            self._complete.set_result(None)

    def _lose(self, _client: Client, _why: str) -> None:
        self.lost += 1
        self._fail("closed a connection")

    def _fail(self, what: str) -> None:
        if self._complete is not None and not self._complete.done():
            self._complete.set_exception(Unfit(f"{self.system.name} {what}"))


@contextlib.asynccontextmanager
async def crowd_of(system: System, count: int, *, registered: bool = False) -> AsyncIterator[Crowd]:
    """So many connected clients; guests, each with a token of its own, where the system has guests.

    With `registered` each has an account.
    """
    crowd = Crowd(system)
    try:
        await crowd.grow(await tokens_of(system, count, registered=registered))
        yield crowd
    finally:
        crowd.close()


async def tokens_of(system: System, count: int, *, registered: bool = False) -> list[str | None]:
    if not system.has_guests:
        return [None] * count
    places = asyncio.Semaphore(16)

    async def token(session: aiohttp.ClientSession, number: int) -> str:
        path, form = ("/api/auth/register", _account(number)) if registered else ("/api/auth/guest", {})
        async with places, session.post(path, json=form) as response:
            body: dict[str, Any] = await response.json()
            if response.status != 200:
                raise Unfit(f"no token: {body}")
            return str(body["access_token"])

    # No cookies are kept: they would make all of them one guest.
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(f"http://{HOST}:{system.port}", cookie_jar=jar) as session:
        return list(await asyncio.gather(*(token(session, number) for number in range(count))))


def _account(number: int) -> dict[str, str]:
    name = f"member-{number}"
    return {"name": name, "username": name, "email": f"{name}@example.com", "password": "not a secret"}
