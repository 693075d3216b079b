"""The service `bench`: an ordinary service that no gateway has ever heard of. `python -m bench.service` runs it.

It shows what a service of your own needs, and is what the benchmarks drive: a topic to follow and to publish to,
an object that comes back, a value that is stored before it is acknowledged.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from bench.store import MIGRATIONS, KeptValues
from pulso.contract import Access, Caller, Contract, Endpoint, Event, Nothing, Surface, Topic
from pulso.push import Push
from pulso.routes import Asked, Routes
from pulso.service import run_process
from pulso.settings import KitSettings
from pulso.shard import Context, Service
from pulso.store import open_store
from services.settings import ALL

TopicName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"topic": "news"}`"""

    topic: TopicName


class Publish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many ticks with a text of so many bytes: `{"topic": "news", "count": 4, "size": 64}`."""

    topic: TopicName
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    size: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 64


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of the last tick: `{"last": 4}`."""

    last: int


class Tick(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"n": 4, "text": "xxxx"}`; `n` grows by one with every tick of the service."""

    n: int
    text: str


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The caller's value: `{"value": 37}`."""

    value: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


Anything = dict[str, msgspec.Raw]
"""Any object; its members come back as the very bytes that were sent."""

JOIN: Final = Endpoint("bench:join", Join, Nothing, Access.GUEST, "Follow a topic.", surface=Surface.SOCKET)
PUBLISH: Final = Endpoint("bench:publish", Publish, Published, Access.GUEST, "Tell a topic's followers.")
ECHO: Final = Endpoint("bench:echo", Anything, Anything, Access.GUEST, "The same object back.")
STORE: Final = Endpoint("bench:store", Kept, Kept, Access.GUEST, "Store a value; the ack comes after the commit.")

TICK: Final = Event("bench:tick", Tick, "What was published.")
TICKS: Final = Topic("bench.{topic}", (TICK,))

CONTRACT: Final = Contract("bench", (JOIN, PUBLISH, ECHO, STORE), topics=(TICKS,))


@dataclass(frozen=True, slots=True)
class Bench:
    push: Push
    kept: KeptValues
    numbers: Iterator[int]


routes = Routes[Bench]()


@routes.handler(JOIN)
async def join(bench: Bench, caller: Caller, request: Join) -> Nothing:
    await bench.push.join(caller, TICKS.of(topic=request.topic))
    return Nothing()


@routes.handler(PUBLISH)
async def publish(bench: Bench, _caller: Caller, request: Publish) -> Published:
    topic, text, number = TICKS.of(topic=request.topic), "x" * request.size, 0
    for number in itertools.islice(bench.numbers, request.count):
        bench.push.to_topic(topic, TICK, Tick(number, text))
    return Published(number)


@routes.batch_handler(ECHO)
async def echo(_bench: Bench, calls: Sequence[Asked[Anything]]) -> Sequence[Anything]:
    return [request for _, request in calls]


@routes.batch_handler(STORE)
async def store(bench: Bench, calls: Sequence[Asked[Kept]]) -> Sequence[Kept]:
    """Of several calls of one user the last wins; each gets its own value."""
    await bench.kept.keep({caller.id: request.value for caller, request in calls})
    return [request for _, request in calls]


@contextlib.asynccontextmanager
async def start(context: Context) -> AsyncIterator[Bench]:
    async with open_store(context.file("bench"), migrations=MIGRATIONS) as opened:
        yield Bench(context.push, KeptValues(opened), itertools.count(1))


def service(_kit: KitSettings) -> Service[Bench]:
    return Service(CONTRACT, routes, start)


if __name__ == "__main__":
    run_process(service, KitSettings, os.environ, known=ALL)
