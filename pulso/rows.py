"""Rows for the database without the detours that a statement takes: straight to the driver, in one go."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Dialect, Executable
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.sqlite import driver_faults_wrapped

MOST_PARAMETERS: Final = 999
"""Of one statement: SQLite before 3.32 takes no more (RHEL 8 has 3.26)."""
MOST_SQL_SHOWN: Final = 200
"""Characters of each statement that stand in a fault."""

_ROW: Final = re.compile(r"VALUES (\([^()]*\))")

Statement = tuple[str, Sequence[Any]]
"""SQL for some rows, and the parameters of all of them."""


class Many:
    """One INSERT for many rows, each a tuple of the named parameters in the order in which they are given here.

    It goes to the driver as it is, compiled once: SQLAlchemy's own work costs 2.5 us a row and, with two more
    visits to the driver's thread, 0.2 ms a batch. No two rows of a call may meet in one ON CONFLICT.

    A statement takes a power of two of rows, so that few are compiled and a few take any number: for each that
    is run, the driver's thread lets go of the interpreter and wants it back. A row each was 0.9 us more a row.
    """

    def __init__(self, statement: Executable, *names: str) -> None:
        self._statement = statement
        self._names = names
        self._most = 1 << max(1, MOST_PARAMETERS // len(names)).bit_length() - 1
        """Rows that one statement takes."""
        self._sql: dict[int, str] = {}
        """By the number of rows."""

    async def run(self, connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await _in_thread_of(driver, _execute, self.statements(connection.dialect, rows), connection.dialect)

    def statements(self, dialect: Dialect, rows: Sequence[tuple[Any, ...]]) -> list[Statement]:
        parts = self._parts(rows)
        return [(self._for(len(part), dialect), tuple(itertools.chain.from_iterable(part))) for part in parts]

    def _parts(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
        """These in parts of the most, half of that, a quarter and so on, largest first."""
        begin, size = 0, self._most
        while begin < len(rows):
            while size > len(rows) - begin:
                size //= 2
            yield rows[begin : begin + size]
            begin += size

    def _for(self, count: int, dialect: Dialect) -> str:
        sql = self._sql.get(count)
        if sql is None:
            sql = self._sql[count] = _ROW.sub(
                lambda row: "VALUES " + ", ".join([row[1]] * count), self._compiled(dialect)
            )
        return sql

    def _compiled(self, dialect: Dialect) -> str:
        compiled: Any = self._statement.compile(dialect=dialect)  # type: ignore[attr-defined]  # of each
        if tuple(compiled.positiontup) != self._names:
            raise ValueError(f"the parameters are {compiled.positiontup}, in this order")
        if len(_ROW.findall(str(compiled))) != 1:
            raise ValueError("it must be an INSERT of one row")
        return str(compiled)


class Rows:
    """A change that is rows and nothing else: `store.write(Rows((STATEMENT, rows)))`.

    Where only such changes wait, the whole transaction is one visit to the driver's thread instead of three, past
    SQLAlchemy: 0.1 ms of processor time a commit instead of 0.35.
    """

    def __init__(self, *parts: tuple[Many, Sequence[tuple[Any, ...]]]) -> None:
        self._parts = parts

    async def __call__(self, connection: AsyncConnection) -> None:
        for many, rows in self._parts:
            await many.run(connection, rows)

    def statements(self, dialect: Dialect) -> list[Statement]:
        return [statement for many, rows in self._parts for statement in many.statements(dialect, rows)]


async def commit_in_one_go(driver: Any, dialect: Dialect, changes: Sequence[Rows]) -> None:
    """All of it in one transaction, or nothing. Raises what SQLAlchemy would."""
    statements = [statement for change in changes for statement in change.statements(dialect)]
    await _in_thread_of(driver, _transact, statements, dialect)


async def _in_thread_of(driver: Any, work: Any, statements: list[Statement], dialect: Dialect) -> None:
    with driver_faults_wrapped("; ".join(sql[:MOST_SQL_SHOWN] for sql, _ in statements), dialect):
        # How aiosqlite's own methods reach its thread; it has none that takes a function.
        await driver._execute(work, driver._conn, statements)


def _execute(connection: Any, statements: list[Statement]) -> None:
    for sql, parameters in statements:
        connection.execute(sql, parameters)


def _transact(connection: Any, statements: list[Statement]) -> None:
    """In the driver's thread: whoever awaits it may be cancelled meanwhile, and it ends all the same."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        _execute(connection, statements)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk, for one, has ended it already
            connection.execute("ROLLBACK")
        raise
