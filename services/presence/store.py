"""The tables `connections` and `people`: who is connected, and whom the others were told to be here. Their SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Boolean, String, bindparam, column, delete, select, table, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.connections import OpenConnection
from pulso.contract import Kind
from pulso.store import Store
from services.presence.rules import iso

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_connections: Final = table("connections", column("connection", String), column("user", String), column("gateway"))
_people: Final = table(
    "people",
    column("user", String),
    column("name", String),
    column("kind", String),
    column("since", String),
    column("told", Boolean),
)

# Core has no upsert that fits both SQLite and PostgreSQL; these texts do. "user" is a word of SQL's own.
_OPEN: Final = text(
    'INSERT INTO connections (connection, "user", name, kind, gateway, address, since) '
    "VALUES (:connection, :user, :name, :kind, :gateway, :address, :since) ON CONFLICT (connection) DO NOTHING"
)
_ARRIVE: Final = text(
    'INSERT INTO people ("user", name, kind, since, told) VALUES (:user, :name, :kind, :since, :told) '
    'ON CONFLICT ("user") DO UPDATE SET name = excluded.name, kind = excluded.kind'
)
_CLOSE: Final = delete(_connections).where(_connections.c.connection == bindparam("the_connection"))
_TOLD: Final = update(_people).where(_people.c.user == bindparam("the_user")).values(told=True)
_FORGET: Final = delete(_people).where(_people.c.user == bindparam("the_user"))


class PersonRow(NamedTuple):
    """A user who is here since `since` (ISO-8601); `told` is whether the others know."""

    user: str
    name: str
    kind: Kind
    since: str
    told: bool


class Stored(NamedTuple):
    """`connections` are users by connection, `gateways` those that held any."""

    people: list[PersonRow]
    connections: dict[str, str]
    gateways: set[str]


class Book:
    """Raises `ServiceError("unavailable")` where the store cannot do its part: nothing is changed then."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self) -> Stored:
        async with self._store.read() as connection:
            people = (await connection.execute(select(_people))).all()
            rows = (await connection.execute(select(_connections))).all()
        return Stored(
            [PersonRow(*person) for person in people],
            {row.connection: row.user for row in rows},
            {row.gateway for row in rows},
        )

    async def save(
        self, opened: Iterable[OpenConnection], closed: Collection[str], people: Iterable[PersonRow]
    ) -> None:
        """Returns after the commit."""
        steps: list[tuple[Any, list[dict[str, Any]]]] = [
            (_OPEN, [_row(connection) for connection in opened]),
            (_CLOSE, [{"the_connection": id_} for id_ in closed]),
            (_ARRIVE, [person._asdict() for person in people]),
        ]
        await self._write(steps)

    async def save_told(self, joined: Collection[str], left: Collection[str]) -> None:
        """The others know of these now: of those who have left nothing more needs to be known."""
        await self._write(
            [
                (_TOLD, [{"the_user": user} for user in joined]),
                (_FORGET, [{"the_user": user} for user in left]),
            ]
        )

    async def _write(self, steps: list[tuple[Any, list[dict[str, Any]]]]) -> None:
        async def change(connection: AsyncConnection) -> None:
            for statement, rows in steps:
                if rows:
                    await connection.execute(statement, rows)

        await self._store.write(change)


def _row(connection: OpenConnection) -> dict[str, Any]:
    return {
        "connection": connection.id,
        "user": connection.user,
        "name": connection.name,
        "kind": connection.kind,
        "gateway": connection.gateway,
        "address": connection.address,
        "since": iso(connection.since_ms),
    }
