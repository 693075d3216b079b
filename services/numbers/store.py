"""The table `last`: where each user's number stands. Its SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Integer, String, column, select, table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.rows import Many, Rows
from pulso.store import Store
from services.numbers.contract import ValueAndStep
from services.numbers.rules import BEGINNING

Row = tuple[str, int, int, int]

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_last: Final = table("last", column("user_id", String), column("value", Integer), column("step", Integer))

# Core has no upsert that fits both SQLite and PostgreSQL; this text does. It leaves the other number of the user
# alone, so that a value and a step that are stored at the same time cannot undo one another.
_SAVE: Final = (
    "INSERT INTO last (user_id, value, step, updated_ms) VALUES (:user, :value, :step, :at) "
    "ON CONFLICT (user_id) DO UPDATE SET {0} = excluded.{0}, updated_ms = excluded.updated_ms"
)
_SAVE_VALUE: Final = Many(text(_SAVE.format("value")), "user", "value", "step", "at")
_SAVE_STEP: Final = Many(text(_SAVE.format("step")), "user", "value", "step", "at")

_WHERE_THEY_STAND: Final = select(_last.c.user_id, _last.c.value, _last.c.step)

READ_AT_ONCE: Final = 500
"""Users asked for in one SELECT: databases bound the number of parameters."""


class LastNumbers:
    """What is stored of everybody. Raises `ServiceError("unavailable")` where the store cannot do its part."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, users: Collection[str]) -> dict[str, ValueAndStep]:
        """Where these users stand, as committed. A user of whom nothing is stored is not in it."""
        async with self._store.read() as connection:
            return await _select(connection, users)

    async def save_values(
        self, values: Mapping[str, int], at: datetime, *, and_read: Collection[str]
    ) -> dict[str, ValueAndStep]:
        """Returns after the commit, with where the users `and_read` stand by it."""
        at_ms = _ms(at)
        rows = [(user, value, BEGINNING.step, at_ms) for user, value in values.items()]
        return await self._save(_SAVE_VALUE, rows, and_read)

    async def save_steps(
        self, steps: Mapping[str, int], at: datetime, *, and_read: Collection[str]
    ) -> dict[str, ValueAndStep]:
        """As `save_values`."""
        at_ms = _ms(at)
        rows = [(user, BEGINNING.value, step, at_ms) for user, step in steps.items()]
        return await self._save(_SAVE_STEP, rows, and_read)

    async def _save(self, statement: Many, rows: list[Row], and_read: Collection[str]) -> dict[str, ValueAndStep]:
        if not and_read:
            await self._store.write(Rows((statement, rows)))
            return {}

        async def change(connection: AsyncConnection) -> dict[str, ValueAndStep]:
            await statement.run(connection, rows)
            return await _select(connection, and_read)

        return await self._store.write(change)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


async def _select(connection: AsyncConnection, users: Collection[str]) -> dict[str, ValueAndStep]:
    found: dict[str, ValueAndStep] = {}
    asked = list(users)
    for begin in range(0, len(asked), READ_AT_ONCE):
        query = _WHERE_THEY_STAND.where(_last.c.user_id.in_(asked[begin : begin + READ_AT_ONCE]))
        found |= {user: ValueAndStep(value, step) for user, value, step in await connection.execute(query)}
    return found
