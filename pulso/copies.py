"""Copies of a running service's files, taken by the service itself: nobody else can read what it holds locked.

Whoever wants a backup asks each shard over the bus, so that no file system needs to be shared:

    make    {}                                ->  {"copy": "9f3c...", "files": [{"name", "size_bytes", "sha256"}]}
    read    {"copy", "name", "offset"}        ->  {"data": "<base64>"}, up to `CHUNK_BYTES`; empty at the end
    drop    {"copy"}                          ->  {}

A copy holds all that was committed before it was asked for, and is checked before it is offered. It stays beside
the files until it is dropped, another one is made, or nobody has read from it for `KEEP_S` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from pulso import snapshot
from pulso.bus import Bus
from pulso.contract import Access, Caller, Endpoint, Nothing, Surface
from pulso.errors import ServiceError
from pulso.party import running
from pulso.router import Router
from pulso.routes import Routes
from pulso.store import open_at

CHUNK_BYTES: Final = 384 * 1024
"""As base64 half of what a message on the bus may have."""
KEEP_S: Final = 60.0
LOOK_EVERY_S: Final = 5.0
MAKE_WITHIN_S: Final = 600.0
FOLDER: Final = ".copy-"
"""What the folder of a copy is called, in the data folder; the shard's channel name and the copy's id follow."""

log = structlog.get_logger(__name__)


class CopiedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    size_bytes: int
    sha256: str


class Copy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    copy: str
    files: tuple[CopiedFile, ...]


class ReadChunk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    copy: str
    name: str
    offset: int


class Chunk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: bytes


class Drop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    copy: str


# Not in any manifest, so that no client reaches them: they are asked for on a channel of their own.
MAKE: Final = Endpoint(
    "files:make",
    Nothing,
    Copy,
    Access.ANYONE,
    "Copy the files.",
    surface=Surface.INTERNAL,
    timeout_s=MAKE_WITHIN_S,
)
READ: Final = Endpoint(
    "files:read", ReadChunk, Chunk, Access.ANYONE, "A part of a copied file.", surface=Surface.INTERNAL
)
DROP: Final = Endpoint("files:drop", Drop, Nothing, Access.ANYONE, "Remove a copy.", surface=Surface.INTERNAL)


class Copies:
    """Those of one shard, one at a time. `files` are its databases; `tag` makes its folders its own."""

    def __init__(self, data: Path, files: set[Path], tag: str) -> None:
        self._data = data
        self._files = files
        self._tag = tag
        self._copy: Copy | None = None
        self._read_at = 0.0
        self._turn = asyncio.Lock()
        self._making: asyncio.Task[Copy] | None = None

    async def make(self) -> Copy:
        """Raises `ServiceError`."""
        async with self._turn:
            self._making = asyncio.create_task(self._make(), name="copy")
            try:
                return await self._making
            finally:
                self._making.cancel()

    def stop(self) -> None:
        """Break off what is being made."""
        if self._making is not None:
            self._making.cancel()

    async def read(self, request: ReadChunk) -> bytes:
        copy = self._known(request.copy)
        if request.name not in {file.name for file in copy.files}:
            raise ServiceError("not_found", f"There is no {request.name} in this copy.")
        self._touch()
        path = self._folder(copy.copy) / request.name
        return await asyncio.to_thread(_chunk, path, request.offset)

    async def drop(self, name: str) -> None:
        if self._copy is not None and self._copy.copy == name:
            await self.clear()

    async def clear(self) -> None:
        """Remove every copy of this shard, those that an earlier life of it has left included."""
        self._copy = None
        for folder in self._data.glob(f"{FOLDER}{self._tag}-*"):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def expire(self) -> None:
        """Remove what nobody reads any more, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._copy is not None and asyncio.get_running_loop().time() - self._read_at > KEEP_S:
                log.warning("a copy was not fetched", copy=self._copy.copy)
                await self.clear()

    async def _make(self) -> Copy:
        await self.clear()
        name = secrets.token_hex(8)
        folder = self._folder(name)
        try:
            await asyncio.to_thread(folder.mkdir, mode=0o700)
            copied = [await self._copied(path, folder) for path in sorted(self._files) if path.exists()]
        except (OSError, snapshot.CannotCopy) as fault:
            await self.clear()
            log.error("no copy made", fault=str(fault))
            raise ServiceError("unavailable", f"The files cannot be copied: {fault}.") from fault
        except BaseException:
            await self.clear()
            raise
        self._copy = Copy(name, tuple(copied))
        self._touch()
        log.info("copy made", files=[file.name for file in copied])
        return self._copy

    async def _copied(self, path: Path, folder: Path) -> CopiedFile:
        target = folder / path.name
        store = open_at(path)
        if store is None:
            raise snapshot.CannotCopy(f"{path.name} is not open here")
        async with store.resting() as source:
            await snapshot.copied(source, target)
        size_bytes, sha256 = await asyncio.to_thread(snapshot.checked, target)
        return CopiedFile(path.name, size_bytes, sha256)

    def _known(self, name: str) -> Copy:
        if self._copy is None or self._copy.copy != name:
            raise ServiceError("not_found", "This copy is gone. Ask for another one.")
        return self._copy

    def _touch(self) -> None:
        self._read_at = asyncio.get_running_loop().time()

    def _folder(self, name: str) -> Path:
        return self._data / f"{FOLDER}{self._tag}-{name}"


routes = Routes[Copies]()


@routes.handler(MAKE)
async def make(copies: Copies, _caller: Caller, _request: Nothing) -> Copy:
    return await copies.make()


@routes.handler(READ)
async def read(copies: Copies, _caller: Caller, request: ReadChunk) -> Chunk:
    return Chunk(await copies.read(request))


@routes.handler(DROP)
async def drop(copies: Copies, _caller: Caller, request: Drop) -> Nothing:
    await copies.drop(request.copy)
    return Nothing()


@contextlib.asynccontextmanager
async def offering(bus: Bus, service: str, shard: int, data: Path, files: set[Path]) -> AsyncIterator[None]:
    """Make copies for whoever asks meanwhile."""
    copies = Copies(data, files, f"{service}-{shard}")
    await copies.clear()
    router = Router(routes, copies, bus)
    channel = bus.channels.files(service, shard)
    async with router.running(), running(copies.expire()):
        await bus.listen(channel, router.accept)
        try:
            yield
        finally:
            bus.unlisten(channel)
            copies.stop()
            await copies.clear()


def _chunk(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(CHUNK_BYTES)
