"""A copy of a database file that stands still, and the proof that a copy is whole."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sqlite3
from pathlib import Path


class CannotCopy(Exception):
    """Why there is no copy."""


async def copied(source: Path, target: Path) -> None:
    """Copy a file that nobody changes meanwhile. Raises `CannotCopy`.

    By a program of its own: POSIX takes all locks of a process from a file as soon as the process closes it, and
    those of the database that is open here are the fence against a second writer.
    """
    process = await asyncio.create_subprocess_exec(
        *("cp", "--", str(source), str(target)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise CannotCopy(said.decode(errors="replace").strip() or f"cp ended with status {process.returncode}")


def check(path: Path) -> None:
    """SQLite's integrity check. Raises `CannotCopy` where the database is not whole."""
    # Immutable: SQLite then makes no file beside it, and takes it for all there is.
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        ((answer,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    except sqlite3.DatabaseError as fault:
        raise CannotCopy(f"{path.name} is no database, or a broken one: {fault}") from fault
    finally:
        connection.close()
    if answer != "ok":
        raise CannotCopy(f"{path.name} is broken: {answer}")


def checked(path: Path) -> tuple[int, str]:
    """The size and SHA-256 of a copy that is whole, by now on the disk. Raises `CannotCopy` where it is not."""
    check(path)
    with path.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256")
        os.fsync(file.fileno())
        return file.tell(), digest.hexdigest()


def require_unused(path: Path) -> None:
    """Raises `CannotCopy` where another process has the database open."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as fault:
        raise CannotCopy(f"{path} is in use ({fault}). Stop what uses it") from fault
    except sqlite3.DatabaseError:
        return  # it is broken, which is why somebody restores
    finally:
        connection.close()
