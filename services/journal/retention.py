"""How long messages are kept: so many days, and no more than so many bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from pulso.errors import ServiceError
from pulso.resp import LinkDown
from services.journal import metrics
from services.journal.intake import Intake
from services.journal.store import JournalStore

LOOK_EVERY_S: Final = 20.0
PAUSE_S: Final = 0.05
"""Between two deletions, for those who wait for the store."""
GATEWAY_DAYS: Final = 90
"""A gateway that has sent nothing for so long is gone: it is forgotten how far its batches are stored."""

log = structlog.get_logger(__name__)


class Retention:
    def __init__(
        self, store: JournalStore, intake: Intake, *, days: int, most_bytes: int, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._intake = intake
        self._days = days
        self._most_bytes = most_bytes
        self._now = now

    async def run(self) -> None:
        """Delete what is too old or too much, until cancelled."""
        while True:
            try:
                await self.apply()
            except (ServiceError, LinkDown) as fault:
                log.warning("the journal's retention is put off", fault=str(fault))
            await asyncio.sleep(LOOK_EVERY_S)

    async def apply(self) -> None:
        """Returns once nothing is too old, and all of it small enough. Raises `ServiceError` and `LinkDown`."""
        await self._delete("age", lambda: self._store.delete_before(self._ms_ago(self._days)))
        await self._delete("size", self._delete_surplus)
        metrics.BYTES.set(await self._store.size_bytes())
        await self._intake.forget(await self._store.forget_gateways(self._ms_ago(GATEWAY_DAYS)))

    async def _delete(self, why: str, some: Callable[[], Awaitable[int]]) -> None:
        deleted = 0
        while count := await some():
            deleted += count
            metrics.DELETED.labels(why).inc(count)
            await asyncio.sleep(PAUSE_S)
        if deleted:
            log.info("journal messages deleted", why=why, messages=deleted)

    async def _delete_surplus(self) -> int:
        if await self._store.size_bytes() <= self._most_bytes:
            return 0
        return await self._store.delete_oldest()

    def _ms_ago(self, days: int) -> int:
        return int((self._now() - timedelta(days=days)).timestamp() * 1000)
