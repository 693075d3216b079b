"""From a gateway's spool to the journal service, each batch until it is committed there.

A batch goes into the Redis stream `<prefix>:journal`, which is bounded: what would be too much for it stays on the
disk until it fits. The service says what it has committed in a hash; whatever Redis lost before that (it was
restarted, it cut the stream) is sent again. A batch may so be in the stream twice, and the service takes it once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

import structlog

from pulso.redis_link import RedisLink
from services.gateway import metrics
from services.gateway.contract import JOURNAL_COMMITTED, JOURNAL_STREAM
from services.gateway.spool import Batch, Spool

P = ParamSpec("P")
T = TypeVar("T")

MAX_HELD_BYTES: Final = 8 << 20
MAX_HELD_BATCHES: Final = 512
"""Of those that are not committed yet, so much is in memory; the rest is on the disk alone."""
MAX_IN_STREAM_BYTES: Final = 4 << 20
MAX_IN_STREAM_BATCHES: Final = 256
"""What one gateway has in the stream at the most: Redis holds leases too, and must not run out of memory."""
MAX_STREAM_ENTRIES: Final = 8192
"""The stream is cut to about so many, which only gateways that were killed again and again could reach."""
LOOK_AFTER_S: Final = 2.0
"""Without any commit for so long, look whether the stream still has what was sent."""
EVERYTHING: Final = 1 << 63

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Held:
    batch: Batch
    entry: str = ""
    """Its id in the stream; empty while it is not there."""


class Delivery:
    """The batches of one gateway: this one, or one that is gone and left a spool."""

    def __init__(self, link: RedisLink, spool: Spool, disk: Executor, *, prefix: str, gateway: str) -> None:
        self._link = link
        self._spool = spool
        self._disk = disk
        self._stream = f"{prefix}:{JOURNAL_STREAM}"
        self._cursors = f"{prefix}:{JOURNAL_COMMITTED}"
        self._gateway = gateway
        self._loop = asyncio.get_running_loop()
        self._held: deque[_Held] = deque()
        self._held_bytes = 0
        self._sent = 0
        self._sent_bytes = 0
        self._last = 0
        self._committed = 0
        self._has_learned = False
        self._is_disk_failing = False
        self._is_dropping = False
        self._moved_at = self._loop.time()
        # One that was left may have anything; a new one has nothing.
        self._is_more_on_disk = spool.size_bytes > 0

    @property
    def is_done(self) -> bool:
        """Whether everything is committed, as far as it can be read."""
        return self._has_learned and not self._held and not self._is_more_on_disk

    @property
    def spool_bytes(self) -> int:
        return self._spool.size_bytes

    async def add(self, batches: Sequence[Batch]) -> None:
        """Keep these until they are committed: on the disk, and in memory as far as there is room."""
        if not batches:
            return
        is_on_disk = True
        try:
            dropped = await self._in_thread(self._spool.append, batches)
        except OSError as fault:
            if not self._is_disk_failing:  # said once: it is tried again several times a second
                log.error("the journal's spool cannot be written", fault=str(fault))
            is_on_disk, dropped = False, 0
        self._is_disk_failing = not is_on_disk
        for batch in batches:
            if not self._is_more_on_disk and self._has_room():
                self._hold(batch)
            elif is_on_disk:
                self._is_more_on_disk = True
            else:
                dropped += batch.records
        if dropped:
            metrics.JOURNAL_DROPPED.inc(dropped)
            if not self._is_dropping:
                log.error("journal records dropped: the disk has no room for them", records=dropped)
        self._is_dropping = dropped > 0

    async def advance(self) -> None:
        """Learn what is committed, and send what fits. Raises `LinkDown`."""
        if self._sent or not self._has_learned:
            await self._learn()
        if self._sent and self._loop.time() - self._moved_at > LOOK_AFTER_S:
            await self._look_for_lost()
        if self._is_more_on_disk and self._held_bytes < MAX_HELD_BYTES // 2:
            await self._read_on()
        await self._send()

    async def close(self) -> None:
        """Let go of the spool: nothing is left of it where all is committed."""
        await self._in_thread(self._spool.close, EVERYTHING if self.is_done else self._committed)

    async def _learn(self) -> None:
        said = await self._link.command("HGET", self._cursors, self._gateway)
        self._has_learned = True
        committed = int(said or 0)
        if committed <= self._committed:
            return
        self._committed = committed
        self._moved_at = self._loop.time()
        while self._held and self._held[0].batch.number <= committed:
            held = self._held.popleft()
            size_bytes = len(held.batch.data)
            self._held_bytes -= size_bytes
            if held.entry:
                self._sent -= 1
                self._sent_bytes -= size_bytes
        await self._in_thread(self._spool.forget, committed)

    async def _look_for_lost(self) -> None:
        """The service may be away, and the stream as it was; or Redis was, and the stream is gone."""
        oldest = self._held[0]
        self._moved_at = self._loop.time()
        if await self._link.command("XRANGE", self._stream, oldest.entry, oldest.entry):
            return
        await self._learn()  # it is also gone from the stream once it is committed
        if self._held and self._held[0] is oldest:
            log.warning("journal batches were lost on the way and are sent again", batches=self._sent)
            for held in self._held:
                held.entry = ""
            self._sent = self._sent_bytes = 0

    async def _read_on(self) -> None:
        after = max(self._last, self._committed)
        batches = await self._in_thread(self._spool.read, after, MAX_HELD_BYTES // 2)
        for batch in batches:
            if not self._has_room():
                return
            self._hold(batch)
        # Whether that was all: nothing is added meanwhile, `Journal` does one thing at a time.
        self._is_more_on_disk = bool(await self._in_thread(self._spool.read, max(self._last, after), 1))

    async def _send(self) -> None:
        while self._sent < len(self._held):
            place = self._sent
            held = self._held[place]
            size_bytes = len(held.batch.data)
            if place and (place >= MAX_IN_STREAM_BATCHES or self._sent_bytes + size_bytes > MAX_IN_STREAM_BYTES):
                return
            # Whatever came before the first one held is committed, or lost for good.
            previous = self._held[place - 1].batch.number if place else 0
            words = ("gateway", self._gateway, "number", str(held.batch.number), "previous", str(previous))
            entry = await self._link.command(
                "XADD", self._stream, "MAXLEN", "~", str(MAX_STREAM_ENTRIES), "*", *words, "batch", held.batch.data
            )
            if not self._sent:
                self._moved_at = self._loop.time()
            held.entry = entry.decode()
            self._sent += 1
            self._sent_bytes += size_bytes

    def _has_room(self) -> bool:
        return self._held_bytes < MAX_HELD_BYTES and len(self._held) < MAX_HELD_BATCHES

    def _hold(self, batch: Batch) -> None:
        self._held.append(_Held(batch))
        self._held_bytes += len(batch.data)
        self._last = batch.number

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **_: P.kwargs) -> T:
        call: Any = work
        result: T = await self._loop.run_in_executor(self._disk, call, *args)
        return result
