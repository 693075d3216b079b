"""Auth, chat and two gateways in this process, on the real Redis, and people who have logged in."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from pulso.probes import Health
from pulso.service import serve
from pulso.settings import KitSettings
from pulso.shard import Context
from services.auth.__main__ import service as auth_service
from services.chat.__main__ import service as chat_service
from services.chat.state import Chat, open_chat
from services.gateway.app import serve_gateway
from services.settings import AuthSettings, ChatSettings, GatewaySettings
from tests import programs
from tests.admission import admitted
from tests.conftest import free_port
from tests.known import knows
from tests.services.gateway.conftest import PEPPER, Client
from tests.waiting import eventually

MB = 1 << 20
_numbers = itertools.count()


class Tab(Client):
    """One connection of a person, with what a page would do."""

    async def join(self, room: str = "sala-1", **more: Any) -> Any:
        return await self.call("chat:join", {"room": room, **more})

    async def say(self, text: str, *, id_: str | None = None, **more: Any) -> Any:
        return await self.call("chat:send", {"id": id_ or str(uuid4()), "text": text, **more})

    def texts(self) -> list[str]:
        return [message["text"] for message in self.payloads("chat:message")]

    async def reads(self, *texts: str) -> None:
        """Returns once these messages came, in this order, and no others."""
        await eventually(lambda: len(self.texts()) >= len(texts))
        assert self.texts() == list(texts)

    async def settled(self) -> None:
        """Returns once all that was told before has come: nothing overtakes an answer."""
        await self.call("chat:rooms")


@dataclass(slots=True)
class Person:
    """A user who has logged in: cookies, token, identity."""

    place: Place
    name: str
    id: str
    token: str
    http: aiohttp.ClientSession

    @property
    def shown(self) -> dict[str, str]:
        return {"id": self.id, "name": self.name}

    @contextlib.asynccontextmanager
    async def tab(self, gateway: int = 0) -> AsyncIterator[Tab]:
        tab = Tab()
        try:
            await tab.socket.connect(
                self.place.urls[gateway], auth={"token": self.token}, transports=["websocket"]
            )
            await tab.hears("session:ready")
            yield tab
        finally:
            await tab.socket.disconnect()

    async def upload(self, *files: tuple[str, bytes], gateway: int = 0) -> tuple[int, Any]:
        form = aiohttp.FormData(quote_fields=False)  # as browsers do it
        for name, content in files:
            form.add_field("file", content, filename=name)
        url = f"{self.place.urls[gateway]}/api/chat/files"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.post(url, data=form, headers=headers) as response:
            return response.status, await response.json()


@dataclass(slots=True)
class Place:
    """Running gateways with a chat behind them that can be stopped and started."""

    kit: KitSettings
    settings: ChatSettings
    urls: list[str]
    http: aiohttp.ClientSession
    chat: Any

    @property
    def uploads(self) -> Path:
        return self.settings.uploads

    def uploaded(self) -> list[Path]:
        """All files in the folder, also those under way."""
        return sorted(self.uploads.iterdir()) if self.uploads.exists() else []

    async def person(self, name: str) -> Person:
        username = f"{name.lower()}{next(_numbers)}"
        form = {"name": name, "username": username, "email": f"{username}@example.com", "password": "a password"}
        async with admitted(self.http, f"{self.urls[0]}/api/auth/register", json=form) as response:
            body = await response.json()
            assert response.status == 200, body
        return Person(self, name, body["user"]["id"], body["access_token"], self.http)

    async def guest(self) -> Person:
        async with admitted(self.http, f"{self.urls[0]}/api/auth/guest", json={"name": "Rui"}) as response:
            body = await response.json()
        return Person(self, "Rui", body["user"]["id"], body["access_token"], self.http)


class Process:
    """`python -m services.chat`, for real."""

    def __init__(self, kit: KitSettings, settings: ChatSettings) -> None:
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PULSO_")},
            "PULSO_REDIS_URL": kit.redis_url,
            "PULSO_REDIS_PREFIX": kit.redis_prefix,
            "PULSO_DATA": str(kit.data),
            "PULSO_UPLOADS": str(settings.uploads),
            "PULSO_OPS_PORT": "0",
            "PULSO_LOG_FORMAT": "pretty",
        }
        self._process: programs.Program | None = None

    async def start(self) -> None:
        self._process = await programs.start("services.chat", environ=self._environ)

    async def kill(self) -> None:
        """As with -9: nothing is said to anybody."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        await self._process.wait()


class Running:
    """Chat in this process; its clock is `later` than ours."""

    later = timedelta()
    state: Chat | None = None

    def __init__(self, kit: KitSettings, settings: ChatSettings) -> None:
        self._kit = kit
        self._settings = settings
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._stop, health = asyncio.Event(), Health()
        service = replace(chat_service(self._settings), start=self._open)
        self._task = asyncio.create_task(serve(service, self._kit, health, self._stop))
        await eventually(lambda: health.status() == "ready")

    @contextlib.asynccontextmanager
    async def _open(self, context: Context) -> AsyncIterator[Chat]:
        context = replace(context, now=lambda: datetime.now(UTC) + self.later)
        async with open_chat(context, self._settings) as self.state:
            yield self.state

    async def stop(self) -> None:
        self._stop.set()
        if self._task is not None:
            await self._task
            self._task = None


@contextlib.asynccontextmanager
async def place_of(
    kit: KitSettings, *, gateways: int = 2, chat: type[Running | Process] | None = None, **settings: Any
) -> AsyncIterator[Place]:
    """A Pulso without numbers, with so many gateways; `settings` are chat's."""
    stop, health = asyncio.Event(), Health()
    chosen = ChatSettings(**{"uploads": kit.data / "uploads", **settings})
    ports = [free_port() for _ in range(gateways)]
    healths = [Health() for _ in ports]
    auth = auth_service(AuthSettings(pepper=PEPPER, bcrypt_cost=4))
    edges = [
        GatewaySettings(
            port=port, uploads=chosen.uploads, limit_events_per_second=0, limit_registrations_per_minute=0,
            limit_connections_per_address=0, limit_guests_per_minute=0,
        )
        for port in ports
    ]  # fmt: skip
    running = [
        asyncio.create_task(serve(auth, kit, health, stop)),
        *(asyncio.create_task(serve_gateway(s, kit, h, stop)) for s, h in zip(edges, healths, strict=True)),
    ]
    try:
        await eventually(lambda: all(h.status() == "ready" for h in (health, *healths)))
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            place = Place(kit, chosen, urls, http, (chat or Running)(kit, chosen))
            await place.chat.start()
            try:
                await asyncio.gather(*(knows(url, ("auth", "chat")) for url in urls))
                yield place
            finally:
                await place.chat.stop()
    finally:
        stop.set()
        await asyncio.gather(*running)


@pytest.fixture
async def place(kit: KitSettings) -> AsyncIterator[Place]:
    async with place_of(kit) as running:
        yield running
