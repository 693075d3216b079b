"""The tables `messages` and `committed`: all messages, and how far those of each gateway are stored. Their SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    String,
    Text,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.rows import Many, Rows
from pulso.store import Store
from services.gateway.contract import Record
from services.journal.rows import Filters, Row, readable

MIGRATIONS: Final = Path(__file__).parent / "migrations"
DELETE_AT_ONCE: Final = 5_000
"""Rows in one transaction of the retention, so that nobody waits long behind it."""

_messages: Final = table(
    "messages",
    column("seq", Integer),
    column("at_ms", BigInteger),
    column("gateway", String),
    column("connection", String),
    column("user_id", String),
    column("name", String),
    column("is_in", Boolean),
    column("event", String),
    column("outcome", String),
    column("recipients", Integer),
    column("payload", Text),
    column("size", Integer),
)
_committed: Final = table("committed", column("gateway", String), column("number", BigInteger), column("at_ms"))

_COLUMNS: Final = (
    "at_ms", "gateway", "connection", "user_id", "name", "is_in", "event", "outcome", "recipients", "payload",
    "size",
)  # fmt: skip
_INSERT: Final = Many(insert(_messages).values({name: bindparam(name) for name in _COLUMNS}), *_COLUMNS)
# Core has no upsert that fits both SQLite and PostgreSQL; this text does.
_COMMIT: Final = Many(
    text(
        "INSERT INTO committed (gateway, number, at_ms) VALUES (:gateway, :number, :at_ms) "
        "ON CONFLICT (gateway) DO UPDATE SET number = excluded.number, at_ms = excluded.at_ms"
    ),
    "gateway",
    "number",
    "at_ms",
)


class JournalStore:
    """Raises `ServiceError("unavailable")` where the store cannot do its part."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def committed(self) -> dict[str, int]:
        """The number of the last stored batch of each gateway."""
        async with self._store.read() as connection:
            rows = await connection.execute(select(_committed.c.gateway, _committed.c.number))
            return {str(gateway): int(number) for gateway, number in rows}

    async def add(
        self, batches: Iterable[tuple[str, Sequence[Record]]], numbers: Mapping[str, int], at_ms: int
    ) -> None:
        """Store these batches, each a gateway's, and how far those gateways' are stored by it: all or nothing."""
        rows = [_row(gateway, record) for gateway, records in batches for record in records]
        cursors = [(gateway, number, at_ms) for gateway, number in numbers.items()]
        await self._store.write(Rows((_INSERT, rows), (_COMMIT, cursors)))

    async def span(self, filters: Filters) -> tuple[int, int] | None:
        """The first and the last `seq` at which there can be any such message; None where there is none."""
        seq, at = _messages.c.seq, _messages.c.at_ms
        queries = [select(func.min(seq)), select(func.max(seq))]
        if filters.since_ms is not None:
            queries = [query.where(at >= filters.since_ms) for query in queries]
        if filters.until_ms is not None:
            queries = [query.where(at < filters.until_ms) for query in queries]
        async with self._store.read() as connection:
            first, last = [await connection.scalar(query) for query in queries]
        return None if first is None or last is None else (first, last)

    async def has_user(self, user: str) -> bool:
        """Whether any message is of a user with this id."""
        async with self._store.read() as connection:
            found = await connection.scalar(select(_messages.c.seq).where(_messages.c.user_id == user).limit(1))
            return found is not None

    async def find(self, filters: Filters, first: int, last: int, limit: int, *, newest_first: bool) -> list[Row]:
        """Those from `first` to `last`, at most `limit` from the end that is asked for."""
        c = _messages.c
        order = c.seq.desc() if newest_first else c.seq
        query = select(_messages).where(c.seq.between(first, last), *_conditions(filters)).order_by(order)
        async with self._store.read() as connection:
            return [Row(*row) for row in await connection.execute(query.limit(limit))]

    async def delete_before(self, at_ms: int) -> int:
        """Delete some of those that are older; how many it were."""
        c = _messages.c
        return await self._delete(select(c.seq).where(c.at_ms < at_ms).limit(DELETE_AT_ONCE))

    async def delete_oldest(self) -> int:
        """Delete some of the oldest; how many it were."""
        return await self._delete(select(_messages.c.seq).order_by(_messages.c.seq).limit(DELETE_AT_ONCE))

    async def forget_gateways(self, before_ms: int) -> list[str]:
        """Forget of those how far their batches are stored that have sent none since; who they are."""
        c = _committed.c

        async def change(connection: AsyncConnection) -> list[str]:
            gone = list(await connection.scalars(select(c.gateway).where(c.at_ms < before_ms)))
            await connection.execute(delete(_committed).where(c.at_ms < before_ms))
            return gone

        return await self._store.write(change)

    async def size_bytes(self) -> int:
        """What the messages take of the disk."""
        return await self._store.size_bytes()

    async def _delete(self, seqs: Any) -> int:
        async def change(connection: AsyncConnection) -> int:
            return (await connection.execute(delete(_messages).where(_messages.c.seq.in_(seqs)))).rowcount

        return await self._store.write(change)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    c = _messages.c
    conditions: list[ColumnElement[bool]] = []
    if filters.user:
        conditions.append(c.user_id == filters.user)
    if filters.name:
        conditions.append(c.name == filters.name)
    if filters.event:
        wanted = filters.event.removeprefix("!")
        is_it = c.event == wanted
        if wanted.endswith("*"):
            is_it = c.event.startswith(wanted[:-1], autoescape=True)
        conditions.append(~is_it if filters.event.startswith("!") else is_it)
    if filters.is_in is not None:
        conditions.append(c.is_in == filters.is_in)
    if filters.outcome:
        wanted = filters.outcome.removeprefix("!")
        # As the index of refused messages has it, so that it is used.
        conditions.append(c.outcome != wanted if filters.outcome.startswith("!") else c.outcome == wanted)
        if wanted != "ok" and not filters.outcome.startswith("!"):
            conditions.append(c.outcome != text("'ok'"))
    if filters.text:
        conditions.append(c.payload.contains(filters.text, autoescape=True))
    if filters.since_ms is not None:
        conditions.append(c.at_ms >= filters.since_ms)
    if filters.until_ms is not None:
        conditions.append(c.at_ms < filters.until_ms)
    return conditions


def _row(gateway: str, record: Record) -> tuple[Any, ...]:
    return (
        record.at_ms,
        gateway,
        record.connection,
        record.user,
        record.name,
        record.direction == "in",
        record.event,
        record.outcome,
        record.recipients,
        readable(record.payload),
        record.size,
    )
