"""Standard output, written by a thread of its own: whoever reads it slowly, or not at all, holds up nothing else.

A pager or a stopped terminal may take no byte for hours; the connection's heartbeat must be answered meanwhile,
and a signal must end the program.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from typing import Final, TextIO

MAX_WAITING: Final = 1_000
"""Pieces that wait to be written. What comes past this is left out, counted, and the count is said."""
LAST_WRITES_WITHIN_S: Final = 1.0


class Output:
    """A text file for `print` and rich. `on_closed` is called in the loop once nobody reads any more (EPIPE)."""

    def __init__(self, file: TextIO, on_closed: Callable[[], None]) -> None:
        self.encoding = file.encoding
        self._file = file
        self._on_closed = on_closed
        self._waiting: queue.SimpleQueue[bytes | asyncio.Future[None] | None] = queue.SimpleQueue()
        self._skipped = 0
        self._loop = asyncio.get_running_loop()
        # A daemon: a write that never returns must not keep the process alive.
        self._writer = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._writer.start()

    def write(self, text: str) -> int:
        if self._waiting.qsize() >= MAX_WAITING:
            self._skipped += 1
            return len(text)
        if self._skipped:
            said, self._skipped = f"({self._skipped} lines were left out: nobody read them)\n", 0
            self._waiting.put(said.encode())
        self._waiting.put(text.encode(self.encoding, "replace"))
        return len(text)

    def flush(self) -> None:
        """Nothing is held back here."""

    def isatty(self) -> bool:
        return self._file.isatty()

    def fileno(self) -> int:
        return self._file.fileno()

    async def drain(self) -> None:
        """Returns once all that waits is written: what comes next will not be left out."""
        written: asyncio.Future[None] = self._loop.create_future()
        self._waiting.put(written)
        await written

    def close(self) -> None:
        """Write what waits, if that is possible at once."""
        self._waiting.put(None)
        self._writer.join(LAST_WRITES_WITHIN_S)

    def _write_all(self) -> None:
        descriptor = self._file.fileno()
        try:
            while (piece := self._waiting.get()) is not None:
                if isinstance(piece, asyncio.Future):
                    self._loop.call_soon_threadsafe(_resolve, piece)
                    continue
                while piece:
                    piece = piece[os.write(descriptor, piece) :]
        except OSError:
            self._loop.call_soon_threadsafe(self._on_closed)


def _resolve(written: asyncio.Future[None]) -> None:
    if not written.done():
        written.set_result(None)
