"""How a database file is opened with SQLite, and what its faults mean.

aiosqlite, WAL, `synchronous=FULL`, locked exclusively. One connection a file (checkpoints included): SQLite before
3.51.3 can lose a WAL reset that races with another connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Dialect, ExceptionContext, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

# Primary result codes.
_READONLY: Final = 8
_IOERR: Final = 10
_FULL: Final = 13
_TROUBLES: Final = {_FULL: "the disk is full", _READONLY: "the disk is read-only"}


def engine_of(path: Path) -> AsyncEngine:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 0.2})

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN comes too late (before the first write): transactions are begun below.
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                cursor.execute(f"PRAGMA {pragma}")
            _make_sure(cursor)
        except BaseException:
            cursor.close()  # else its statement would keep the file locked for as long as somebody holds the fault
            connection.close()  # the pool does not know it yet, and would leave its thread running
            raise
        cursor.close()

    @event.listens_for(engine.sync_engine, "handle_error")
    def keep(context: ExceptionContext) -> None:
        # A reader that is cancelled does not harm the connection; closing it would let go of the lock.
        context.is_disconnect = False

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # One visit to the driver's thread instead of the three that SQLAlchemy makes for a statement.
        driver: Any = connection.connection.driver_connection
        try:
            with driver_faults_wrapped("BEGIN IMMEDIATE", connection.dialect):
                await_only(driver.execute("BEGIN IMMEDIATE"))
        except BaseException:
            await_only(driver.rollback())  # whoever was cancelled meanwhile may have begun it all the same
            raise

    return engine


def trouble_of(fault: BaseException | None) -> str:
    """Why the disk takes no change now, though it has kept all before; empty for any other fault."""
    return _TROUBLES.get(_code_of(fault), "")


def is_failure(fault: BaseException | None) -> bool:
    """Whether the disk has failed to read, write or sync: what it has of the last change is not known."""
    return _code_of(fault) == _IOERR


@contextmanager
def driver_faults_wrapped(sql: str, dialect: Dialect) -> Iterator[None]:
    """The driver's faults as SQLAlchemy raises them."""
    errors: type[Exception] = dialect.loaded_dbapi.Error
    try:
        yield
    except errors as fault:
        raise DBAPIError.instance(sql, None, fault, errors, dialect=dialect) from fault


def _make_sure(cursor: Any) -> None:
    """What the log holds is in the file, and on the disk.

    After a sync that failed the system takes for clean what it has not written (ext4, XFS and others): to sync it
    again does nothing, and a crash of the machine would lose it together with all that came after. Written into
    another place it is synced for good. On a full disk that has to wait: what is stored can be read at least.
    """
    try:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except Exception as fault:
        if _code_of(fault) != _FULL:
            raise


def _code_of(fault: BaseException | None) -> int:
    return int(getattr(fault, "sqlite_errorcode", 0)) & 0xFF
