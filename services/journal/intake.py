"""From the stream of all gateways into the store: commit first, then acknowledge, and say how far it is stored.

Each gateway's batches are taken in their order and once: what is stored already is left out, and so is what comes
too early (one before it was lost on the way), because the gateway sends it again. The stream holds only what is on
its way: entries are deleted once they were seen to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from pulso.errors import ServiceError
from pulso.redis_link import RedisLink
from pulso.resp import LinkDown
from services.gateway.contract import JOURNAL_COMMITTED, JOURNAL_STREAM, Record
from services.journal import metrics
from services.journal.rules import verdict
from services.journal.store import JournalStore

GROUP: Final = "journal"
CONSUMER: Final = "journal"
"""There is one at a time (the lease and the store's lock see to it), and it is its own heir: what one that was
killed had been given and had not acknowledged, the next one is given again."""
AT_ONCE: Final = 32
BLOCK_MS: Final = 500
AGAIN_S: Final = 0.5

log = structlog.get_logger(__name__)

_decode: Final = msgspec.msgpack.Decoder(list[Record]).decode


class Entry(NamedTuple):
    """One batch as the stream has it."""

    gateway: str
    number: int
    previous: int
    records: list[Record]


class Intake:
    """`committed` is what the store says at the start."""

    def __init__(
        self,
        link: RedisLink,
        store: JournalStore,
        committed: dict[str, int],
        *,
        prefix: str,
        now: Callable[[], datetime],
    ) -> None:
        self._link = link
        self._store = store
        self._committed = committed
        self._stream = f"{prefix}:{JOURNAL_STREAM}"
        self._cursors = f"{prefix}:{JOURNAL_COMMITTED}"
        self._now = now
        self._begin = "0"

    async def run(self) -> None:
        """Take what comes, through whatever befalls Redis and the disk, until cancelled."""
        is_held_up = False
        while True:
            try:
                await self._take()
                is_held_up = False
            except (LinkDown, ServiceError) as fault:
                if "NOGROUP" in str(fault) and await self._make_group():
                    continue
                if not is_held_up:
                    log.warning("the journal's intake is held up", fault=str(fault))
                is_held_up = True
                self._begin = "0"  # whatever was given to us and not acknowledged comes again
                await asyncio.sleep(AGAIN_S)

    async def forget(self, gateways: Sequence[str]) -> None:
        """Those that the store has forgotten. Raises `LinkDown`."""
        for gateway in gateways:
            self._committed.pop(gateway, None)
            await self._link.command("HDEL", self._cursors, gateway)

    async def _take(self) -> None:
        """One round. Raises `LinkDown`, and `ServiceError` where nothing could be stored."""
        answer = await self._link.command(
            "XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", str(AT_ONCE), "BLOCK", str(BLOCK_MS),
            "STREAMS", self._stream, self._begin,
        )  # fmt: skip
        entries = answer[0][1] if answer else []
        if not entries:
            self._begin = ">"  # all that was left from before is done
            return
        ids = [id_ for id_, _ in entries]
        gateways = await self._store_due(filter(None, (_entry(id_, fields) for id_, fields in entries)))
        if gateways:
            words = [word for gateway in gateways for word in (gateway, str(self._committed.get(gateway, 0)))]
            await self._link.command("HSET", self._cursors, *words)
        await self._link.command("XACK", self._stream, GROUP, *ids)
        await self._link.command("XDEL", self._stream, *ids)

    async def _store_due(self, entries: Any) -> set[str]:
        """Store those that are due, in one transaction; of which gateways there was anything."""
        due: list[tuple[str, list[Record]]] = []
        numbers: dict[str, int] = {}
        gateways: set[str] = set()
        for entry in entries:
            gateways.add(entry.gateway)
            committed = numbers.get(entry.gateway, self._committed.get(entry.gateway, 0))
            judged = verdict(entry.number, entry.previous, committed)
            metrics.BATCHES.labels(judged).inc()
            if judged == "due":
                due.append((entry.gateway, entry.records))
                numbers[entry.gateway] = entry.number
        if due:
            await self._store.add(due, numbers, int(self._now().timestamp() * 1000))
            self._committed |= numbers
            metrics.MESSAGES.inc(sum(len(records) for _, records in due))
        return gateways

    async def _make_group(self) -> bool:
        """A new Redis, or one that forgot: from its very beginning. Whether it can be read now."""
        try:
            await self._link.command("XGROUP", "CREATE", self._stream, GROUP, "0", "MKSTREAM")
        except LinkDown as fault:
            return "BUSYGROUP" in str(fault)
        return True


def _entry(id_: bytes, fields: Any) -> Entry | None:
    """None for what no gateway of ours has written, and for an entry that was cut off before it was seen to."""
    if fields is None:
        return None
    try:
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        return Entry(
            named[b"gateway"].decode(), int(named[b"number"]), int(named[b"previous"]), _decode(named[b"batch"])
        )
    except (TypeError, KeyError, ValueError) as fault:  # msgspec's and Unicode's faults are ValueErrors
        log.error("a broken entry of the journal's stream is left out", entry=id_.decode(), fault=repr(fault))
        metrics.BATCHES.labels("broken").inc()
        return None
