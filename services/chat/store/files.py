"""Uploaded files: their SQL.

Everything here raises `ServiceError("unavailable")` where the store cannot do its part; nothing is changed then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.store import Store
from services.chat.contract import File
from services.chat.store.tables import FILES, slices


class FileStore:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def used_bytes(self, owner: str) -> int:
        """How much a user has uploaded that is still there."""
        async with self._store.read() as connection:
            return await _used_bytes(connection, owner)

    async def add(self, owner: str, files: Sequence[File], at_ms: int, *, most_bytes: int) -> bool:
        """False, and nothing is added, where the user would have more than `most_bytes` with them."""
        rows = [
            {
                "id": file.id,
                "owner_id": owner,
                "stored_name": file.url.rpartition("/")[2],
                "filename": file.name,
                "type": file.type,
                "size": file.size,
                "uploaded_ms": at_ms,
                "message_id": None,
            }
            for file in files
        ]

        async def change(connection: AsyncConnection) -> bool:
            if await _used_bytes(connection, owner) + sum(file.size for file in files) > most_bytes:
                return False
            await connection.execute(insert(FILES), rows)
            return True

        return await self._store.write(change)

    async def take_stale(self, *, unclaimed_before_ms: int, claimed_before_ms: int) -> list[str]:
        """Forget files that no message has named for too long, and those of old messages; their stored names."""
        stale = or_(
            FILES.c.message_id.is_(None) & (FILES.c.uploaded_ms < unclaimed_before_ms),
            FILES.c.uploaded_ms < claimed_before_ms,
        )

        async def change(connection: AsyncConnection) -> list[str]:
            names = list((await connection.execute(select(FILES.c.stored_name).where(stale))).scalars())
            await connection.execute(delete(FILES).where(stale))
            return names

        return await self._store.write(change)

    async def unknown(self, names: Collection[str]) -> list[str]:
        """Which of these stored names belong to no file."""
        known: set[str] = set()
        async with self._store.read() as connection:
            for some in slices(names):
                found = await connection.execute(select(FILES.c.stored_name).where(FILES.c.stored_name.in_(some)))
                known.update(found.scalars())
        return [name for name in names if name not in known]


async def _used_bytes(connection: AsyncConnection, owner: str) -> int:
    used = select(func.coalesce(func.sum(FILES.c.size), 0)).where(FILES.c.owner_id == owner)
    return int((await connection.execute(used)).scalar_one())
