"""A gateway of the tests' own, and the service beside it: in this process, or in one that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec
import pytest

from pulso.channels import Channels
from pulso.contract import Caller, Endpoint, Nothing, shard_of
from pulso.errors import ServiceError
from pulso.message import Envelope, Membership, Reply, Tell, TellConnection
from pulso.party import Connected, connected
from pulso.probes import Health
from pulso.push import USER_TOPIC
from pulso.service import serve
from pulso.settings import KitSettings
from services.numbers import contract
from services.numbers.__main__ import service
from services.numbers.contract import Number, SetValue, Value, ValueAndStep
from services.settings import NumbersSettings
from tests import programs
from tests.waiting import eventually, in_own_task

Req = TypeVar("Req")
Res = TypeVar("Res")


class Gateway:
    """What a real gateway is to the service: it calls, it is told, it lets connections join topics."""

    def __init__(self, up: Connected, shards: int = 1) -> None:
        self.bus, self.link = up.bus, up.link
        self.id = up.instance
        self.shards = shards
        self.told: list[TellConnection | Tell] = []
        self.members: list[tuple[str, str]] = []

    def caller(self, user: str, connection: str = "tab-1", *, name: str = "") -> Caller:
        return Caller(user, name or user.title(), "guest", connection=connection, gateway=self.id)

    async def call(self, endpoint: Endpoint[Req, Res], request: Req, caller: Caller) -> Res:
        channel = self.bus.channels.service("numbers", shard_of(caller.id, self.shards))
        return await self.bus.call(channel, endpoint, request, caller)

    async def set(self, caller: Caller, value: int) -> Value:
        return await self.call(contract.SET, SetValue(value), caller)

    async def even(self, caller: Caller) -> Number:
        return await self.call(contract.EVEN, Nothing(), caller)

    async def connect(self, caller: Caller) -> ValueAndStep:
        """What the service sends to a new connection."""
        told = len(self.told)
        await self.call(contract.CONNECTED, Nothing(), caller)
        (tell,) = self.told[told:]
        assert isinstance(tell, TellConnection)
        assert (tell.connection, tell.event) == (caller.connection, "numbers:value")
        return msgspec.json.decode(tell.payload, type=ValueAndStep)

    async def follow_user(self, user: str) -> None:
        await self.bus.listen(self.bus.channels.topic(USER_TOPIC + user), self.take)

    def take(self, batch: list[Envelope]) -> None:
        for envelope in self.bus.take_replies(batch):
            if isinstance(envelope, Membership):
                change = self.members.append if envelope.joins else self.members.remove
                change((envelope.connection, envelope.topic))
                self.bus.send(envelope.reply_to, Reply(envelope.id, b"{}"))
            elif isinstance(envelope, (Tell, TellConnection)):
                self.told.append(envelope)

    async def serves(self) -> None:
        """Returns once every shard answers."""
        users = {shard_of(f"probe-{number}", self.shards): f"probe-{number}" for number in range(50)}

        async def all_answer() -> bool:
            try:
                # Not the call's own deadline: what reaches an instance just before its end is never answered.
                async with asyncio.timeout(1.0):
                    for user in users.values():
                        await self.call(contract.CONNECTED, Nothing(), Caller(user, user, "guest"))
            except (ServiceError, TimeoutError):
                return False
            return True

        await eventually(all_answer)


@contextlib.asynccontextmanager
async def gateway_on(kit: KitSettings, *, shards: int = 1) -> AsyncIterator[Gateway]:
    async with connected(kit, name="gateway", inbox=Channels.gateway) as up:
        gateway = Gateway(up, shards)
        await up.bus.listen(up.bus.inbox, gateway.take)
        yield gateway


@contextlib.asynccontextmanager
async def served(kit: KitSettings, *, shards: int = 1) -> AsyncIterator[None]:
    """An instance of the service in this process."""
    stop = asyncio.Event()
    run = asyncio.create_task(serve(service(NumbersSettings(shards)), kit, Health(), stop))
    try:
        yield
    finally:
        stop.set()
        await run


@pytest.fixture
async def gateway(kit: KitSettings) -> AsyncIterator[Gateway]:
    """A gateway beside a service that serves."""
    async with in_own_task(served(kit)), in_own_task(gateway_on(kit)) as gateway:
        await gateway.serves()
        yield gateway


class Process:
    """`python -m services.numbers`, for real."""

    def __init__(self, process: programs.Program) -> None:
        self._process = process

    async def kill(self) -> None:
        """As with -9: nothing is said to anybody."""
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@contextlib.asynccontextmanager
async def process(kit: KitSettings, *, shards: int = 1) -> AsyncIterator[Process]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSO_")}
    running = await programs.start(
        "services.numbers",
        environ={
            **clean,
            "PULSO_REDIS_URL": kit.redis_url,
            "PULSO_REDIS_PREFIX": kit.redis_prefix,
            "PULSO_DATA": str(kit.data),
            "PULSO_OPS_PORT": "0",
            "PULSO_NUMBERS_SHARDS": str(shards),
            "PULSO_LOG_FORMAT": "pretty",
        },
    )
    try:
        yield Process(running)
    finally:
        if running.returncode is None:
            running.terminate()
            await running.wait()
