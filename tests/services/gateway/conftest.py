"""Auth, numbers and gateways in this process, on the real Redis, and clients for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest

from pulso.probes import Health
from pulso.service import serve
from pulso.settings import KitSettings
from services.auth.__main__ import service as auth_service
from services.gateway.app import serve_gateway
from services.numbers.__main__ import service as numbers_service
from services.settings import AuthSettings, GatewaySettings, NumbersSettings
from tests.admission import admitted
from tests.conftest import free_port
from tests.known import knows
from tests.patient_client import PatientClient
from tests.waiting import eventually

PEPPER = "a pepper for tests that is long enough"


@dataclass(slots=True)
class Room:
    """Running gateways, and whoever was signed in to them."""

    kit: KitSettings
    urls: list[str]
    stop: asyncio.Event

    @contextlib.asynccontextmanager
    async def visitor(self, gateway: int = 0) -> AsyncIterator[aiohttp.ClientSession]:
        """A browser without cookies yet."""
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(self.urls[gateway], cookie_jar=jar) as session:
            yield session

    @contextlib.asynccontextmanager
    async def client(self, gateway: int = 0, **how: Any) -> AsyncIterator[Client]:
        client = Client()
        try:
            await client.socket.connect(self.urls[gateway], **how)
            yield client
        finally:
            await client.socket.disconnect()


class Client:
    """A Socket.IO client that remembers what it was told."""

    def __init__(self) -> None:
        self.socket = PatientClient()
        self.told: list[tuple[str, Any]] = []
        self.socket.on("*", self._hear)

    async def _hear(self, event: str, *payload: Any) -> None:
        self.told.append((event, payload[0] if payload else None))

    async def call(self, event: str, payload: Any = None) -> Any:
        return await self.socket.call(event, payload)

    def payloads(self, event: str) -> list[Any]:
        return [payload for name, payload in self.told if name == event]

    async def hears(self, event: str, count: int = 1) -> Any:
        """The latest payload of an event, once it was told `count` times."""
        await eventually(lambda: len(self.payloads(event)) >= count)
        return self.payloads(event)[-1]


@contextlib.asynccontextmanager
async def room_of(kit: KitSettings, gateways: int, **limits: Any) -> AsyncIterator[Room]:
    """A whole Pulso with so many gateways."""
    stop = asyncio.Event()
    health = Health()
    ports = [free_port() for _ in range(gateways)]
    settings = [GatewaySettings(port=port, **limits) for port in ports]
    healths = [Health() for _ in ports]
    auth = auth_service(AuthSettings(pepper=PEPPER, bcrypt_cost=4, guests=limits.get("guests", True)))
    numbers = numbers_service(NumbersSettings())
    running = [
        asyncio.create_task(serve(auth, kit, health, stop)),
        asyncio.create_task(serve(numbers, kit, health, stop)),
        *(
            asyncio.create_task(serve_gateway(s, replace(kit), h, stop))
            for s, h in zip(settings, healths, strict=True)
        ),
    ]
    try:
        await eventually(lambda: all(h.status() == "ready" for h in (health, *healths)))
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        await asyncio.gather(*(knows(url, ("auth", "numbers")) for url in urls))
        yield Room(kit, urls, stop)
    finally:
        stop.set()
        await asyncio.gather(*running)


@pytest.fixture
async def room(kit: KitSettings) -> AsyncIterator[Room]:
    async with room_of(kit, 2, limit_events_per_second=0) as running:
        yield running


async def token_of(visitor: aiohttp.ClientSession, name: str = "Rui") -> str:
    """Become a guest; the access token."""
    async with admitted(visitor, "/api/auth/guest", json={"name": name}) as response:
        body = await response.json()
        assert response.status == 200, body
        return str(body["access_token"])


def cookie_of(visitor: aiohttp.ClientSession) -> str:
    (cookie,) = visitor.cookie_jar
    return f"{cookie.key}={cookie.value}"
