"""Files: how much may come, what has come, and the removal of what nobody needs any more.

The gateway has stored a file before its row is written here, and a row is gone before its file is. So the worst
that a crash leaves is a file without a row, which is removed once it is old enough to be nobody's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from pulso.errors import ServiceError
from pulso.uploads import Allowance, StoredFile
from services.chat import rules
from services.chat.contract import File
from services.chat.store import FileStore
from services.settings import ChatSettings

MB: Final = 1 << 20
DAY_MS: Final = 24 * 3600 * 1000
UNCLAIMED_FOR_S: Final = 3600
"""A message must name a file within an hour. A gateway gives up an upload well before that."""
SWEEP_EVERY_S: Final = 60.0
log = structlog.get_logger(__name__)


class Files:
    """`prefix` is what the names of our files begin with: the folder may hold those of others."""

    def __init__(
        self,
        store: FileStore,
        settings: ChatSettings,
        *,
        prefix: str,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._settings = settings
        self._prefix = prefix
        self._now = now
        self.clock = clock
        """Seconds that pass, whatever is done to the time of day."""
        self._began_ms = rules.milliseconds(now()) - int(clock() * 1000)

    async def allowance(self, owner: str) -> Allowance:
        """Raises `ServiceError("too_large")` where the user has no room left."""
        left = self._settings.chat_user_mb * MB - await self._store.used_bytes(owner)
        if left <= 0:
            raise self._full()
        return Allowance(self._prefix, self._settings.chat_message_files, self._settings.chat_file_mb * MB, left)

    async def add(self, owner: str, stored: Sequence[StoredFile]) -> list[File]:
        """Raises `ServiceError("too_large")` where uploads at the same time have used up the user's room."""
        files = [rules.file_of(file) for file in stored]
        at_ms = rules.milliseconds(self._now())
        most = self._settings.chat_user_mb * MB
        if not await self._store.add(owner, files, at_ms, most_bytes=most):
            raise self._full()
        return files

    async def keep_sweeping(self) -> None:
        """Run until cancelled. What fails is tried again the next time."""
        while True:
            try:
                await self.sweep()
            except (ServiceError, OSError) as fault:
                log.warning("files not swept", fault=str(fault))
            await asyncio.sleep(SWEEP_EVERY_S)

    async def sweep(self) -> None:
        """Remove files that no message has named in time, those that are too old, and those that nobody knows."""
        now_ms = self._surely_ms()
        days = self._settings.chat_file_days
        stale = await self._store.take_stale(
            unclaimed_before_ms=now_ms - UNCLAIMED_FOR_S * 1000,
            claimed_before_ms=now_ms - days * DAY_MS if days else 0,
        )
        old = await asyncio.to_thread(_old_files, self._settings.uploads, f"{self._prefix}-", now_ms / 1000)
        unknown = await self._store.unknown(old)
        if stale or unknown:
            await asyncio.to_thread(_remove, self._settings.uploads, {*stale, *unknown})
            log.info("files removed", stale=len(stale), unknown=len(unknown))

    def _surely_ms(self) -> int:
        """No later than it is: a clock that is set forward makes no file older than it is."""
        return min(rules.milliseconds(self._now()), self._began_ms + int(self.clock() * 1000))

    def _full(self) -> ServiceError:
        return ServiceError("too_large", f"Your files would have more than {self._settings.chat_user_mb} MB.")


def _old_files(folder: Path, prefix: str, now_s: float) -> list[str]:
    """Our files, also those under way, that were last written to so long ago that nobody can claim them."""
    oldest = now_s - UNCLAIMED_FOR_S
    try:
        found = list(folder.iterdir())
    except FileNotFoundError:
        return []
    ours = [path for path in found if path.name.removeprefix(".").startswith(prefix)]
    return [path.name for path in ours if path.lstat().st_mtime < oldest]


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
