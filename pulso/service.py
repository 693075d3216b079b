"""Running a service: settings, link, leases, shards, signals, drain.

`run_process` is what `python -m services.<name>` does; `serve` is the part of it that `pulso up` runs for each
service inside one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import structlog
import uvloop

from pulso import config, log, manifests, metrics
from pulso.bus import Bus, Channels
from pulso.config import between, one_of, setting
from pulso.contract import Contract, manifest_of
from pulso.lease import Leases, redis_client
from pulso.message import Envelope
from pulso.probes import DEFAULT_OPS_PORT, OK, STANDBY, Health, ops_server
from pulso.push import Push
from pulso.redis_link import RedisLink, url_complaint
from pulso.router import Router, Routes
from pulso.store import StoreBusy

State = TypeVar("State")
S = TypeVar("S")

STORE_PATIENCE_S: Final = 4.0
"""How long a new holder of a lease waits for the one before to let go of the store."""

ANNOUNCE_AGAIN_S: Final = 0.5
NO_REDIS: Final = "no connection to Redis"

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KitSettings:
    """What every process needs to know."""

    # Secret, because a URL may hold a password.
    redis_url: str = setting(
        "redis://127.0.0.1:6379/0",
        "Where Redis is; `pulso up` starts one where unset.",
        check=url_complaint,
        secret=True,
    )
    redis_password: str = setting("", "The password of Redis, where the URL has none.", secret=True)
    redis_prefix: str = setting("pulso", "What channels and keys begin with: one for each Pulso on a Redis.")
    data: Path = setting(Path(".pulso"), "The folder of the SQLite files, and of what `pulso up` makes.")
    ops_host: str = setting("127.0.0.1", "The address of the ops port (/healthz, /readyz, /metrics).")
    ops_port: int = setting(DEFAULT_OPS_PORT, "The ops port.", check=between(0, 65535))
    log_level: str = setting(
        "info", "debug, info, warning or error.", check=one_of("debug", "info", "warning", "error")
    )
    log_format: str = setting("json", "json or pretty.", check=one_of("json", "pretty"))


@dataclass(frozen=True, slots=True)
class Context:
    """What one shard of a service is given to start with."""

    shard: int
    shards: int
    data: Path
    bus: Bus
    push: Push
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def file(self, name: str) -> Path:
        """The shard's own database file: `numbers.sqlite3`, or `numbers-1.sqlite3` where there are more."""
        return self.data / (f"{name}.sqlite3" if self.shards == 1 else f"{name}-{self.shard}.sqlite3")


@dataclass(frozen=True, slots=True)
class Service(Generic[State]):
    """A whole service: what it offers, who answers, and what a shard needs while it is active.

    `start` opens a shard's state (store, loops) and closes it again. It may raise `StoreBusy`: then it is tried
    again for a while, because the instance before may still be letting go.
    """

    contract: Contract
    routes: Routes[State]
    start: Callable[[Context], AbstractAsyncContextManager[State]]
    shards: int = 1

    def __post_init__(self) -> None:
        self.routes.check(self.contract)


@dataclass(slots=True)
class Connected:
    """A party's link, bus and id; see `connected`."""

    instance: str
    link: RedisLink
    bus: Bus


@contextlib.asynccontextmanager
async def connected(
    kit: KitSettings, *, name: str, inbox: Callable[[Channels, str], str]
) -> AsyncIterator[Connected]:
    """A running bus on a link of its own. Waits for Redis to be there."""
    instance = f"{name}-{secrets.token_hex(4)}"
    channels = Channels(kit.redis_prefix)
    own = inbox(channels, instance)
    link = RedisLink(kit.redis_url, password=kit.redis_password, name=instance, probe_channel=f"{own}:probe")
    bus = Bus(link, channels=channels, inbox=own)
    async with running(link.run(), bus.run()):
        await link.wait_up()
        yield Connected(instance, link, bus)


