"""A service for tests: it says again what it is told, one by one and in batches."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from pulso.contract import Access, Caller, Contract, Endpoint, Nothing
from pulso.errors import ServiceError
from pulso.routes import Asked, Routes
from pulso.shard import Context, Service


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"text": "hello"}`"""

    text: str


class Size(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many calls were handled together."""

    together: int


SAY: Final = Endpoint("echo:say", Words, Words, Access.GUEST, "Say it again.")
PING: Final = Endpoint("echo:ping", Nothing, Nothing, Access.ANYONE, "Answer.", timeout_s=0.3)
TOGETHER: Final = Endpoint("echo:together", Words, Size, Access.ADMIN, "Say how many were asked together.")
CONTRACT: Final = Contract("echo", (SAY, PING, TOGETHER))

GUEST: Final = Caller("g_rui", "Rui", "guest")
ADMIN: Final = Caller("u_ana", "Ana", "admin")


@dataclass
class Echo:
    """`gate` is open unless a test closes it: calls are in hand for as long as it is closed."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    said: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    shard: int = 0

    def __post_init__(self) -> None:
        self.gate.set()


routes = Routes[Echo]()


@routes.handler(SAY)
async def say(echo: Echo, _caller: Caller, request: Words) -> Words:
    echo.entered.set()
    await echo.gate.wait()
    match request.text:
        case "fault":
            raise KeyError("secret detail")
        case "refuse":
            raise ServiceError("conflict", "It was said already.")
        case "nonsense":
            return Words("\ud800")  # which no JSON can carry
        case "cancelled":
            raise asyncio.CancelledError
    echo.said.append(request.text)
    return request


@routes.handler(PING)
async def ping(_echo: Echo, _caller: Caller, _request: Nothing) -> Nothing:
    return Nothing()


@routes.batch_handler(TOGETHER)
async def together(echo: Echo, calls: Sequence[Asked[Words]]) -> Sequence[Size | ServiceError]:
    echo.batches.append(len(calls))
    echo.entered.set()
    await echo.gate.wait()
    texts = [request.text for _, request in calls]
    if "fault" in texts:
        raise KeyError("secret detail")
    if "cancelled" in texts:
        raise asyncio.CancelledError
    if "short" in texts:
        return []
    refused = ServiceError("conflict", "It was said already.")
    return [refused if text == "refuse" else Size(len(calls)) for text in texts]


def service(state: Echo | None = None, *, shards: int = 1) -> Service[Echo]:
    @contextlib.asynccontextmanager
    async def start(context: Context) -> AsyncIterator[Echo]:
        echo = state or Echo()
        echo.shard = context.shard
        yield echo

    return Service(CONTRACT, routes, start, shards)
