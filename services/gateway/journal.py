"""The log of all messages, as far as the gateway has to do with it: records, written in batches to a stream.

Each message stands in it once per direction; a broadcast once per gateway with its number of recipients. Batches
go to the Redis stream `<prefix>:journal` (field `batch`: msgpack array of `Record`s), for a journal service.
What Redis cannot take now waits here, bounded; what exceeds the bound is dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec
import structlog

from pulso.contract import Caller
from pulso.redis_link import RedisLink
from pulso.resp import LinkDown
from services.gateway import metrics
from services.gateway.connection import Connection

FLUSH_S: Final = 0.2
MAX_WAITING: Final = 20_000
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
    """One message. `at` is ISO-8601 UTC; `payload` is JSON, or empty where it is private."""

    at: str
    gateway: str
    connection: str
    user: str
    direction: Literal["in", "out"]
    event: str
    outcome: str
    recipients: int
    payload: bytes
    size: int


class Journal:
    def __init__(self, link: RedisLink, *, stream: str, gateway: str, now: Callable[[], datetime]) -> None:
        self._link = link
        self._stream = stream
        self._gateway = gateway
        self._now = now
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self._entry_bytes = 1
        self._encoder = msgspec.msgpack.Encoder()

    def came_in(self, caller: Caller, event: str, payload: bytes, *, outcome: str, private: bool) -> None:
        """A client's message; `outcome` is `ok` or the code of the error that it was answered with."""
        is_kept = not private and (outcome == "ok" or len(payload) <= MAX_REFUSED_BYTES)
        shown = payload if is_kept else b""
        self._add("in", caller.connection, caller.id, event, outcome, 1, shown, len(payload))

    def went_out(self, event: str, payload: bytes, recipients: Sequence[Connection]) -> None:
        one = recipients[0].caller if len(recipients) == 1 else None
        self._add(
            "out", one.connection if one else "", one.id if one else "", event, "ok", len(recipients),
            payload, len(payload),
        )  # fmt: skip

    async def run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        while batch := self._next_batch():
            try:
                await self._append(self._encoder.encode(batch))
            except LinkDown as fault:
                self._waiting.extendleft(reversed(batch))
                self._waiting_bytes += sum(map(_size_bytes, batch))
                log.warning("journal waits for redis", records=len(self._waiting), fault=str(fault))
                return

    async def _append(self, entry: bytes) -> None:
        """Raises `LinkDown`."""
        self._entry_bytes = max(len(entry), int(self._entry_bytes * FORGETTING))
        most = min(MAX_STREAM_ENTRIES, MAX_STREAM_BYTES // self._entry_bytes)
        await self._link.command("XADD", self._stream, "MAXLEN", "~", str(most), "*", "batch", entry)

    def _next_batch(self) -> list[Record]:
        batch: list[Record] = []
        batch_bytes = 0
        while self._waiting and batch_bytes < MAX_ENTRY_BYTES:
            batch.append(self._waiting.popleft())
            batch_bytes += _size_bytes(batch[-1])
        self._waiting_bytes -= batch_bytes
        return batch

    def _add(
        self,
        direction: Literal["in", "out"],
        connection: str,
        user: str,
        event: str,
        outcome: str,
        recipients: int,
        payload: bytes,
        size: int,
    ) -> None:
        if len(self._waiting) >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES:
            metrics.JOURNAL_DROPPED.inc()
            return
        at = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        kept = payload if size <= MAX_KEPT_BYTES else b""
        record = Record(at, self._gateway, connection, user, direction, event, outcome, recipients, kept, size)
        self._waiting.append(record)
        self._waiting_bytes += _size_bytes(record)


def _size_bytes(record: Record) -> int:
    return RECORD_BYTES + len(record.payload)
