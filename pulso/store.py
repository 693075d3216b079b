"""SQL: one database file with one writer, changes committed in groups.

SQLAlchemy Core; a change that was answered is on the disk. The file is locked for as long as it is open, which is
the fence against a second writer: however confused the leases may be, only one process writes.

A disk that is full refuses a change and harms nothing: the store says so (`trouble`), tries again, and goes on.
A disk that fails to read, write or sync leaves open what it has of the last change, and the operating system may
take for written what is not. Such a store is broken (`is_broken`): it answers nothing more and has to be opened
anew, where all that the log beside the file holds is first written into the file and synced.

Nothing outside this module and `pulso.sqlite` knows that it is SQLite.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso import metrics, sqlite
from pulso.errors import ServiceError
from pulso.migrations import migrate
from pulso.rows import Rows, commit_in_one_go

T = TypeVar("T")
Change = Callable[[AsyncConnection], Awaitable[Any]]
Waiting = tuple[Change, asyncio.Future[Any]]

MAX_CHANGES: Final = 512
"""Changes in one transaction at the most, so that nobody waits behind an endless one."""

_UNAVAILABLE: Final = "The store cannot take this right now. Nothing was changed; try again in a moment."
_INTERRUPTED: Final = "The store was closed meanwhile; it may have been done. Try again in a moment."
_DOUBTFUL: Final = "The store has failed; it may have been done. Try again in a moment."

TRY_AGAIN_S: Final = 1.0
"""A store that could not write tries by itself this often, so that it is known to be well when it is."""

CHECKPOINT_PAGES: Final = 1000  # SQLite's own default
_OPEN: Final[WeakValueDictionary[Path, Store]] = WeakValueDictionary()

log = structlog.get_logger(__name__)


class StoreBusy(Exception):
    """Another process has the file."""


class Store:
    """An open database. Made by `open_store`."""

    def __init__(self, path: Path, connection: AsyncConnection, driver: Any) -> None:
        name = path.stem
        self.path = path
        self._connection = connection
        self._driver = driver
        self._turn = asyncio.Lock()
        self._waiting: list[Waiting] = []
        self._closed = False
        self.trouble = ""
        """Why nothing can be written now; empty where it can, as far as is known."""
        self.is_broken = False
        """Whether the disk has failed: nothing is answered any more, until the file is opened anew."""
        self._wake = asyncio.Event()
        self._commits = metrics.COMMITS.labels(name)
        self._commit_size = metrics.COMMIT_SIZE.labels(name)
        self._commit_seconds = metrics.COMMIT_SECONDS.labels(name)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads; it sees all that was committed before."""
        async with self._turn, self._guarded():
            try:
                yield self._connection
            finally:
                await self._connection.rollback()

    @contextlib.asynccontextmanager
    async def resting(self) -> AsyncIterator[Path]:
        """Meanwhile the file at this path stays as it is, with all in it that was committed before.

        Changes go on: they are kept in the log beside the file, which grows until this ends.
        """
        async with self._turn, self._guarded():
            await self._pragma("wal_autocheckpoint=0")
            try:
                (is_busy, *_) = await self._pragma("wal_checkpoint(TRUNCATE)")
                if is_busy:  # nobody else has the file, so nothing but a fault of ours
                    raise ServiceError("unavailable", _UNAVAILABLE)
            except BaseException:
                await self._pragma(f"wal_autocheckpoint={CHECKPOINT_PAGES}")
                raise
        try:
            yield self.path
        finally:
            async with self._turn:
                await self._pragma(f"wal_autocheckpoint={CHECKPOINT_PAGES}")

    async def _pragma(self, text: str) -> Sequence[Any]:
        with sqlite.driver_faults_wrapped(text, self._connection.dialect):
            async with self._driver.execute(f"PRAGMA {text}") as cursor:
                return await cursor.fetchone() or ()

    async def write(self, change: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `change` in a transaction and return its result after the commit.

        All changes that wait share one transaction, and so one fsync. If one of them raises, the transaction is
        rolled back and they are run again one by one, so that it fails alone: a change must be safe to run twice.
        A database that cannot write answers `ServiceError("unavailable")`, and nothing is changed.
        """
        if self._closed:
            raise ServiceError("unavailable", _UNAVAILABLE)
        committed: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, committed))
        self._wake.set()
        return await committed

    async def size_bytes(self) -> int:
        """What is stored takes so much of the disk; room that deleted rows have left is not counted."""
        async with self.read() as connection:
            all_, free, bytes_each = [
                await connection.scalar(text(f"PRAGMA {name}"))
                for name in ("page_count", "freelist_count", "page_size")
            ]
        return (int(all_) - int(free)) * int(bytes_each)

    async def run(self) -> None:
        """Commit what waits, until the store is closed and nothing waits any more."""
        batch: list[Waiting] = []
        try:
            while self._waiting or not self._closed:
                await self._woken()
                while self._waiting:
                    batch, self._waiting = self._waiting[:MAX_CHANGES], self._waiting[MAX_CHANGES:]
                    await self._commit([item for item in batch if not item[1].cancelled()])
                self._wake.clear()
        finally:
            self._closed = True
            for _, committed in [*batch, *self._waiting]:
                _fail(committed, ServiceError("unavailable", _INTERRUPTED))

    async def _woken(self) -> None:
        """Returns once something waits; meanwhile a store in trouble finds out whether it still is."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TRY_AGAIN_S if self.trouble else None):
                    await self._wake.wait()
                    return
            try:
                await self._transact([_touched])
            except ServiceError:
                pass  # still in trouble: noted
            except Exception:  # whatever it is, changes are still to be answered
                log.exception("the store cannot be asked", file=self.path.name)

    def close(self) -> None:
        """Take no more changes; `run` ends once those that wait are committed."""
        self._closed = True
        self._wake.set()

    async def _commit(self, batch: list[Waiting]) -> None:
        if not batch:
            return
        fault: Exception
        try:
            results = await self._transact([change for change, _ in batch])
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            fault = RuntimeError("what a change waited for was cancelled")
        except Exception as raised:  # whatever a change raises belongs to whoever asked for it
            fault = raised
        else:
            for (_, committed), result in zip(batch, results, strict=True):
                if not committed.done():
                    committed.set_result(result)
            return
        if len(batch) == 1 or self.is_broken:
            for _, committed in batch:
                _fail(committed, fault)
            return
        for item in batch:
            await self._commit([item])

    async def _transact(self, changes: list[Change]) -> list[Any]:
        async with self._turn, self._guarded():
            with self._commit_seconds.time():
                rows = [change for change in changes if isinstance(change, Rows)]
                if len(rows) == len(changes):
                    await commit_in_one_go(self._driver, self._connection.dialect, rows)
                    results = [None] * len(changes)
                else:
                    results = await self._run_and_commit(changes)
        if self.trouble:
            log.info("the store can write again", file=self.path.name)
            self.trouble = ""
        self._commits.inc()
        self._commit_size.observe(len(changes))
        return results

    async def _run_and_commit(self, changes: list[Change]) -> list[Any]:
        try:
            await self._connection.begin()  # for `Many`, of which SQLAlchemy learns nothing
            results = [await change(self._connection) for change in changes]
            await self._connection.commit()
        except BaseException:
            await self._connection.rollback()
            raise
        return results

    @contextlib.asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        """A full or failing disk is the service's trouble, not a fault of the request."""
        if self.is_broken:
            raise ServiceError("unavailable", _UNAVAILABLE)
        try:
            yield
        except OperationalError as fault:
            raise ServiceError("unavailable", self._noted(fault)) from fault

    def _noted(self, fault: OperationalError) -> str:
        """What a caller is told; the log hears once of each trouble."""
        trouble = sqlite.trouble_of(fault.orig)
        if not trouble or trouble != self.trouble:
            log.error("the store failed", file=self.path.name, fault=str(fault.orig))
        self.trouble = trouble or self.trouble
        self.is_broken = sqlite.is_failure(fault.orig)
        return _DOUBTFUL if self.is_broken else _UNAVAILABLE


async def _touched(connection: AsyncConnection) -> None:
    """Changes nothing, yet has to be written and synced as any change."""
    await connection.exec_driver_sql("PRAGMA user_version=0")


@contextlib.asynccontextmanager
async def open_store(path: Path, *, migrations: Path) -> AsyncIterator[Store]:
    """Open the file, migrate it (alembic, `<migrations>/versions`), and hold it alone until the end.

    Raises `StoreBusy` where another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sqlite.engine_of(path)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        with _busy_where_locked(path):
            connection = await stack.enter_async_context(engine.connect())
            await migrate(connection, migrations)
        driver = (await connection.get_raw_connection()).driver_connection
        store = _OPEN[path] = Store(path, connection, driver)
        writer = asyncio.create_task(store.run(), name=f"store-{path.stem}")
        try:
            yield store
        finally:
            del _OPEN[path]
            store.close()
            await writer


def open_at(path: Path) -> Store | None:
    """The store that this process has opened by this path."""
    return _OPEN.get(path)


@contextlib.contextmanager
def _busy_where_locked(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as fault:
        if "locked" in str(fault.orig):
            raise StoreBusy(f"{path} is open in another process") from fault
        raise


def _fail(committed: asyncio.Future[Any], fault: Exception) -> None:
    if not committed.done():
        committed.set_exception(fault)
