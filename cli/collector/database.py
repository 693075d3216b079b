"""The collector's SQLite file: the sales, each id once, and the cursor behind them in the same transaction."""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from cli.collector.faults import Hopeless, Trouble
from services.sales.contract import Sale

BUSY_S: Final = 10.0

_COLUMNS: Final = Sale.__struct_fields__
_NUMBERS: Final = frozenset({"quantity", "unit_price_cents", "total_cents"})
_DEFINITIONS: Final = ", ".join(
    f"{name} {'INTEGER' if name in _NUMBERS else 'TEXT'} NOT NULL{' UNIQUE' if name == 'id' else ''}"
    for name in _COLUMNS
)
_SCHEMA: Final = (
    f"CREATE TABLE IF NOT EXISTS sales ({_DEFINITIONS})",
    "CREATE TABLE IF NOT EXISTS cursors (url TEXT PRIMARY KEY, cursor TEXT NOT NULL)",
)
_INSERT: Final = (
    f"INSERT INTO sales ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608  # our own names
    "ON CONFLICT (id) DO NOTHING"
)
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM sales ORDER BY rowid"  # noqa: S608  # as above
_MOVE: Final = (
    "INSERT INTO cursors (url, cursor) VALUES (?, ?) ON CONFLICT (url) DO UPDATE SET cursor = excluded.cursor"
)


class Database:
    """One open file; made if need be. Its methods block, and may be called from any one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises `Hopeless` for a file that cannot be used."""
        self.path = path
        try:
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            # Others may read while we write. After a loss of power the last commits may be missing, but then their
            # cursor is, too: they are fetched again.
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            for statement in _SCHEMA:
                self._connection.execute(statement)
            self._connection.execute(_SELECT + " LIMIT 0")
            (self.rows,) = self._connection.execute("SELECT count(*) FROM sales").fetchone()
        except sqlite3.Error as fault:
            raise Hopeless(f"{path} cannot be used as the database: {fault}.", os.EX_CANTCREAT) from None

    def cursor(self, url: str) -> str:
        """Where this server's feed was left; empty where nothing was collected from it yet."""
        found = self._connection.execute("SELECT cursor FROM cursors WHERE url = ?", (url,)).fetchone()
        return str(found[0]) if found else ""

    def add(self, url: str, sales: Sequence[Sale], cursor: str) -> int:
        """Store what is new of these, and the cursor behind them; returns how many were new. Raises `Trouble`."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                before = connection.total_changes
                connection.executemany(_INSERT, map(msgspec.structs.astuple, sales))
                new = connection.total_changes - before
                connection.execute(_MOVE, (url, cursor))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as fault:
            raise Trouble(f"{self.path} cannot be written: {fault}") from None
        self.rows += new
        return new

    def forget(self, url: str) -> None:
        """Begin again at the start of this server's feed; ids that are there stay, and stay there once."""
        self.add(url, (), "")

    def export_csv(self, path: Path) -> None:
        """All that was ever collected, in the order in which it came; whole or not at all. Raises OSError."""
        draft = path.with_name(f"{path.name}.new")
        with draft.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(_COLUMNS)
            writer.writerows(self._connection.execute(_SELECT))
        draft.replace(path)

    def close(self) -> None:
        """Leaves one file: what was in the log beside it is in it."""
        self._connection.close()
