"""The service beside gateways of the tests' own: they announce connections, and hear what watchers are told."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

import msgspec
import pytest

from pulso.announcer import Announcer
from pulso.channels import Channels
from pulso.connections import ROLL_CALL, OpenConnection, opened_by
from pulso.contract import Caller, Endpoint, Kind
from pulso.errors import ServiceError
from pulso.message import Envelope, Membership, Reply, Tell
from pulso.party import Connected, connected, running
from pulso.probes import Health
from pulso.service import serve
from pulso.settings import KitSettings
from pulso.store import open_store
from services.presence import contract
from services.presence.__main__ import service
from services.presence.contract import ListPeople, People, PersonHere
from services.presence.store import MIGRATIONS, Book, Stored
from services.settings import GraceSettings
from tests.waiting import eventually, in_own_task

Req = TypeVar("Req")
Res = TypeVar("Res")

GRACE_S = 1
SINCE_MS = 1_767_225_600_000
SINCE = "2026-01-01T00:00:00.000Z"


class Gateway:
    """What a real gateway is to the service."""

    def __init__(self, up: Connected) -> None:
        self.id = up.instance
        self.bus = up.bus
        self.announcer = Announcer(up.bus, gateway=up.instance)
        self.members: list[tuple[str, str]] = []
        self.told: list[tuple[str, Any]] = []
        self._ids = itertools.count()

    def open(self, user: str, *, name: str = "", kind: Kind = "user") -> Caller:
        """A new connection of the user."""
        id_ = f"{self.id}-{next(self._ids)}"
        caller = Caller(user, name or user.title(), kind, "s", id_, self.id, "203.0.113.7")
        self.announcer.opened(opened_by(caller, SINCE_MS))
        return caller

    def close(self, caller: Caller) -> None:
        self.announcer.closed(caller.connection)

    async def call(self, endpoint: Endpoint[Req, Res], request: Req, caller: Caller) -> Res:
        return await self.bus.call(self.bus.channels.service("presence", 0), endpoint, request, caller)

    async def list(self, **request: Any) -> People:
        return await self.call(contract.LIST, ListPeople(**request), Caller("g_x", "X", "guest"))

    async def here(self) -> dict[str, PersonHere]:
        return {person.id: person for person in (await self.list()).users}

    async def has_here(self, **connections: int) -> None:
        """Returns once exactly these users are here, with so many connections each."""

        async def so() -> bool:
            return {id_: person.connections for id_, person in (await self.here()).items()} == connections

        await eventually(so)

    def heard(self, event: str) -> list[str]:
        """The users of `joined` and `left`, in order."""
        return [payload["user"]["id"] for name, payload in self.told if name == event]

    def accept(self, batch: Sequence[Envelope]) -> None:
        for envelope in self.bus.take_replies(list(batch)):
            if isinstance(envelope, Membership):
                change = self.members.append if envelope.joins else self.members.remove
                change((envelope.connection, envelope.topic))
                self.bus.send(envelope.reply_to, Reply(envelope.id, b"{}"))

    def hear(self, batch: Sequence[Envelope]) -> None:
        for envelope in batch:
            if isinstance(envelope, Tell):
                if envelope.event == ROLL_CALL:
                    self.announcer.heed(envelope.payload)
                elif envelope.event.startswith("presence:"):
                    self.told.append((envelope.event, msgspec.json.decode(envelope.payload)))

    async def serves(self) -> None:
        async def answers() -> bool:
            try:
                async with asyncio.timeout(1.0):
                    await self.list()
            except (ServiceError, TimeoutError):
                return False
            return True

        await eventually(answers)


@contextlib.asynccontextmanager
async def gateway_on(kit: KitSettings) -> AsyncIterator[Gateway]:
    """At the end it is gone without a word, as if it was killed. It hears all that watchers are told."""
    async with connected(kit, name="gw", inbox=Channels.gateway) as up:
        gateway = Gateway(up)
        await up.bus.listen(up.bus.inbox, gateway.accept)
        await up.bus.listen(up.bus.channels.control, gateway.hear)
        await up.bus.listen(up.bus.channels.topic(contract.PEOPLE.name), gateway.hear)
        up.link.on_gap(gateway.announcer.renew)
        async with running(gateway.announcer.run()):
            yield gateway


@contextlib.asynccontextmanager
async def served(kit: KitSettings) -> AsyncIterator[None]:
    """An instance of the service in this process."""
    stop = asyncio.Event()
    run = asyncio.create_task(serve(service(GraceSettings(GRACE_S)), kit, Health(), stop))
    try:
        yield
    finally:
        stop.set()
        await run


async def stored(kit: KitSettings) -> Stored:
    """What the file says while nobody serves."""
    async with open_store(kit.data / "presence.sqlite3", migrations=MIGRATIONS) as store:
        return await Book(store).read()


async def store(kit: KitSettings, *, opened: Sequence[OpenConnection] = (), people: Sequence[Any] = ()) -> None:
    """Have the file say this when the service starts."""
    async with open_store(kit.data / "presence.sqlite3", migrations=MIGRATIONS) as file:
        await Book(file).save(opened, (), people)


@pytest.fixture
async def gateway(kit: KitSettings) -> AsyncIterator[Gateway]:
    """A gateway beside a service that serves."""
    async with in_own_task(gateway_on(kit)) as gateway, in_own_task(served(kit)):
        await gateway.serves()
        yield gateway
