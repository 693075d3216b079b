"""From the commit to the room: each stored message is published, in order, and then marked as published.

What a crash leaves unmarked is published when the service starts again, before it takes calls. It may be published
twice then; its id tells the gateways (`Push.surely`), so that no connection hears it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from pulso.errors import ServiceError
from pulso.push import Push
from services.chat import contract
from services.chat.contract import Message
from services.chat.store import ChatStore

AT_ONCE: Final = 500
AGAIN_S: Final = 0.1
MARK_EVERY_S: Final = 0.1
"""Marks are for a start after a crash alone: they are gathered, and cost next to nothing."""

log = structlog.get_logger(__name__)


class Outbox:
    """Messages wait here while Redis is away. They cannot become many: without it nobody can send any."""

    def __init__(self, store: ChatStore, push: Push, unpublished: Sequence[Message]) -> None:
        self._store = store
        self._push = push
        self._waiting = list(unpublished)
        self._published: dict[str, int] = {}
        self._filled = asyncio.Event()

    def put(self, messages: Sequence[Message]) -> None:
        """They were committed, each room's in order."""
        self._waiting += messages
        self._filled.set()

    async def publish(self) -> bool:
        """Publish all that waits; False where Redis did not take it."""
        while batch := self._waiting[:AT_ONCE]:
            told = ((contract.ROOM.of(room=m.room), contract.MESSAGE, m.id, m) for m in batch)
            # One batch at a time: what came after a lost one would overtake it.
            if not await self._push.surely(told):
                return False
            del self._waiting[: len(batch)]
            self._published |= {message.room: message.seq for message in batch}
        return True

    async def mark(self) -> None:
        """Write down what was published since the last time."""
        published, self._published = self._published, {}
        if not published:
            return
        try:
            await self._store.mark_published(published)
        except ServiceError as error:
            log.warning("published messages not marked yet", code=error.code)
            self._published = {**published, **self._published}

    async def keep_publishing(self) -> None:
        """Until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            if not await self.publish():
                await asyncio.sleep(AGAIN_S)
                self._filled.set()

    async def keep_marking(self) -> None:
        while True:
            await asyncio.sleep(MARK_EVERY_S)
            await self.mark()
