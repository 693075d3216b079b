"""Things, a table to store them in, and changes to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pulso.rows import Many
from pulso.store import Store, open_store

FIRST_MIGRATION = '''
"""Things."""
from alembic import op
revision = "0001"
down_revision = None
def upgrade():
    op.execute("CREATE TABLE thing (name TEXT PRIMARY KEY, size INTEGER NOT NULL, body BLOB)")
'''
THINGS = Many(text("INSERT INTO thing (name, size) VALUES (:name, :size)"), "name", "size")


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "versions" / "0001.py").write_text(FIRST_MIGRATION, encoding="utf-8")
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "things.sqlite3"


@pytest.fixture
async def store(file: Path, migrations: Path) -> AsyncIterator[Store]:
    async with open_store(file, migrations=migrations) as opened:
        yield opened


def put(name: str, size: int = 1, body: bytes = b"") -> Callable[[AsyncConnection], Awaitable[str]]:
    async def change(connection: AsyncConnection) -> str:
        await connection.execute(
            text("INSERT INTO thing (name, size, body) VALUES (:name, :size, :body)"),
            {"name": name, "size": size, "body": body},
        )
        return name

    return change


class Slow:
    """A change that is under way until it may go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, connection: AsyncConnection) -> str:
        self.begun.set()
        await self.go_on.wait()
        return await put("slow")(connection)


async def names(store: Store) -> list[str]:
    async with store.read() as connection:
        return list((await connection.execute(text("SELECT name FROM thing ORDER BY name"))).scalars())
