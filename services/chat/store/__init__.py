"""The SQL of chat."""

from pathlib import Path
from typing import Final

from services.chat.store.files import FileStore
from services.chat.store.rooms import ChatStore

MIGRATIONS: Final = Path(__file__).parents[1] / "migrations"

__all__ = ["MIGRATIONS", "ChatStore", "FileStore"]
