"""The log of all messages, as far as the gateway has to do with it: records, written in batches to a stream.

Each message stands in it once per direction; a broadcast once per gateway with its number of recipients. Batches
go to the Redis stream `<prefix>:journal` (field `batch`: msgpack array of `Record`s), for a journal service.
What Redis cannot take now waits here, bounded; what exceeds the bound is dropped and counted.
"""

from __future__ import annotations

import asyncio
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
MAX_STREAM_ENTRIES: Final = 5_000
"""Batches that the stream keeps; its memory is bounded whether or not anybody reads it."""

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
        self._waiting: list[Record] = []
        self._encoder = msgspec.msgpack.Encoder()

    def came_in(self, caller: Caller, event: str, payload: bytes, *, outcome: str, private: bool) -> None:
        """A client's message; `outcome` is `ok` or the code of the error that it was answered with."""
        shown = b"" if private else payload
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
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            await self._link.command(
                "XADD", self._stream, "MAXLEN", "~", str(MAX_STREAM_ENTRIES), "*", "batch",
                self._encoder.encode(batch),
            )  # fmt: skip
        except LinkDown as fault:
            log.warning("journal waits for redis", records=len(batch), fault=str(fault))
            self._waiting = batch + self._waiting

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
        if len(self._waiting) >= MAX_WAITING:
            metrics.JOURNAL_DROPPED.inc()
            return
        at = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._waiting.append(
            Record(at, self._gateway, connection, user, direction, event, outcome, recipients, payload, size)
        )
