"""The log of all messages, as far as the gateway has to do with it: what is recorded, and kept until it is stored.

Each message stands in it once per direction; a broadcast once per gateway with its number of recipients. What has
come in waits in memory for `FLUSH_S` at the most, then it is in the gateway's spool on the disk until the journal
service has committed it (`delivery.py`). So a gateway that is killed loses what it recorded in its last `FLUSH_S`
seconds; a service or a Redis that is killed, nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from pulso.contract import ANONYMOUS, Caller
from pulso.redis_link import RedisLink
from pulso.resp import LinkDown
from services.gateway import metrics
from services.gateway.connection import Connection
from services.gateway.delivery import Delivery
from services.gateway.spool import Batch, Spool, SpoolTaken

FLUSH_S: Final = 0.2
LAST_COMMITS_WITHIN_S: Final = 1.0
ADOPT_EVERY_S: Final = 10.0
MAX_WAITING_BYTES: Final = 16 << 20
"""For a disk that takes its time, so much waits in memory; what is over that is dropped and counted."""
MAX_ENTRY_BYTES: Final = 64 * 1024
"""A batch ends with the record that goes past this."""
MAX_KEPT_BYTES: Final = 16 * 1024
MAX_REFUSED_BYTES: Final = 1024
"""Of a larger payload (of a refused message: of one larger than this) the size alone is kept."""
RECORD_BYTES: Final = 150
"""About what a record has beside its payload."""

SPOOLS: Final = "journal-spool"
"""The folder of the spools within the data folder, one for each gateway: theirs, and those of gateways gone."""

_SECRET: Final = re.compile(rb"(?i)passw|pwd|secret|token|credential|cookie|authorization|bearer|api.?key|senha")
"""A refused message is not what any contract expects: one that mentions such a word is kept without payload."""

T = TypeVar("T")

log = structlog.get_logger(__name__)

Row = tuple[int, str, str, str, str, str, str, int, bytes, int]
"""A `contract.Record` on its way: encoded the same, and five times as cheap to make."""


class Journal:
    """`now` tells the seconds since 1970; `spools` is the folder of all gateways' spools on this disk."""

    def __init__(
        self,
        link: RedisLink,
        *,
        prefix: str,
        gateway: str,
        spools: Path,
        spool_bytes: int,
        now: Callable[[], float],
        is_on: bool = True,
    ) -> None:
        self._link = link
        self._prefix = prefix
        self._gateway = gateway
        self._spools = spools
        self._spool_bytes = spool_bytes
        self.now = now
        self._is_on = is_on
        self._rows: list[Row] = []
        self._size_bytes = 0
        self._number = 0
        self._encoder = msgspec.msgpack.Encoder()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal-spool")
        self._own: Delivery | None = None
        self._left: dict[str, Delivery] = {}
        self._turn = asyncio.Lock()
        self._is_held_up = False

    def came_in(
        self, caller: Caller, event: str, payload: bytes, outcome: str, *, private: bool, at: float | None = None
    ) -> None:
        """A client's message; `outcome` is `ok` or the code of the error that it was answered with.

        `at` is when it came, as `now` tells it, where that was earlier.
        """
        if not self._is_on:
            return
        size = len(payload)
        if (
            private
            or size > MAX_KEPT_BYTES
            or (outcome != "ok" and (size > MAX_REFUSED_BYTES or _SECRET.search(payload)))
        ):
            payload = b""
        at_ms = int((self.now() if at is None else at) * 1000)
        self._add([(at_ms, caller.connection, caller.id, caller.name, "in", event, outcome, 1, payload, size)])

    def all_came_in(self, event: str, messages: Sequence[tuple[Caller, bytes, float]], *, private: bool) -> None:
        """As `came_in` of each: who said what, and when, of messages that were all answered `ok`."""
        if not self._is_on:
            return
        most = 0 if private else MAX_KEPT_BYTES
        self._add(
            [
                (
                    int(at * 1000), caller.connection, caller.id, caller.name, "in", event, "ok", 1,
                    payload if len(payload) <= most else b"", len(payload),
                )
                for caller, payload, at in messages
            ]
        )  # fmt: skip

    def went_out(self, event: str, payload: bytes, recipients: Sequence[Connection]) -> None:
        """A message to clients here, once for all of them; who it went to is kept where it is one."""
        if not recipients or not self._is_on:
            return
        one = recipients[0].caller if len(recipients) == 1 else ANONYMOUS
        size = len(payload)
        if size > MAX_KEPT_BYTES:
            payload = b""
        at_ms, count = int(self.now() * 1000), len(recipients)
        self._add([(at_ms, one.connection, one.id, one.name, "out", event, "ok", count, payload, size)])

    async def run(self) -> None:
        """Hand over what was recorded, every `FLUSH_S` seconds, until cancelled."""
        loop = asyncio.get_running_loop()
        adopt_at = loop.time()
        while self._is_on:
            if loop.time() >= adopt_at:
                adopt_at = loop.time() + ADOPT_EVERY_S
                await self.adopt()
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Put what was recorded on the disk, and on to Redis as far as that takes it."""
        # Not to be broken off between the disk's answer and what follows from it.
        await asyncio.shield(asyncio.create_task(self._flush(), name="journal-flush"))

    async def close(self) -> None:
        """The last flush; waits a moment for the service to commit it. The next gateway delivers what is left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_COMMITS_WITHIN_S):
                await self.flush()
                while self._own is not None and not self._own.is_done:
                    await asyncio.sleep(FLUSH_S / 4)
                    await self.flush()
        async with self._turn:
            for delivery in (self._own, *self._left.values()):
                if delivery is not None:
                    await delivery.close()
            self._own, self._left = None, {}
            self._is_on = False
        self._disk.shutdown(wait=False)

    async def _flush(self) -> None:
        async with self._turn:
            if not self._is_on:
                return
            try:
                if self._own is None and self._rows:
                    self._own = await self._opened(self._gateway)
                if self._own is not None:
                    await self._own.add(self._taken())
                    await self._own.advance()
                await self._deliver_left()
            except (LinkDown, OSError) as fault:
                if not self._is_held_up:
                    log.warning("the journal is held up: records wait on the disk", fault=str(fault))
                self._is_held_up = True
            else:
                self._is_held_up = False
            deliveries = [*self._left.values(), *([] if self._own is None else [self._own])]
            metrics.JOURNAL_SPOOL_BYTES.set(sum(delivery.spool_bytes for delivery in deliveries))

    async def _deliver_left(self) -> None:
        for gateway, delivery in list(self._left.items()):
            await delivery.advance()
            if delivery.is_done:
                del self._left[gateway]
                await delivery.close()
                log.info("a journal that was left is delivered", gateway=gateway)

    async def adopt(self) -> None:
        """Take over what gateways have left that are gone: killed, or stopped while the service was away."""
        async with self._turn:
            try:
                for gateway in await self._in_thread(self._others):
                    with contextlib.suppress(SpoolTaken):
                        self._left[gateway] = await self._opened(gateway)
            except OSError as fault:  # a full or failing disk: it is looked at again soon
                log.warning("a journal that was left cannot be taken over", fault=str(fault))

    def _others(self) -> list[str]:
        if not self._spools.exists():
            return []
        names = (path.name for path in self._spools.iterdir() if path.is_dir())
        return sorted(name for name in names if name != self._gateway and name not in self._left)

    async def _opened(self, gateway: str) -> Delivery:
        spool = await self._in_thread(lambda: Spool(self._spools / gateway, most_bytes=self._spool_bytes))
        return Delivery(self._link, spool, self._disk, prefix=self._prefix, gateway=gateway)

    def _add(self, rows: list[Row]) -> None:
        if self._size_bytes >= MAX_WAITING_BYTES:
            metrics.JOURNAL_DROPPED.inc(len(rows))
            return
        self._rows += rows
        self._size_bytes += RECORD_BYTES * len(rows) + sum([len(row[8]) for row in rows])

    def _taken(self) -> list[Batch]:
        """What was recorded since the last time, in batches."""
        rows, self._rows, self._size_bytes = self._rows, [], 0
        batches: list[Batch] = []
        ends = list(itertools.accumulate([RECORD_BYTES + len(row[8]) for row in rows]))
        begin = taken = 0
        while begin < len(rows):
            end = bisect_left(ends, taken + MAX_ENTRY_BYTES, begin) + 1
            batch = rows[begin:end]
            self._number += 1
            batches.append(Batch(self._number, len(batch), self._encoded(batch)))
            begin, taken = end, ends[min(end, len(rows)) - 1]
        return batches

    def _encoded(self, rows: list[Row]) -> bytes:
        try:
            return self._encoder.encode(rows)
        except UnicodeEncodeError:  # an event's name may hold half a surrogate pair: nothing else is lost for it
            return self._encoder.encode([tuple(map(_valid, row)) for row in rows])

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)


def _valid(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
