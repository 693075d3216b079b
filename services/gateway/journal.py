"""The log of all messages, as far as the gateway has to do with it: records, written in batches to a stream.

Each message stands in it once per direction; a broadcast once per gateway with its number of recipients. Batches
go to the Redis stream `<prefix>:journal` (fields `gateway`, and `batch`: a msgpack array of `Record`s), for a
journal service. What Redis cannot take now waits here, bounded; what exceeds the bound is dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec
import structlog

from pulso.contract import ANONYMOUS, Caller
from pulso.redis_link import RedisLink
from pulso.resp import LinkDown
from services.gateway import metrics
from services.gateway.connection import Connection

FLUSH_S: Final = 0.2
MAX_WAITING_BYTES: Final = 16 << 20
MAX_ENTRY_BYTES: Final = 64 * 1024
"""A batch ends with the record that goes past this."""
MAX_STREAM_BYTES: Final = 48 << 20
MAX_STREAM_ENTRIES: Final = 100_000
"""The stream is cut to so many batches, or to as many of the size seen lately as fit `MAX_STREAM_BYTES`: Redis
holds leases too, and must not run out of memory for whatever clients send."""
FORGETTING: Final = 0.99
"""By how much the largest batch seen lately shrinks with each one that follows."""
MAX_KEPT_BYTES: Final = 16 * 1024
MAX_REFUSED_BYTES: Final = 1024
"""Of a larger payload (of a refused message: of one larger than this) the size alone is kept."""
RECORD_BYTES: Final = 150
"""About what a record has beside its payload."""

log = structlog.get_logger(__name__)


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One message. `at_ms` counts from 1970 in UTC; `payload` is JSON, or empty where it is private."""

    at_ms: int
    connection: str
    user: str
    direction: Literal["in", "out"]
    event: str
    outcome: str
    recipients: int
    payload: bytes
    size: int


Row = tuple[int, str, str, str, str, str, int, bytes, int]
"""A `Record` on its way: encoded the same, and five times as cheap to make."""


@dataclass(slots=True)
class _Batch:
    rows: list[Row] = field(default_factory=list)
    size_bytes: int = 0


class Journal:
    """`now` tells the seconds since 1970."""

    def __init__(self, link: RedisLink, *, stream: str, gateway: str, now: Callable[[], float]) -> None:
        self._link = link
        self._stream = stream
        self._gateway = gateway
        self._now = now
        self._batch = _Batch()
        self._full: deque[_Batch] = deque()
        self._full_bytes = 0
        self._entry_bytes = 1
        self._encoder = msgspec.msgpack.Encoder()

    def came_in(self, caller: Caller, event: str, payload: bytes, outcome: str, *, private: bool) -> None:
        """A client's message; `outcome` is `ok` or the code of the error that it was answered with."""
        size = len(payload)
        if private or size > (MAX_KEPT_BYTES if outcome == "ok" else MAX_REFUSED_BYTES):
            payload = b""
        at_ms = int(self._now() * 1000)
        self._add((at_ms, caller.connection, caller.id, "in", event, outcome, 1, payload, size), len(payload))

    def went_out(self, event: str, payload: bytes, recipients: Sequence[Connection]) -> None:
        """A message to clients here, once for all of them; who it went to is kept where it is one."""
        one = recipients[0].caller if len(recipients) == 1 else ANONYMOUS
        size = len(payload)
        if size > MAX_KEPT_BYTES:
            payload = b""
        at_ms = int(self._now() * 1000)
        row = (at_ms, one.connection, one.id, "out", event, "ok", len(recipients), payload, size)
        self._add(row, len(payload))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Give all that waits to Redis, as far as it can be reached."""
        self._end_batch()
        while self._full:
            batch = self._full.popleft()
            self._full_bytes -= batch.size_bytes
            try:
                await self._append(self._encoder.encode(batch.rows))
            except LinkDown as fault:
                self._full.appendleft(batch)
                self._full_bytes += batch.size_bytes
                log.warning("journal waits for redis", bytes=self._full_bytes, fault=str(fault))
                return

    async def _append(self, entry: bytes) -> None:
        """Raises `LinkDown`."""
        self._entry_bytes = max(len(entry), int(self._entry_bytes * FORGETTING))
        most = min(MAX_STREAM_ENTRIES, MAX_STREAM_BYTES // self._entry_bytes)
        words = ("MAXLEN", "~", str(most), "*", "gateway", self._gateway, "batch", entry)
        await self._link.command("XADD", self._stream, *words)

    def _add(self, row: Row, payload_bytes: int) -> None:
        if self._full_bytes >= MAX_WAITING_BYTES:
            metrics.JOURNAL_DROPPED.inc()
            return
        batch = self._batch
        batch.rows.append(row)
        batch.size_bytes += RECORD_BYTES + payload_bytes
        if batch.size_bytes >= MAX_ENTRY_BYTES:
            self._end_batch()

    def _end_batch(self) -> None:
        if self._batch.rows:
            self._full.append(self._batch)
            self._full_bytes += self._batch.size_bytes
            self._batch = _Batch()
