"""The state of the journal: what is stored, and how it is searched within a bounded time."""

from __future__ import annotations

import asyncio
from typing import Final

from services.journal.contract import Message, Messages
from services.journal.rows import Filters, Row
from services.journal.rules import message_of
from services.journal.store import JournalStore

SEARCH_S: Final = 3.0
"""Then a search answers with what it has found, and where to go on."""
FIRST_STEP: Final = 5_000
STEP_S: Final = 0.05
"""About how long one step may keep others from the store: steps grow while they take less than half of that."""
MAX_ANSWER_BYTES: Final = 512 * 1024
"""Of payloads in one answer: it passes over the bus."""


class Journal:
    def __init__(self, store: JournalStore) -> None:
        self._store = store

    async def page(self, filters: Filters, *, after: int | None, before: int | None, limit: int) -> Messages:
        """The newest messages before `before`, newest first; with `after` those that follow it, oldest first."""
        if filters.user and not await self._store.has_user(filters.user):
            filters = filters._replace(user="", name=filters.user)
        span = await self._store.span(filters)
        if span is None:
            return Messages([], None)
        first, last = span
        if after is not None:
            first = max(first, after + 1)
        if before is not None:
            last = min(last, before - 1)
        search = _Search(self._store, filters, first, last, newest_first=after is None)
        return await search.page(limit)


class _Search:
    """One search through the numbers from `first` to `last`, in steps."""

    def __init__(
        self, store: JournalStore, filters: Filters, first: int, last: int, *, newest_first: bool
    ) -> None:
        self._store = store
        self._filters = filters
        self._first = first
        self._last = last
        self._newest_first = newest_first

    async def page(self, limit: int) -> Messages:
        loop = asyncio.get_running_loop()
        until = loop.time() + SEARCH_S
        found: list[Row] = []
        step = FIRST_STEP
        while self._first <= self._last and len(found) < limit:
            began = loop.time()
            if began > until:
                return self._page(found, self._edge())
            first, last = self._part(step)
            rows = await self._store.find(
                self._filters, first, last, limit - len(found), newest_first=self._newest_first
            )
            found += rows
            if len(found) == limit:
                break
            self._pass(first, last)
            if loop.time() - began < STEP_S / 2:
                step *= 2
        if len(found) < limit:
            return self._page(found, None)
        return self._page(found, found[-1].seq)

    def _page(self, found: list[Row], next_: int | None) -> Messages:
        """As many as fit in an answer."""
        messages: list[Message] = []
        size_bytes = 0
        for row in found:
            size_bytes += len(row.payload)
            if messages and size_bytes > MAX_ANSWER_BYTES:
                return Messages(messages, messages[-1].seq)
            messages.append(message_of(row))
        return Messages(messages, next_)

    def _part(self, step: int) -> tuple[int, int]:
        if self._newest_first:
            return max(self._first, self._last - step + 1), self._last
        return self._first, min(self._last, self._first + step - 1)

    def _pass(self, first: int, last: int) -> None:
        if self._newest_first:
            self._last = first - 1
        else:
            self._first = last + 1

    def _edge(self) -> int:
        """What `before`, or `after`, is to be for the rest."""
        return self._last + 1 if self._newest_first else self._first - 1
