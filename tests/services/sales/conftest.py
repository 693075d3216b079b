"""The service beside a gateway of the tests' own, or with auth and a real gateway in front."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
import pytest

from pulso.channels import Channels
from pulso.contract import Caller, Endpoint, Nothing
from pulso.errors import ServiceError
from pulso.message import Envelope, Membership, Reply, Tell
from pulso.party import Connected, connected
from pulso.probes import Health
from pulso.service import serve
from pulso.settings import KitSettings
from services.auth.__main__ import service as auth_service
from services.gateway.app import serve_gateway
from services.sales import contract
from services.sales.__main__ import service
from services.sales.contract import Records, RecordsRequest, Sale, SourceReport, Summary, SummaryRequest
from services.settings import AuthSettings, GatewaySettings, SalesSettings
from tests.admission import admitted
from tests.conftest import free_port
from tests.known import knows
from tests.waiting import eventually, in_own_task

Req = TypeVar("Req")
Res = TypeVar("Res")

ADMIN = Caller("u_admin", "Ana", "admin")
RUI = Caller("u_rui", "Rui", "user")


class Gateway:
    """What a real gateway is to the service: it calls, and lets connections join the feed."""

    def __init__(self, up: Connected) -> None:
        self.bus = up.bus
        self.id = up.instance
        self.told: list[Tell] = []
        self.members: list[str] = []

    def watcher(self, connection: str = "tab-1") -> Caller:
        return Caller("u_rui", "Rui", "user", connection=connection, gateway=self.id)

    async def call(self, endpoint: Endpoint[Req, Res], request: Req, caller: Caller = RUI) -> Res:
        return await self.bus.call(self.bus.channels.service("sales", 0), endpoint, request, caller)

    async def records(self, after: str = "", limit: int = 1000, wait: float = 0.0) -> Records:
        return await self.call(contract.RECORDS, RecordsRequest(after, limit, wait))

    async def all_ids(self) -> list[str]:
        """Page by page, as a client does it."""
        ids: list[str] = []
        cursor = ""
        while (page := await self.records(cursor)).records:
            ids += [sale.id for sale in page.records]
            cursor = page.next
        return ids

    async def summary(self, minutes: int, caller: Caller = RUI) -> Summary:
        return await self.call(contract.SUMMARY, SummaryRequest(minutes), caller)

    async def source(self) -> SourceReport:
        return await self.call(contract.SOURCE, Nothing(), ADMIN)

    async def has(self, count: int, *, within_s: float | None = None) -> list[str]:
        """The ids, once it serves and there are so many."""
        await self.serves()

        async def are_there() -> list[str]:
            ids = await self.all_ids()
            return ids if len(ids) >= count else []

        return await eventually(are_there, within_s=within_s)

    async def follow(self) -> None:
        await self.bus.listen(self.bus.channels.topic(contract.FEED.name), self.take)

    def sales_told(self) -> list[Sale]:
        return [
            msgspec.json.decode(tell.payload, type=Sale)
            for tell in self.told
            if tell.event == contract.RECORD.name
        ]

    def take(self, batch: list[Envelope]) -> None:
        for envelope in self.bus.take_replies(batch):
            if isinstance(envelope, Membership):
                change = self.members.append if envelope.joins else self.members.remove
                change(envelope.connection)
                self.bus.send(envelope.reply_to, Reply(envelope.id, b"{}"))
            elif isinstance(envelope, Tell):
                self.told.append(envelope)

    async def serves(self) -> None:
        async def answers() -> bool:
            try:
                async with asyncio.timeout(1.0):
                    await self.records(limit=1)
            except (ServiceError, TimeoutError):
                return False
            return True

        await eventually(answers)


@contextlib.asynccontextmanager
async def gateway_on(kit: KitSettings) -> AsyncIterator[Gateway]:
    async with connected(kit, name="gateway", inbox=Channels.gateway) as up:
        gateway = Gateway(up)
        await up.bus.listen(up.bus.inbox, gateway.take)
        yield gateway


@contextlib.asynccontextmanager
async def served(kit: KitSettings, settings: SalesSettings | None = None) -> AsyncIterator[None]:
    """An instance of the service in this process."""
    stop = asyncio.Event()
    run = asyncio.create_task(serve(service(settings or SalesSettings()), kit, Health(), stop))
    try:
        yield
    finally:
        stop.set()
        await run


@pytest.fixture
def source(kit: KitSettings) -> Path:
    """Where the service looks for its source."""
    return kit.data / "sales.jsonl"


@pytest.fixture
async def gateway(kit: KitSettings) -> AsyncIterator[Gateway]:
    """A gateway beside a service that serves."""
    async with in_own_task(served(kit)), in_own_task(gateway_on(kit)) as gateway:
        await gateway.serves()
        yield gateway


@dataclass(frozen=True, slots=True)
class Shop:
    """Auth, sales and a gateway in this process: what a program sees over HTTP."""

    url: str
    source: Path
    http: aiohttp.ClientSession

    async def token(self) -> str:
        async with admitted(self.http, f"{self.url}/api/auth/guest", json={}) as response:
            return str((await response.json())["access_token"])

    async def get(self, path: str, token: str | None = None, **headers: str) -> tuple[int, Any]:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.get(f"{self.url}{path}", headers=headers) as response:
            return response.status, await response.json()


@contextlib.asynccontextmanager
async def shop_on(
    kit: KitSettings, *, token_seconds: int = 900, guests: bool = True, port: int = 0
) -> AsyncIterator[Shop]:
    stop, health = asyncio.Event(), Health()
    port = port or free_port()
    auth = AuthSettings(
        pepper="a pepper for tests that is long enough", bcrypt_cost=4, token_seconds=token_seconds, guests=guests
    )
    edge = GatewaySettings(port=port, token_seconds=token_seconds, guests=guests)
    running = [
        asyncio.create_task(serve(auth_service(auth), kit, health, stop)),
        asyncio.create_task(serve(service(SalesSettings()), kit, health, stop)),
        asyncio.create_task(serve_gateway(edge, kit, health, stop)),
    ]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        try:
            await eventually(lambda: health.status() == "ready")
            shop = Shop(f"http://127.0.0.1:{port}", kit.data / "sales.jsonl", http)
            await knows(shop.url, ("auth", "sales"))
            yield shop
        finally:
            stop.set()
            await asyncio.gather(*running)


@pytest.fixture
async def shop(kit: KitSettings) -> AsyncIterator[Shop]:
    async with in_own_task(shop_on(kit)) as shop:
        yield shop
