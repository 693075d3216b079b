"""Writing to a source that others read and write at the same time: whole lines, and at a steady pace."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from services.sales.generator import Generator

MADE_UP_FOR_S: Final = 60.0
"""A writer that was held up makes up for what it missed, up to so much: nobody wants a day's sales at once."""

LONGEST_STEP: Final = 1_000
"""Records made in one go at the most, however many a burst has."""


def append(path: Path, lines: Sequence[bytes]) -> None:
    """Append whole lines with one write, so that they are never mixed with those of another writer.

    The file is opened anew each time: where it was renamed meanwhile, the lines go to the one in its place. A half
    line that somebody left at its end is ended first and spoils only itself. Raises OSError.
    """
    data = b"".join(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # else another one's line, half written yet, looks like one left so
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data
        if os.write(descriptor, data) != len(data):
            raise OSError(f"{path}: the disk is full, the last record is cut off")
    finally:
        os.close(descriptor)


async def write_steadily(
    path: Path,
    generator: Generator,
    *,
    every_s: float,
    burst: int = 1,
    count: int | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] | None = None,
) -> None:
    """Append `burst` records every `every_s` seconds, `count` in all, or until cancelled. Raises OSError.

    Each turn is due at its own time, counted from the start: what a turn takes delays no later one.
    """
    clock = clock or asyncio.get_running_loop().time
    due, left = clock(), count
    while left is None or left > 0:
        wait_s = due - clock()
        if wait_s > 0:
            await sleep(wait_s)
            continue
        due = max(due, clock() - MADE_UP_FOR_S) + every_s
        turn = burst if left is None else min(burst, left)
        await asyncio.to_thread(_append_turn, path, generator, turn)
        left = None if left is None else left - turn


def _append_turn(path: Path, generator: Generator, count: int) -> None:
    for begin in range(0, count, LONGEST_STEP):
        append(path, [generator.line() for _ in range(min(LONGEST_STEP, count - begin))])
