"""People with a socket each, who remember what was acknowledged to them and what may have been done besides."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import aiohttp
import socketio
from socketio.exceptions import BadNamespaceError as NotConnected
from socketio.exceptions import ConnectionError as Refused

from tests.admission import admitted
from tests.waiting import eventually

ANSWERED_WITHIN_S: Final = 20.0
"""Every call is answered before this, if only with `timeout`."""

TRY_AGAIN_S: Final = 0.05
LOST: Final = "lost"
"""What became of a call whose socket was gone before the answer came."""


@dataclass(slots=True)
class Hopes:
    """A person's number as it may be stored: the value that was acknowledged, or one that was asked for since."""

    acknowledged: int | None = None
    in_doubt: list[int] = field(default_factory=list)

    def allow(self, value: int) -> bool:
        return value == self.acknowledged or value in self.in_doubt


class Person:
    """A guest with at most one socket at a time."""

    def __init__(self, http: aiohttp.ClientSession, name: str, token: str) -> None:
        self.name = name
        self.token = token
        self.hopes = Hopes()
        self.acks = 0
        self.refusals: Counter[str] = Counter()
        self.ends: list[str] = []
        """Why sockets ended that were not closed by this person."""
        self.told: list[tuple[str, Any]] = []
        self._http = http
        self._socket: Any = None
        self._calls: set[asyncio.Future[Any]] = set()

    @property
    def is_connected(self) -> bool:
        return self._socket is not None and bool(self._socket.connected)

    async def connect(self, *urls: str) -> None:
        """Returns once the first of these gateways that takes us has told us where our number stands."""
        welcomed = self.mark()
        while True:
            for url in urls:
                if await self._opens(url):
                    await self.hears("numbers:value", since=welcomed)
                    return
            await asyncio.sleep(TRY_AGAIN_S)

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.disconnect()

    def abort(self) -> None:
        """As when a browser crashes: its end of the TCP connection is closed, and nothing is said."""
        ours = os.dup(self._socket.eio.ws.get_extra_info("socket").fileno())
        with socket.socket(fileno=ours) as connection:
            connection.shutdown(socket.SHUT_RDWR)

    async def call(self, event: str, payload: Any = None) -> Any:
        """The answer; `LOST` where the socket ends first."""
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls.add(answered)
        try:
            await self._socket.emit(event, payload, callback=lambda answer: _answer(answered, answer))
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                return await answered
        except NotConnected:
            return LOST
        finally:
            self._calls.discard(answered)

    async def set(self, value: int) -> bool:
        """Whether the value was acknowledged; what came instead is counted in `refusals`."""
        self.hopes.in_doubt.append(value)
        answer = await self.call("numbers:set", {"value": value})
        if answer == {"value": value}:
            self.hopes = Hopes(value)
            self.acks += 1
            return True
        self.refusals[answer if answer == LOST else answer["error"]["code"]] += 1
        return False

    async def run(self, chance: Random, enough: asyncio.Event, *urls: str) -> None:
        """Set a value, and more until it is enough; with `urls`, come back through them when disconnected."""
        while True:
            done = await self.set(chance.randrange(100))
            if enough.is_set():
                return
            if not done:
                await asyncio.sleep(TRY_AGAIN_S)
                if urls and not self.is_connected:
                    await self.connect(*urls)

    @contextlib.asynccontextmanager
    async def another_tab(self, url: str) -> AsyncIterator[Person]:
        """The same guest once more, connected to this gateway."""
        tab = Person(self._http, self.name, self.token)
        await tab.connect(url)
        try:
            yield tab
        finally:
            await tab.close()

    def mark(self) -> int:
        """A point in time: what is told from now on has this index or a higher one."""
        return len(self.told)

    def heard(self, event: str, *, since: int = 0) -> list[Any]:
        return [payload for name, payload in self.told[since:] if name == event]

    async def hears(self, event: str, *, since: int = 0, count: int = 1, within_s: float | None = None) -> Any:
        """The latest payload of an event, once it was told `count` times."""
        await eventually(lambda: len(self.heard(event, since=since)) >= count, within_s=within_s)
        return self.heard(event, since=since)[-1]

    async def _opens(self, url: str) -> bool:
        await self.close()
        client = self._socket = socketio.AsyncClient(reconnection=False, http_session=self._http)
        client.on("*", self._hear)
        client.on("disconnect", self._end)
        try:
            await client.connect(url, auth={"token": self.token}, transports=["websocket"], wait_timeout=30)
        except Refused:
            return False
        return True

    async def _hear(self, event: str, *payload: Any) -> None:
        self.told.append((event, payload[0] if payload else None))

    async def _end(self, reason: str) -> None:
        if reason != socketio.AsyncClient.reason.CLIENT_DISCONNECT:
            self.ends.append(reason)
        for answered in self._calls:
            _answer(answered, LOST)


async def guest(http: aiohttp.ClientSession, url: str, name: str) -> Person:
    async with admitted(http, f"{url}/api/auth/guest", json={"name": name}) as response:
        body = await response.json()
        assert response.status == 200, body
        return Person(http, name, body["access_token"])


@contextlib.asynccontextmanager
async def crowd(http: aiohttp.ClientSession, urls: Sequence[str], count: int) -> AsyncIterator[list[Person]]:
    """So many guests, connected to the gateways in turn."""
    people = [await guest(http, urls[n % len(urls)], f"Guest {n}") for n in range(count)]
    try:
        await asyncio.gather(*(person.connect(urls[n % len(urls)]) for n, person in enumerate(people)))
        yield people
    finally:
        await asyncio.gather(*(person.close() for person in people))


@contextlib.asynccontextmanager
async def under_load(people: Iterable[Person], chance: Random, *urls: str) -> AsyncIterator[asyncio.Event]:
    """All of them set values meanwhile, each as fast as it is answered; at the end all calls are answered.

    The event, once set, has them set no more: what is set later could hide that something was lost before.
    """
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as runs:
        for person in people:
            runs.create_task(person.run(chance, enough, *urls), name=person.name)
        try:
            yield enough
        finally:
            enough.set()


async def more_acks(people: Sequence[Person], count: int, *, within_s: float | None = None) -> None:
    """Returns once so many more calls were acknowledged to them together."""
    until = sum(person.acks for person in people) + count
    await eventually(lambda: sum(person.acks for person in people) >= until, within_s=within_s)


async def everybody_acked(people: Sequence[Person], *, within_s: float | None = None) -> None:
    """Returns once each of them got one more acknowledgement."""
    before = {person.name: person.acks for person in people}
    await eventually(lambda: all(person.acks > before[person.name] for person in people), within_s=within_s)


async def nothing_is_lost(people: Iterable[Person], url: str) -> None:
    """Everybody's number stands where it was acknowledged to, for a new socket at this gateway."""

    for person in people:
        async with person.another_tab(url) as tab:
            value = tab.heard("numbers:value")[0]["value"]
        assert person.hopes.allow(value), f"{person.name}: {value} is stored, {person.hopes}"


def _answer(answered: asyncio.Future[Any], answer: Any) -> None:
    if not answered.done():
        answered.set_result(answer)
