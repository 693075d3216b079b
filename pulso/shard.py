"""One shard of a service while it is active: its files, its state, its inbox."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import structlog

from pulso import config, copies
from pulso.bus import Bus
from pulso.contract import Contract
from pulso.push import Push
from pulso.router import Router
from pulso.routes import Routes
from pulso.store import Store, StoreBusy, open_at

State = TypeVar("State")

STORE_PATIENCE_S: Final = 4.0
"""How long a new holder of a lease waits for the one before to let go of the store."""
LOOK_EVERY_S: Final = 0.2
"""How often it is looked whether a store has broken."""

BROKEN_OFF: Final = "restoring.json"
"""Stands in a data folder while a restore puts files in their places: what starts then would make new ones."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """What one shard of a service is given to start with."""

    shard: int
    shards: int
    data: Path
    bus: Bus
    push: Push
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the shard is to end: a handler that waits for something to happen answers now."""
    files: set[Path] = field(default_factory=set)
    """The database files that were asked for: what a backup has of this shard."""

    def file(self, name: str) -> Path:
        """The shard's own database file: `numbers.sqlite3`, or `numbers-1of2.sqlite3` where there are more."""
        path = self.data / _file_name(name, self.shard, self.shards)
        self.files.add(path)
        return path


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


class DiskFailed(Exception):
    """A shard's store has broken while it started."""


class Shard:
    """One shard, active: its state, its router, its inbox, in a task of their own.

    It ends by itself when a store of its has broken: what it remembers may not be what is stored.
    """

    def __init__(self, service: Service[Any], context: Context, on_broken: Callable[[], None]) -> None:
        self._service = service
        self._context = context
        self._on_broken = on_broken
        self._stop = context.stopping
        self._router: Router[Any] | None = None
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_broken = False
        name = f"{service.contract.service}-{context.shard}"
        self._task = asyncio.create_task(self._run(), name=name)
        self._watch = asyncio.create_task(self._end_when_broken(), name=f"{name}-disk")
        self._task.add_done_callback(lambda _: self._watch.cancel())

    @property
    def trouble(self) -> str:
        """Which of its stores cannot write, and why; empty where all can."""
        return "; ".join(f"{store.path.name}: {store.trouble}" for store in self._stores() if store.trouble)

    @property
    def in_hand(self) -> int:
        """Calls taken and not answered yet."""
        return self._router.in_hand if self._router is not None else 0

    async def begin(self) -> None:
        """Returns once calls are taken; raises what kept it from that."""
        await asyncio.wait((self._task, self._started), return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            if self._task.cancelled() and self._is_broken:
                raise DiskFailed("the disk failed: see above")
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
            copying = copies.offering(
                bus, self._service.contract.service, context.shard, context.data, context.files
            )
            await stack.enter_async_context(copying)
            router = self._router = Router(self._service.routes, state, bus)
            await stack.enter_async_context(router.running())
            # First of all at the end, however it comes: a shard that failed must not go on taking calls.
            stack.callback(bus.unlisten, inbox)
            await bus.listen(inbox, router.accept)
            self._started.set_result(None)
            await self._stop.wait()

    async def _end_when_broken(self) -> None:
        while not self._is_broken:
            await asyncio.sleep(LOOK_EVERY_S)
            self._is_broken = any(store.is_broken for store in self._stores())
        if self._started.done():
            self._stop.set()
        else:  # it may wait for the store to take what it never will
            self._task.cancel()

    def _stores(self) -> list[Store]:
        return [store for path in self._context.files if (store := open_at(path)) is not None]

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
            log.error("shard failed", shard=task.get_name(), exc_info=fault)
        if self._is_broken or not self._stop.is_set():
            self._on_broken()


def check_folder(data: Path) -> None:
    """Raises `ConfigFaults` where no file can be made in the data folder, or a restore was broken off there."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as fault:
        raise config.ConfigFaults(
            [f"{config.variable_of('data')}: no file can be made in {data} ({fault.strerror}). "
             "Give the folder to the user that runs this process, or set another one."]
        ) from None  # fmt: skip
    if (data / BROKEN_OFF).exists():
        raise config.ConfigFaults(
            [f"{config.variable_of('data')}: a restore into {data} was broken off. Run `pulso restore` again."]
        )


def check_split(data: Path, service: str, shards: int) -> None:
    """Raises `ConfigFaults` where the files in the data folder are split into another number of shards.

    Users belong to shards by hash: with another number of them everybody would seem to be new.
    """
    own = {_file_name(service, shard, shards) for shard in range(shards)}
    there = {path.name for pattern in ("", "-*of*") for path in data.glob(f"{service}{pattern}.sqlite3")}
    if there - own:
        raise config.ConfigFaults(
            [f"{config.variable_of(f'{service}_shards')}: {shards}, but {data} holds {', '.join(sorted(there))}. "
             "Set it to what it was: stored data is not moved between shards."]
        )  # fmt: skip


def _file_name(name: str, shard: int, shards: int) -> str:
    return f"{name}.sqlite3" if shards == 1 else f"{name}-{shard}of{shards}.sqlite3"
