"""A database is brought to the form that its service knows, by alembic and the scripts of the service."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

# Alembic keeps what it works on in a global: two stores of one process must not migrate at once.
_TURNS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


async def migrate(connection: AsyncConnection, folder: Path) -> None:
    """Carry out, and commit, what of `<folder>/versions` was not carried out yet."""
    async with _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        await connection.run_sync(_migrate, folder)
    await connection.commit()


def _migrate(connection: Connection, folder: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder))
    script = ScriptDirectory(str(folder))

    def upgrade(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("head", revision)  # what alembic's own `upgrade` command passes here

    with EnvironmentContext(config, script, fn=upgrade) as environment:
        environment.configure(connection=connection, transactional_ddl=True)
        environment.run_migrations()
