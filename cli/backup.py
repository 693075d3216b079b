"""`pulso backup`: all databases of a running Pulso, without stopping it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from cyclopts import Parameter

from cli import settings
from cli.backup_folder import PEPPER, BackedUp, BackupFault, BackupList, copied, digest_of, finished, private
from cli.reached import NotRunning, kit_of, reached
from pulso import __version__, copies
from pulso.bus import Bus
from pulso.contract import ANONYMOUS, Endpoint, Nothing
from pulso.copies import CopiedFile, Copy, Drop, ReadChunk
from pulso.errors import ServiceError
from pulso.manifests import Manifests
from pulso.party import Connected
from pulso.process import faults_exit
from pulso.settings import KitSettings
from pulso.times import iso

Req = TypeVar("Req")
Res = TypeVar("Res")

TRIES: Final = 5
"""A part of a file may be asked for again: reading changes nothing."""
AGAIN_S: Final = 0.5


def backup(
    folder: Path,
    /,
    *,
    data: Annotated[Path | None, Parameter(help="The data folder of the running `pulso up`.")] = None,
    skip: Annotated[tuple[str, ...], Parameter(negative="", help="A service that is not to be backed up.")] = (),
) -> int:
    """Copy all databases of the running Pulso into a new folder.

    Everything that was acknowledged before the command began is in it. Each service makes its own copy while it
    goes on; each copy is checked (integrity_check, SHA-256), and the folder gets its name only when all are there.
    The pepper is in it where `pulso up` has made it; uploads, Redis and the source of sales are not.

    Exit codes: 0 where all is there, 1 where a service gave no copy, 69 where nothing is reached, 73 where the
    folder cannot be written, 78 for wrong settings.

    Parameters
    ----------
    folder
        Where the backup is to be. It must not exist, or be empty.
    """
    environ = settings.with_values(os.environ, data=data)
    try:
        with faults_exit():
            kit = kit_of(environ)
        listed = _into(folder.absolute(), lambda draft: _backed_up(kit, draft, frozenset(skip)))
    except NotRunning as fault:
        sys.stderr.write(f"{fault}\n")
        return os.EX_UNAVAILABLE
    except BackupFault as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except OSError as fault:
        sys.stderr.write(f"{folder} cannot be written: {fault.strerror}.\n")
        return os.EX_CANTCREAT
    for file in listed.files:
        print(f"{file.size_bytes:>14,}  {file.name}")
    has_pepper = any(file.name == PEPPER for file in listed.files)
    print(f"Backed up into {folder}. Not in it: uploaded files{'' if has_pepper else ', the pepper'}.")
    return 0


def _into(folder: Path, fill: Callable[[Path], Coroutine[Any, Any, BackupList]]) -> BackupList:
    """Fill a draft beside the folder, and give it the folder's name; what fails leaves nothing behind."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupFault(f"{folder} is not empty. Name a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    draft.mkdir(mode=0o700)
    try:
        listed = asyncio.run(fill(draft))
        finished(draft, folder, listed)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return listed


async def _backed_up(kit: KitSettings, draft: Path, skip: frozenset[str]) -> BackupList:
    made_at = iso(datetime.now(UTC))
    files: list[BackedUp] = []
    async with reached(kit) as up:
        shards = await _shards(up, skip)
        # All at once, so that the copies of all services are of nearly the same moment.
        made = await asyncio.gather(*(shard.make() for shard in shards))
        for shard, copy in zip(shards, made, strict=True):
            for file in copy.files:
                await shard.fetch(copy, file, draft / file.name)
                files.append(BackedUp(file.name, shard.service, file.size_bytes, file.sha256))
            await shard.drop(copy)
    pepper = kit.data / PEPPER
    if pepper.exists() and "auth" not in skip:
        copied(pepper, draft / PEPPER)
        files.append(BackedUp(PEPPER, "auth", pepper.stat().st_size, digest_of(draft / PEPPER)))
    return BackupList(made_at, __version__, tuple(files))


async def _shards(up: Connected, skip: frozenset[str]) -> list[_Shard]:
    manifests = Manifests()
    await manifests.read(up.link, up.bus)
    services = manifests.services
    if unknown := skip - services.keys():
        raise BackupFault(f"There is no service {', '.join(sorted(unknown))} to skip.")
    return [
        _Shard(up.bus, name, shard)
        for name in sorted(services.keys() - skip)
        for shard in range(services[name].shards)
    ]


@dataclass(frozen=True, slots=True)
class _Shard:
    """A shard that is asked for a copy. What it refuses is a `BackupFault`."""

    bus: Bus
    service: str
    number: int

    async def make(self) -> Copy:
        return await self._ask(copies.MAKE, Nothing())

    async def fetch(self, copy: Copy, file: CopiedFile, target: Path) -> None:
        """Returns once the file is here, whole and on the disk."""
        digest = hashlib.sha256()
        with open(target, "xb", opener=private) as out:  # noqa: ASYNC230  # nobody else waits for this loop
            while chunk := (await self._ask(copies.READ, ReadChunk(copy.copy, file.name, out.tell()))).data:
                out.write(chunk)
                digest.update(chunk)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != file.sha256:
            raise BackupFault(f"{file.name} did not arrive as it was sent. Try again.")

    async def drop(self, copy: Copy) -> None:
        await self._ask(copies.DROP, Drop(copy.copy))

    async def _ask(self, endpoint: Endpoint[Req, Res], request: Req) -> Res:
        channel = self.bus.channels.files(self.service, self.number)
        for left in reversed(range(TRIES)):
            try:
                return await self.bus.call(channel, endpoint, request, ANONYMOUS)
            except ServiceError as fault:
                if endpoint is copies.READ and fault.code in ("unavailable", "timeout") and left:
                    await asyncio.sleep(AGAIN_S)
                    continue
                raise BackupFault(
                    f"{self.service} gave no copy: {fault.message} "
                    f"(Where it is not to run any more: --skip {self.service}.)"
                ) from None
        raise AssertionError("the last try returns or raises")
