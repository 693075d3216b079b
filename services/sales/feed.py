"""From the source to the store: read, take apart, commit, and only then show."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from pulso.errors import ServiceError
from pulso.party import running
from services.sales import metrics
from services.sales.changes import Changes
from services.sales.rules import NoRecord, Taken, excerpt_of, is_blank, milliseconds, record_of
from services.sales.source import Position, Read, Source
from services.sales.store import Broken, Part, SalesStore

TRY_AGAIN_S: Final = 1.0
TOLD_A_READ: Final = 20
"""Broken lines of one read that are logged one by one: a file that is no source must not fill a disk."""

WAITING: Final = "waiting for the file"
READING: Final = "reading"

log = structlog.get_logger(__name__)

OnNew = Callable[[list[Taken]], None]


class Feed:
    """The reading of one source. `on_new` is given new records right after their commit."""

    def __init__(self, source: Source, store: SalesStore, on_new: OnNew, now: Callable[[], datetime]) -> None:
        self.state = WAITING
        """For a person: `reading`, or what is in the way."""
        self._source = source
        self._store = store
        self._on_new = on_new
        self._now = now
        self._changes = Changes(source.path)
        self._file = ""

    @property
    def path(self) -> Path:
        return self._source.path

    @property
    def position(self) -> Position | None:
        return self._source.position

    async def run(self) -> None:
        """Read on, until cancelled."""
        async with running(self._changes.run()):
            while True:
                try:
                    read = await asyncio.to_thread(self._source.read)
                except OSError as fault:
                    self._say(f"cannot be read: {fault.strerror or fault}")
                    await asyncio.sleep(TRY_AGAIN_S)
                    continue
                self._notice()
                if read is None:
                    await self._changes.wait()
                else:
                    await self._take(read)

    async def _take(self, read: Read) -> None:
        part = self._taken_apart(read)
        while True:
            try:
                new = await self._store.add(part)
                break
            except ServiceError:  # a full disk: nothing is lost, it is all still in the source
                await asyncio.sleep(TRY_AGAIN_S)
        metrics.LINES.labels("stored").inc(len(new))
        metrics.LINES.labels("duplicate").inc(len(part.taken) - len(new))
        metrics.LINES.labels("broken").inc(len(part.broken))
        if new:
            self._on_new(new)

    def _taken_apart(self, read: Read) -> Part:
        part = Part(position=read.position)
        if read.is_over:
            part.ended.append(read.position.file)
        at_ms = milliseconds(self._now())
        for line in read.lines:
            if is_blank(line):
                continue
            try:
                part.taken.append(record_of(line))
            except NoRecord as fault:
                reason = str(fault)
                part.broken.append(Broken(at_ms, line.number, reason, excerpt_of(line)))
                if len(part.broken) <= TOLD_A_READ:
                    log.warning("broken line passed over", path=str(self.path), line=line.number, reason=reason)
        if len(part.broken) > TOLD_A_READ:
            log.warning("more broken lines", path=str(self.path), count=len(part.broken) - TOLD_A_READ)
        return part

    def _notice(self) -> None:
        position = self.position
        if position is None:
            self._say(WAITING)
            return
        self._say(READING)
        if position.file != self._file:
            self._file = position.file
            self._changes.another_file()

    def _say(self, state: str) -> None:
        if state != self.state:
            self.state = state
            log.info("source", path=str(self.path), state=state)


@contextlib.asynccontextmanager
async def feeding(
    path: Path, store: SalesStore, on_new: OnNew, now: Callable[[], datetime]
) -> AsyncIterator[Feed]:
    """The source at this path is read meanwhile, from where it was left."""
    source = Source(path, await store.positions())
    try:
        feed = Feed(source, store, on_new, now)
        async with running(feed.run()):
            yield feed
    finally:
        await asyncio.to_thread(source.close)
