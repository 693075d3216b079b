"""The records of the feed, and how far its source was read. Its SQL.

What a part of the source brought and the position behind it are one commit: after a crash it is read on from
there, and no record is lost or there twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)  # fmt: skip
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.store import Store
from services.sales.contract import BrokenLine, Sale
from services.sales.rules import Taken, iso_of
from services.sales.source import Position

MIGRATIONS: Final = Path(__file__).parent / "migrations"
BROKEN_LINES_KEPT: Final = 100
AT_ONCE: Final = 500
"""Ids asked for in one SELECT: databases bound the number of parameters."""

TAG_BYTES: Final = 8

_meta: Final = MetaData()
_records: Final = Table(
    "records", _meta,
    Column("seq", BigInteger), Column("id", String), Column("sold_ms", BigInteger), Column("store", String),
    Column("seller", String), Column("product", String), Column("category", String), Column("quantity", Integer),
    Column("unit_price_cents", BigInteger), Column("total_cents", BigInteger), Column("payment", String),
)  # fmt: skip
_positions: Final = Table(
    "positions", _meta,
    Column("file", String), Column("offset", BigInteger), Column("line", BigInteger),
    Column("before", LargeBinary),
)  # fmt: skip
_broken: Final = Table(
    "broken_lines", _meta,
    Column("number", Integer, primary_key=True), Column("at_ms", BigInteger), Column("line", BigInteger),
    Column("reason", String), Column("excerpt", String),
)  # fmt: skip
_feed: Final = Table(
    "feed", _meta, Column("tag", LargeBinary), Column("duplicates", BigInteger), Column("broken", BigInteger)
)

_MINUTE: Final = 60_000


class Broken(NamedTuple):
    """A line that is no record."""

    at_ms: int
    line: int
    reason: str
    excerpt: str


class Cell(NamedTuple):
    """The sums of one product in one minute; `minute` counts from 1970."""

    minute: int
    product: str
    category: str
    sales: int
    quantity: int
    total_cents: int


@dataclass(slots=True)
class Part:
    """What one read of the source brought. `ended` are files of which nothing more is read."""

    taken: list[Taken] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    position: Position | None = None
    ended: list[str] = field(default_factory=list)


class Counts(NamedTuple):
    records: int
    duplicates: int
    broken: int


class SalesStore:
    """Raises `ServiceError("unavailable")` where the store cannot do its part."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def tag(self) -> bytes:
        """What tells this feed from others: made once, with its file."""

        async def change(connection: AsyncConnection) -> bytes:
            found = (await connection.execute(select(_feed.c.tag))).scalar_one_or_none()
            if found is not None:
                return bytes(found)
            tag = secrets.token_bytes(TAG_BYTES)
            await connection.execute(insert(_feed).values(tag=tag, duplicates=0, broken=0))
            return tag

        return await self._store.write(change)

    async def add(self, part: Part) -> list[Taken]:
        """Store a part of the source; returns the records that are new, in order, once they are committed.

        Of records with the same id the first one counts.
        """

        async def change(connection: AsyncConnection) -> list[Taken]:
            new = await _unknown(connection, part.taken)
            if new:
                last = await _last_seq(connection)
                rows = [_row(seq, taken) for seq, taken in enumerate(new, start=last + 1)]
                await connection.execute(insert(_records), rows)
            await _count(connection, duplicates=len(part.taken) - len(new), broken=part.broken)
            await _move(connection, part)
            return new

        return await self._store.write(change)

    async def after(self, seq: int, limit: int) -> list[Sale]:
        """The records with a higher number: numbers have no gaps, so the last one's is `seq` plus their count."""
        query = select(*_records.c).where(_records.c.seq > seq).order_by(_records.c.seq).limit(limit)
        async with self._store.read() as connection:
            return list(map(_sale, await connection.execute(query)))

    async def last_seq(self) -> int:
        async with self._store.read() as connection:
            return await _last_seq(connection)

    async def latest(self, count: int) -> list[Sale]:
        """The last records, the newest last."""
        query = select(*_records.c).order_by(_records.c.seq.desc()).limit(count)
        async with self._store.read() as connection:
            return list(map(_sale, await connection.execute(query)))[::-1]

    async def cells(self, since_minute: int) -> list[Cell]:
        """The sums of each product in each minute since this one."""
        minute = _records.c.sold_ms // _MINUTE
        query = (
            select(
                minute, _records.c.product, _records.c.category, func.count(),
                func.sum(_records.c.quantity), func.sum(_records.c.total_cents),
            )
            .where(_records.c.sold_ms >= since_minute * _MINUTE)
            .group_by(minute, _records.c.product, _records.c.category)
        )  # fmt: skip
        async with self._store.read() as connection:
            return [Cell(*row) for row in await connection.execute(query)]

    async def positions(self) -> dict[str, Position]:
        async with self._store.read() as connection:
            rows = await connection.execute(select(*_positions.c))
            return {file: Position(file, offset, line, bytes(before)) for file, offset, line, before in rows}

    async def counts(self) -> Counts:
        async with self._store.read() as connection:
            duplicates, broken = (await connection.execute(select(_feed.c.duplicates, _feed.c.broken))).one()
            return Counts(await _last_seq(connection), duplicates, broken)

    async def broken_lines(self) -> list[BrokenLine]:
        """The last ones, the newest first."""
        query = select(_broken.c.at_ms, _broken.c.line, _broken.c.reason, _broken.c.excerpt)
        async with self._store.read() as connection:
            rows = await connection.execute(query.order_by(_broken.c.number.desc()))
            return [BrokenLine(iso_of(at_ms), line, reason, excerpt) for at_ms, line, reason, excerpt in rows]


