"""The table `kept`: the last value of each user. Its SQL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import text

from pulso.rows import Many, Rows
from pulso.store import Store

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_KEEP: Final = Many(
    text(
        "INSERT INTO kept (user_id, value) VALUES (:user, :value) "
        "ON CONFLICT (user_id) DO UPDATE SET value = excluded.value"
    ),
    "user",
    "value",
)


class KeptValues:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, values: Mapping[str, int]) -> None:
        """Returns after the commit."""
        await self._store.write(Rows((_KEEP, list(values.items()))))
