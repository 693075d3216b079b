"""What is read from standard input: a number a line, each asked for in turn."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
from collections.abc import AsyncIterator
from typing import Final

MAX_WAITING: Final = 100
"""Lines that are read ahead. Whoever writes more waits, as with any program that reads a pipe."""
MAX_LINE_BYTES: Final = 1_000

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")


class NoNumber(ValueError):
    """What was asked is no whole number."""


def number_of(line: str) -> int:
    """Raises `NoNumber`. Which numbers there is an answer for, the server says."""
    if _NUMBER.fullmatch(line) is None:
        raise NoNumber("not a whole number; write one a line, as in 10")
    return int(line)


class Questions:
    """Lines that wait to be asked; iterating ends after `end`."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    def put(self, line: str) -> bool:
        """False, and the line is dropped, where too many wait already."""
        if self._lines.qsize() >= MAX_WAITING:
            return False
        self._lines.put_nowait(line)
        return True

    def end(self) -> None:
        self._lines.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        """Blank lines are nobody's question."""
        while (line := await self._lines.get()) is not None:
            if line.strip():
                yield line.strip()


class PipedQuestions(Questions):
    """Reads standard input in a thread: be it a file, a pipe or a terminal, it must not hold up the loop."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(MAX_WAITING)
        if sys.stdin is None:  # closed: its descriptor may be another file's by now
            self.end()
            return
        # A daemon: nobody can break off a read.
        threading.Thread(target=self._read, args=(sys.stdin.fileno(),), name="input", daemon=True).start()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            self._room.release()
            if line.strip():
                yield line.strip()

    def _read(self, descriptor: int) -> None:
        rest = b""
        while piece := _read(descriptor):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self._pass_on(line)
            rest = rest[: MAX_LINE_BYTES + 1]
        if rest:
            self._pass_on(rest)
        self._tell(None)

    def _pass_on(self, line: bytes) -> None:
        self._room.acquire()
        self._tell(line[:MAX_LINE_BYTES].decode(errors="replace"))

    def _tell(self, line: str | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:  # the loop has ended: nobody asks any more
            sys.exit()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # a terminal that is gone, or is another program's
        return b""
