"""The table `kept`: the last value of each user. Its SQL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.store import Store

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_KEEP: Final = text(
    "INSERT INTO kept (user_id, value) VALUES (:user, :value) "
    "ON CONFLICT (user_id) DO UPDATE SET value = excluded.value"
)


class KeptValues:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, values: Mapping[str, int]) -> None:
        """Returns after the commit."""
        rows = [{"user": user, "value": value} for user, value in values.items()]

        async def change(connection: AsyncConnection) -> None:
            await connection.execute(_KEEP, rows)

        await self._store.write(change)
