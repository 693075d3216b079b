"""The service, here or in a process that can be killed; gateways that write to it; an admin who reads."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import pytest

from pulso.bus import result_of
from pulso.channels import Channels
from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.message import Reply
from pulso.party import Connected, connected
from pulso.probes import Health
from pulso.service import serve
from pulso.settings import KitSettings
from services.gateway.journal import SPOOLS, Journal
from services.journal.__main__ import service
from services.settings import JournalSettings
from tests import programs
from tests.waiting import eventually, in_own_task

ADMIN: Final = Caller("u_admin", "Bruno", "admin")


class Reader:
    """An admin who reads the journal."""

    def __init__(self, up: Connected) -> None:
        self.up = up

    async def page(self, caller: Caller = ADMIN, **request: Any) -> dict[str, Any]:
        """The answer as it goes to clients. Raises `ServiceError`."""
        replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        bus = self.up.bus
        bus.request(
            bus.channels.service("journal", 0),
            "journal:messages",
            msgspec.json.encode(request),
            caller,
            timeout_s=5.0,
            on_reply=lambda reply: replied.done() or replied.set_result(reply),
        )
        answer: dict[str, Any] = msgspec.json.decode(result_of(await replied))
        return answer

    async def all(self, **request: Any) -> list[dict[str, Any]]:
        """Every message, in the order in which they were stored."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            page = await self.page(after=after, limit=500, **request)
            found += page["messages"]
            if page["next"] is None:
                return found
            after = page["next"]

    async def values(self, gateway: str) -> list[int]:
        """What a `Writer` of this name has written and is stored."""
        return [m["payload"]["value"] for m in await self.all(event="numbers:set") if m["gateway"] == gateway]

    async def becomes(self, gateway: str, count: int) -> list[int]:
        """The values, once there are so many."""
        values: list[int] = []
        after = 0

        async def complete() -> bool:
            """Reads on from where it has come to."""
            nonlocal after
            is_more = True
            while is_more:
                try:
                    page = await self.page(after=after, limit=500, event="numbers:set")
                except ServiceError:
                    return False
                values.extend(m["payload"]["value"] for m in page["messages"] if m["gateway"] == gateway)
                is_more = page["next"] is not None
                after = page["next"] or max((m["seq"] for m in page["messages"]), default=after)
            return len(values) >= count

        await eventually(complete)
        return values


class Writer:
    """A gateway's journal, which records one number after the other."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._numbers = itertools.count()
        self.written = 0

    def write(self, count: int) -> None:
        for _ in range(count):
            payload = b'{"value":%d}' % next(self._numbers)
            self.journal.came_in(Caller("u_1", "Ana", "user"), "numbers:set", payload, "ok", private=False)
            self.written += 1


@contextlib.asynccontextmanager
async def writing(up: Connected, kit: KitSettings, gateway: str = "gw-1") -> AsyncIterator[Writer]:
    journal = Journal(
        up.link,
        prefix=kit.redis_prefix,
        gateway=gateway,
        spools=kit.data / SPOOLS,
        spool_bytes=1 << 28,
        now=lambda: datetime.now(UTC).timestamp(),
    )
    running = asyncio.create_task(journal.run())
    try:
        yield Writer(journal)
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await journal.close()


@contextlib.asynccontextmanager
async def served(kit: KitSettings, **settings: int) -> AsyncIterator[None]:
    """An instance of the service in this process."""
    stop = asyncio.Event()
    health = Health()
    run = asyncio.create_task(serve(service(JournalSettings(**settings)), kit, health, stop))
    try:
        await eventually(lambda: health.status() == "ready")
        yield
    finally:
        stop.set()
        await run


@pytest.fixture
async def reader(kit: KitSettings) -> AsyncIterator[Reader]:
    """A reader of a service that serves."""
    async with in_own_task(served(kit)), in_own_task(reading(kit)) as one:
        yield one


@contextlib.asynccontextmanager
async def reading(kit: KitSettings) -> AsyncIterator[Reader]:
    async with connected(kit, name="reader", inbox=Channels.gateway) as up:
        await up.bus.listen(up.bus.inbox, up.bus.take_replies)
        yield Reader(up)


class Process:
    """`python -m services.journal`, for real."""

    def __init__(self, kit: KitSettings) -> None:
        self._kit = kit
        self._process: programs.Program | None = None

    async def start(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
        self._process = await programs.start(
            "services.journal",
            environ={
                **clean,
                "PULSO_REDIS_URL": self._kit.redis_url,
                "PULSO_REDIS_PREFIX": self._kit.redis_prefix,
                "PULSO_DATA": str(self._kit.data),
                "PULSO_OPS_PORT": "0",
            },
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        """As with -9: nothing is said to anybody."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            await self._process.wait()
            self._process = None


@contextlib.asynccontextmanager
async def process(kit: KitSettings) -> AsyncIterator[Process]:
    running = Process(kit)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()
