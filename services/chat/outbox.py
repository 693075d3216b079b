"""From the commit to the room: messages, and who came or went, are published in order, and then marked.

What a crash leaves unmarked is published when the service starts again, before it takes calls. It may be published
twice then; its id tells the gateways (`Push.surely`, `Push.recap`), so that no connection hears it twice or late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog

from pulso.errors import ServiceError
from pulso.push import Push, Telling
from services.chat import contract
from services.chat.contract import CameOrWent, Message
from services.chat.rows import Move
from services.chat.store import ChatStore

AT_ONCE: Final = 500
AGAIN_S: Final = 0.1
MARK_EVERY_S: Final = 0.1
"""Marks are for a start after a crash alone: they are gathered, and cost next to nothing."""

log = structlog.get_logger(__name__)


class Outbox:
    """They wait here while Redis is away. They cannot become many: without it nobody can send or move."""

    def __init__(self, store: ChatStore, push: Push, unpublished: Sequence[Message | Move]) -> None:
        self._store = store
        self._push = push
        self._waiting = list(unpublished)
        self._may_be_known = bool(unpublished)
        """Whether what waits, or a part of it, may have been published already."""
        self._published: dict[str, int] = {}
        self._told_moves: set[str] = set()
        self._filled = asyncio.Event()

    def put(self, committed: Sequence[Message | Move]) -> None:
        """Each room's in the order of their commits, which is the one that a start after a crash finds, too."""
        self._waiting += committed
        self._filled.set()

    async def publish(self) -> bool:
        """Publish all that waits; False where Redis did not take it."""
        if self._may_be_known and not await self._push.recap(map(_telling, self._waiting)):
            return False
        while batch := self._waiting[:AT_ONCE]:
            self._may_be_known = True  # until Redis has said so; nobody knows where this is broken off
            # One batch at a time: what came after a lost one would overtake it.
            if not await self._push.surely(map(_telling, batch)):
                return False
            self._may_be_known = False
            del self._waiting[: len(batch)]
            for one in batch:
                if isinstance(one, Move):
                    self._told_moves.add(one.id)
                else:
                    self._published[one.room] = one.seq
        return True

    async def mark(self) -> None:
        """Write down what was published since the last time."""
        published, self._published = self._published, {}
        moves, self._told_moves = self._told_moves, set()
        if not published and not moves:
            return
        try:
            await self._store.mark_published(published, moves)
        except ServiceError as error:
            log.warning("what was published is not marked yet", code=error.code)
            self._published = {**published, **self._published}
            self._told_moves |= moves

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


def _telling(one: Message | Move) -> Telling[Any]:
    topic = contract.ROOM.of(room=one.room)
    if isinstance(one, Message):
        return Telling(topic, contract.MESSAGE, one.id, one)
    event = contract.JOINED if one.came else contract.LEFT
    return Telling(topic, event, one.id, CameOrWent(one.room, one.member), skip_user=one.member.id)
