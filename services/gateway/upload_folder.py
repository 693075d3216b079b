"""The folder of uploaded files: written in threads, whole or not at all.

A file under way is called `.<prefix>-<random>`, which nobody serves; complete and on the disk for good, it gets
its name. The random part has 144 bits: whoever knows the name was told it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import structlog

from pulso.errors import ServiceError
from services.gateway.file_types import HEAD_BYTES, extension_of

T = TypeVar("T")

THREADS: Final = 4
MIN_FREE_BYTES: Final = 64 << 20
"""What uploads leave free on the disk: databases may live there, too."""

_RANDOM_BYTES: Final = 18
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

log = structlog.get_logger(__name__)


class UploadFolder:
    def __init__(self, path: Path, threads: ThreadPoolExecutor) -> None:
        self.path = path
        self._threads = threads

    async def create(self, prefix: str) -> NewFile:
        """Raises `ServiceError("unavailable")` where there is no room, or no folder."""
        name = f"{prefix}-{secrets.token_urlsafe(_RANDOM_BYTES)}"
        return NewFile(self, name, await self.run(self._create, name))

    async def remove(self, names: Iterable[str]) -> None:
        """What is not there is removed already."""
        await self.run(self._remove, list(names))

    async def run(self, work: Callable[..., T], *details: object) -> T:
        """In a thread. Raises `ServiceError("unavailable")` for whatever the disk has to say."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *details)
        except OSError as fault:
            log.error("an upload cannot be stored", fault=fault.strerror, folder=str(self.path))
            why = "There is no room for files" if fault.errno in _NO_ROOM else "Files cannot be stored"
            raise ServiceError("unavailable", f"{why} right now. Try again later.") from None

    def _remove(self, names: list[str]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def _create(self, name: str) -> int:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = os.statvfs(self.path)
        if disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.open(self.path / f".{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)


class NewFile:
    """A file under way. It is to be finished or dropped."""

    def __init__(self, folder: UploadFolder, name: str, descriptor: int) -> None:
        self._folder = folder
        self._name = name
        self._descriptor = descriptor
        self._head = b""
        self.size_bytes = 0

    async def write(self, data: bytes) -> None:
        """Raises `ServiceError("unavailable")`."""
        self._head += data[: HEAD_BYTES - len(self._head)]
        self.size_bytes += len(data)
        await self._folder.run(_write_all, self._descriptor, data)

    async def finish(self) -> str:
        """Returns the stored name once the file would outlive a power cut. Raises `ServiceError`."""
        extension = extension_of(self._head)
        name = f"{self._name}.{extension}" if extension else self._name
        await self._folder.run(self._finish, name)
        return name

    async def drop(self) -> None:
        """Leave nothing behind; a finished file stays."""
        await self._folder.run(self._drop)

    def _finish(self, name: str) -> None:
        os.fsync(self._descriptor)
        self._close()
        (self._folder.path / f".{self._name}").rename(self._folder.path / name)
        folder = os.open(self._folder.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _drop(self) -> None:
        self._close()
        (self._folder.path / f".{self._name}").unlink(missing_ok=True)

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


@contextlib.asynccontextmanager
async def opened_folder(path: Path) -> AsyncIterator[UploadFolder]:
    """It is made when the first file comes, and again where somebody has cleaned it away."""
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="uploads")
    try:
        yield UploadFolder(path, threads)
    finally:
        threads.shutdown(wait=False)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
