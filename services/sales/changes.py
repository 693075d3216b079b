"""Knowing soon that the source has grown: the system tells, and where it does not, a look now and then."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import structlog
from watchfiles import awatch

LOOK_EVERY_S: Final = 0.5
"""Finds what the operating system does not tell of: a new file, or one on a network file system."""

GATHER_MS: Final = 50
TRY_AGAIN_S: Final = 5.0

log = structlog.get_logger(__name__)


class Changes:
    """Changes of one file. It is watched itself and not its folder, in which databases change all the time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = asyncio.Event()
        self._another = asyncio.Event()

    async def wait(self) -> None:
        """Returns after a change, and after `LOOK_EVERY_S` at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._changed.wait()
        self._changed.clear()

    def another_file(self) -> None:
        """The path leads to another file now: that one is to be watched."""
        self._another.set()

    async def run(self) -> None:
        """Watch, until cancelled. Where that cannot be done, looking now and then has to do."""
        was_told = False
        while True:
            self._another.clear()
            try:
                async for _ in awatch(
                    self._path, stop_event=self._another, debounce=GATHER_MS, step=GATHER_MS, recursive=False,
                    watch_filter=None,
                ):  # fmt: skip
                    self._changed.set()
                was_told = False
                continue
            except FileNotFoundError:
                pass  # the first write makes it
            except (
                Exception
            ) as fault:  # the library's own, and whatever the system refuses: all mean the same here
                if not was_told:
                    log.warning("the source cannot be watched, only looked at", fault=str(fault))
                was_told = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TRY_AGAIN_S):
                    await self._another.wait()
