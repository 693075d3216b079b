"""The state of the active shard: the stored feed, its sums and watchers, and whoever waits for the next record."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Final

from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.push import Push
from services.sales import metrics
from services.sales.contract import Records, RecordsRequest, Sale, SourceReport
from services.sales.feed import Feed
from services.sales.live import Live
from services.sales.rules import NoCursor, Taken, cursor_of, seq_of
from services.sales.store import SalesStore

MAX_WAITING: Final = 5_000
MAX_WAITING_PER_USER: Final = 20
"""Requests that wait for the next record; beyond, they are answered at once with nothing."""


class Sales:
    def __init__(
        self, store: SalesStore, live: Live, push: Push, *, tag: bytes, last_seq: int, stopping: asyncio.Event
    ) -> None:
        self.live = live
        self.push = push
        self.feed: Feed | None = None
        self._store = store
        self._tag = tag
        self._last_seq = last_seq
        self._stopping = stopping
        self._grown = asyncio.Event()
        self._waiting: Counter[str] = Counter()

    def committed(self, new: list[Taken]) -> None:
        """To be called right after each commit, in their order."""
        self._last_seq += len(new)
        self.live.add(new)
        self._wake()

    async def wake_at_end(self) -> None:
        """Whoever waits is answered when the shard is to end."""
        await self._stopping.wait()
        self._wake()

    async def records(self, caller: Caller, request: RecordsRequest) -> Records:
        """A page. Raises `ServiceError("bad_request")` for a cursor that is not of this feed."""
        seq = self._seq(request.after)
        if request.wait and seq >= self._last_seq:
            await self._wait(caller, seq, request.wait)
        sales: list[Sale] = await self._store.after(seq, request.limit) if seq < self._last_seq else []
        return Records(sales, cursor_of(self._tag, seq + len(sales)))

    async def source_report(self) -> SourceReport:
        feed = self.feed
        assert feed is not None, "read as long as calls are taken"
        counts, position = await self._store.counts(), feed.position
        return SourceReport(
            path=str(feed.path),
            state=feed.state,
            line=position.line if position else 0,
            offset=position.offset if position else 0,
            records=counts.records,
            duplicates=counts.duplicates,
            broken=counts.broken,
            broken_lines=await self._store.broken_lines(),
        )

    def _seq(self, cursor: str) -> int:
        if not cursor:
            return 0
        with contextlib.suppress(NoCursor):
            seq = seq_of(self._tag, cursor)
            if seq <= self._last_seq:  # it may be ahead where the database was set back to a backup
                return seq
        raise ServiceError(
            "bad_request",
            "sales:records: this is no cursor of this feed. Leave `after` out to begin at the start.",
        )

    async def _wait(self, caller: Caller, seq: int, seconds: float) -> None:
        if self._waiting.total() >= MAX_WAITING or self._waiting[caller.id] >= MAX_WAITING_PER_USER:
            return
        self._waiting[caller.id] += 1
        metrics.WAITING.inc()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while seq >= self._last_seq and not self._stopping.is_set():
                        await self._grown.wait()
        finally:
            metrics.WAITING.dec()
            self._waiting[caller.id] -= 1
            if not self._waiting[caller.id]:
                del self._waiting[caller.id]

    def _wake(self) -> None:
        """Those who wait hold the old event; whoever comes from now on waits for the next growth."""
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
