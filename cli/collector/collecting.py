"""The collector's loop: fetch a page, store it, and so on, through whatever goes wrong."""

from __future__ import annotations

import asyncio
import os
import random
from datetime import UTC, datetime
from typing import Final

from cli.collector.database import Database
from cli.collector.faults import Hopeless, Lost, Refused, Trouble
from cli.collector.http import Http
from cli.collector.report import Report
from cli.collector.tokens import Tokens
from services.sales.contract import MAX_PAGE, Records

WAIT_S: Final = 25.0
LEAST_WAIT_S: Final = 0.5
FIRST_BACKOFF_S: Final = 0.5
MAX_BACKOFF_S: Final = 15.0
PATIENCE_S: Final = 60.0
"""How long `--once` goes on without getting anywhere."""


class Collector:
    """Everything that the server has and will have, each record once, in the order of the feed."""

    def __init__(self, http: Http, tokens: Tokens, database: Database, report: Report, *, once: bool) -> None:
        self._http = http
        self._tokens = tokens
        self._database = database
        self._report = report
        self._once = once
        self._failures = 0
        self._failing_since: float | None = None

    async def run(self) -> None:
        """Until cancelled; with `once` until there is nothing more for now. Raises `Hopeless`."""
        while True:
            try:
                await self._collect()
            except Trouble as trouble:
                await self._back_off(trouble)
            else:
                return

    async def _collect(self) -> None:
        """A page is fetched while the one before it is written."""
        cursor = self._database.cursor(self._http.url)
        writing: asyncio.Task[None] | None = None
        try:
            while True:
                page = await self._page_in_time(cursor)
                if writing is not None:
                    await writing
                self._failures, self._failing_since = 0, None
                if self._once and not page.records:
                    return
                if page.next != cursor:
                    writing = asyncio.create_task(asyncio.to_thread(self._store, page))
                    cursor = page.next
                if len(page.records) < MAX_PAGE and writing is not None:
                    await writing  # nothing to hurry for: what is shown is what is stored
        finally:
            if writing is not None:
                await asyncio.wait((writing,))

    async def _page_in_time(self, cursor: str) -> Records:
        """As `_page`; where a server does not wait as it was asked to, we do: it must not be asked in a hurry."""
        began = asyncio.get_running_loop().time()
        page = await self._page(cursor)
        if not page.records and not self._once and asyncio.get_running_loop().time() - began < LEAST_WAIT_S:
            await asyncio.sleep(random.uniform(LEAST_WAIT_S, 2 * LEAST_WAIT_S))  # noqa: S311  # no secret
        return page

    async def _page(self, cursor: str) -> Records:
        """What follows the cursor. Raises `Trouble` or `Hopeless`."""
        wait_s = 0.0 if self._once else WAIT_S
        for _ in range(2):
            try:
                return await self._http.records(await self._tokens.get(), cursor, limit=MAX_PAGE, wait_s=wait_s)
            except Refused:
                self._tokens.refused()
            except Lost:
                self._database.forget(self._http.url)
                raise Trouble("the feed is another one than before: beginning at its start") from None
        raise Trouble(f"{self._http.url} does not believe a token that it has just given")

    def _store(self, page: Records) -> None:
        new = self._database.add(self._http.url, page.records, page.next)
        lag_s = None
        if page.records:
            sold_at = datetime.fromisoformat(page.records[-1].sold_at)
            lag_s = max(0.0, (datetime.now(UTC) - sold_at).total_seconds())
        self._report.stored(new, self._database.rows, lag_s)

    async def _back_off(self, trouble: Trouble) -> None:
        """Longer each time, and never as long as others do who began at the same moment (full jitter)."""
        now = asyncio.get_running_loop().time()
        if self._failing_since is None:
            self._failing_since = now
        if self._once and now - self._failing_since > PATIENCE_S:
            raise Hopeless(f"Given up after {PATIENCE_S:g} s: {trouble}.", os.EX_UNAVAILABLE)
        most_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2**self._failures)
        pause_s = max(trouble.retry_after_s, random.uniform(0.1, most_s))  # noqa: S311  # no secret
        self._failures = min(self._failures + 1, 10)
        self._report.trouble(str(trouble), pause_s)
        await asyncio.sleep(pause_s)