async def _unknown(connection: AsyncConnection, taken: Sequence[Taken]) -> list[Taken]:
    first: dict[str, Taken] = {}
    for one in taken:
        first.setdefault(one.sale.id, one)
    ids = list(first)
    for begin in range(0, len(ids), AT_ONCE):
        query = select(_records.c.id).where(_records.c.id.in_(ids[begin : begin + AT_ONCE]))
        for (known,) in await connection.execute(query):
            del first[known]
    return list(first.values())


async def _last_seq(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.max(_records.c.seq)))).scalar() or 0)


async def _count(connection: AsyncConnection, *, duplicates: int, broken: Sequence[Broken]) -> None:
    if not duplicates and not broken:
        return
    await connection.execute(
        update(_feed).values(duplicates=_feed.c.duplicates + duplicates, broken=_feed.c.broken + len(broken))
    )
    if broken:
        await connection.execute(insert(_broken), [one._asdict() for one in broken[-BROKEN_LINES_KEPT:]])
        newest = select(func.max(_broken.c.number)).scalar_subquery()
        await connection.execute(delete(_broken).where(_broken.c.number <= newest - BROKEN_LINES_KEPT))


async def _move(connection: AsyncConnection, part: Part) -> None:
    gone = [*part.ended, *([part.position.file] if part.position else [])]
    if gone:
        await connection.execute(delete(_positions).where(_positions.c.file.in_(gone)))
    if part.position is not None and part.position.file not in part.ended:
        await connection.execute(insert(_positions), part.position._asdict())


def _row(seq: int, taken: Taken) -> Mapping[str, Any]:
    sale = taken.sale
    return {
        "seq": seq, "id": sale.id, "sold_ms": taken.sold_ms, "store": sale.store, "seller": sale.seller,
        "product": sale.product, "category": sale.category, "quantity": sale.quantity,
        "unit_price_cents": sale.unit_price_cents, "total_cents": sale.total_cents, "payment": sale.payment,
    }  # fmt: skip


def _sale(row: Iterable[Any]) -> Sale:
    _, id_, sold_ms, *others = row
    return Sale(id_, iso_of(sold_ms), *others)
