"""Which answers are awaited on the bus, by whom, and until when."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
import structlog

from pulso.errors import Code, ServiceError
from pulso.message import Replies, Reply

TICK_S: Final = 0.1
"""How exactly deadlines are kept: they are gathered in buckets of this width, so that a call costs no timer."""

OnReply = Callable[[Reply], None]

_LATE: Final = ServiceError("timeout", "The service did not answer in time; it may have been done. Try again.")

log = structlog.get_logger(__name__)


class Asker(Protocol):
    """Who waits for an answer."""

    def answered(self, payload: bytes, code: Code | None) -> None:
        """Called exactly once, in the reader: JSON of the result where `code` is None, else of an `ErrorBody`."""


class Waiting(msgspec.Struct):
    """A function that waits for a reply."""

    id: int
    on_reply: OnReply

    def answered(self, payload: bytes, code: Code | None) -> None:
        self.on_reply(Reply(self.id, payload, code))


class Awaited:
    """`askers` by the ids of their calls, each taken from `ids`. What is not in it any more is answered."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # A successor on the same channel must not take a reply to its predecessor for its own.
        self.ids = itertools.count(random.getrandbits(48) << 14)
        self.askers: dict[int, Asker] = {}
        self._deadlines: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self.askers)

    async def run(self) -> None:
        """Keep deadlines until cancelled."""
        done = int(self._loop.time() / TICK_S)
        while True:
            await asyncio.sleep(TICK_S)
            now = int(self._loop.time() / TICK_S)
            for tick in range(done, now):
                for id_ in self._deadlines.pop(tick, ()):
                    self.fail(id_, _LATE)
            done = now

    def until(self, ids: list[int], timeout_s: float) -> None:
        """These are answered within so many seconds, or fail."""
        tick = int((self._loop.time() + max(timeout_s, 0.0)) / TICK_S) + 1
        self._deadlines.setdefault(tick, []).extend(ids)

    def take(self, replies: Replies) -> None:
        pop = self.askers.pop
        for id_, payload in zip(replies.ids, replies.payloads, strict=True):
            asker = pop(id_, None)
            if asker is not None:
                try:
                    asker.answered(payload, None)
                except Exception:  # the fault of one must not keep the replies of the others from them
                    log.exception("a reply was not handled")

    def take_one(self, id_: int, payload: bytes, code: Code | None) -> None:
        asker = self.askers.pop(id_, None)
        if asker is not None:
            try:
                asker.answered(payload, code)
            except Exception:  # as in `take`
                log.exception("a reply was not handled")

    def fail(self, id_: int, error: ServiceError) -> None:
        self.take_one(id_, error.encode(), error.code)

    def fail_all(self, error: ServiceError) -> None:
        for id_ in list(self.askers):
            self.fail(id_, error)