@contextlib.asynccontextmanager
async def running(*loops: Any) -> AsyncIterator[None]:
    """Own these endless coroutines meanwhile; one that fails ends the block with its fault."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop, name=loop.__qualname__) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def serve(service: Service[Any], kit: KitSettings, health: Health, stop: asyncio.Event) -> None:
    """Run one instance of a service until `stop`; then drain and give back what it held."""
    name = service.contract.service
    shards: dict[int, _Shard] = {}
    health.watch(f"{name}.bus", lambda: NO_REDIS)
    async with (
        redis_client(kit.redis_url, password=kit.redis_password) as redis,
        connected(kit, name=name, inbox=lambda channels, instance: channels.instance(name, instance)) as up,
    ):
        link, bus = up.link, up.bus
        health.watch(f"{name}.bus", lambda: OK if link.is_up else NO_REDIS)
        health.watch(f"{name}.shards", lambda: OK if shards else STANDBY)
        await bus.listen(bus.inbox, lambda batch: _expect_nothing_more(bus.take_replies(batch)))
        manifest = manifest_of(service.contract, service.shards)
        leases = Leases(redis, prefix=kit.redis_prefix, service=name, shards=service.shards, instance=up.instance)
        announcements = asyncio.Event()
        link.on_gap(announcements.set)

        async def begin(shard: int) -> None:
            context = Context(shard, service.shards, kit.data, bus, Push(bus))
            run = _Shard(service, context, lambda: leases.report_broken(shard))
            try:
                await run.begin()
            except BaseException:
                await run.end()
                raise
            shards[shard] = run
            metrics.SHARDS_ACTIVE.labels(name).set(len(shards))
            announcements.set()

        async def end(shard: int) -> None:
            run = shards.pop(shard, None)
            metrics.SHARDS_ACTIVE.labels(name).set(len(shards))
            if run is not None:
                await run.end()

        async def announce() -> None:
            while True:
                await announcements.wait()
                announcements.clear()
                if shards and not await manifests.announce(link, bus, manifest):
                    await asyncio.sleep(ANNOUNCE_AGAIN_S)
                    announcements.set()

        async with running(leases.run(begin, end), announce()):
            await stop.wait()
            logger.info("draining", service=name)
        # Replies given in the last turn are still to be written.
        await asyncio.sleep(0.01)


class _Shard:
    """One shard, active: its state, its router, its inbox, in a task of their own."""

    def __init__(self, service: Service[Any], context: Context, on_broken: Callable[[], None]) -> None:
        self._service = service
        self._context = context
        self._on_broken = on_broken
        self._stop = asyncio.Event()
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=f"{service.contract.service}-{context.shard}")

    async def begin(self) -> None:
        """Returns once calls are taken; raises what kept it from that."""
        await asyncio.wait((self._task, self._started), return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()
        self._task.add_done_callback(self._ended)

    async def end(self) -> None:
        """Stop taking calls, finish those in hand, close the state; one that has not begun yet is broken off."""
        self._stop.set()
        if not self._started.done():
            self._task.cancel()
        await asyncio.wait((self._task,))

    async def _run(self) -> None:
        context, bus = self._context, self._context.bus
        inbox = bus.channels.service(self._service.contract.service, context.shard)
        async with contextlib.AsyncExitStack() as stack:
            state = await self._patiently(lambda: stack.enter_async_context(self._service.start(context)))
            router = Router(self._service.routes, state, bus)
            await stack.enter_async_context(router.running())
            await bus.listen(inbox, router.accept)
            self._started.set_result(None)
            await self._stop.wait()
            bus.unlisten(inbox)

    async def _patiently(self, start: Callable[[], Awaitable[Any]]) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + STORE_PATIENCE_S
        while True:
            try:
                return await start()
            except StoreBusy:
                if loop.time() > until:
                    raise
                await asyncio.sleep(0.1)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (fault := task.exception()) is not None:
            logger.error("shard failed", shard=task.get_name(), exc_info=fault)
        if not self._stop.is_set():
            self._on_broken()


def run_process(
    build: Callable[[S], Service[Any]], kind: type[S], environ: Mapping[str, str], *, known: Iterable[type]
) -> None:
    """The whole life of a service's own process. Exits 78 where settings are wrong, all faults listed."""
    kit, settings = load_or_exit((KitSettings, kind), environ, known=known)
    log.configure(level=kit.log_level, form=kit.log_format)
    service = build(settings)

    async def main(stop: asyncio.Event) -> None:
        health = Health()
        async with ops_server(health, host=kit.ops_host, port=kit.ops_port):
            await serve(service, kit, health, stop)

    run_until_signal(main)


def load_or_exit(kinds: tuple[type, ...], environ: Mapping[str, str], *, known: Iterable[type]) -> list[Any]:
    try:
        return config.load_all(kinds, environ, known=known)
    except config.ConfigFaults as wrong:
        for fault in wrong.faults:
            sys.stderr.write(f"{fault}\n")
        raise SystemExit(config.EX_CONFIG) from None


def run_until_signal(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run on uvloop; SIGINT and SIGTERM set the event that `main` is to stop at."""

    async def with_signals() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await main(stop)

    uvloop.run(with_signals())


def _expect_nothing_more(rest: list[Envelope]) -> None:
    if rest:
        logger.warning("not for an instance's inbox", envelopes=len(rest))
