"""Disks that fail: small ones that can be filled (root), and a process that may write no more (anybody)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from tests.faults.deployment import Program

MB: Final = 1 << 20
FILLER: Final = "filler"
ATTACHED_WITHIN_S: Final = 30.0


class SmallDisk:
    """A mounted filesystem of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """To the last byte."""
        with (self.path / FILLER).open("ab", buffering=0) as filler:
            for size in (MB, 4096, 1):
                with contextlib.suppress(OSError):
                    while filler.write(bytes(size)) == size:
                        pass
        assert self.free_bytes() == 0

    def make_room(self) -> None:
        (self.path / FILLER).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free


@contextlib.contextmanager
def small_disk(path: Path, *, size_mb: int) -> Iterator[SmallDisk]:
    """Needs root."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0700", "pulso-faults", path], check=True)
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: whoever still has a file open there is about to end.
        subprocess.run(["umount", "--lazy", path], check=True)


@contextlib.contextmanager
def no_more_writing(program: Program, *, after_bytes: int) -> Iterator[None]:
    """The process cannot write a file beyond so many bytes (EFBIG): to SQLite that is a disk that fails."""
    most = resource.prlimit(program.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (after_bytes, most[1]))
    try:
        yield
    finally:
        resource.prlimit(program.pid, resource.RLIMIT_FSIZE, most)


@contextlib.asynccontextmanager
async def injected(program: Program, fault: str) -> AsyncIterator[None]:
    """strace does this to every sync of the process meanwhile, as in `error=EIO` or `delay_enter=200000`."""
    calls = "fsync,fdatasync"
    tracer = await asyncio.create_subprocess_exec(
        "strace", "-f", "-p", str(program.pid), "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}",
        "-o", os.devnull, stderr=PIPE,
    )  # fmt: skip
    assert tracer.stderr is not None
    try:
        async with asyncio.timeout(ATTACHED_WITHIN_S):
            line = await tracer.stderr.readline()
        assert b"attached" in line, line.decode()
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        await tracer.communicate()


@contextlib.asynccontextmanager
async def full(disk: SmallDisk, program: Program) -> AsyncIterator[None]:
    """The program says meanwhile that its disk is full; it is ready by itself when there is room."""
    disk.fill()
    await program.becomes("unready")
    assert "the disk is full" in await program.answer()
    yield
    disk.make_room()
    await program.becomes("ready")
