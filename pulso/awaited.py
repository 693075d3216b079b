"""Which answers are awaited on the bus, by whom, and until when."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

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
    """Who waits for an answer, which comes exactly once, in the reader, one way or the other."""

    def answered(self, payload: bytes, code: Code | None) -> None:
        """JSON of the result where `code` is None, else of an `ErrorBody`."""

    @staticmethod
    def all_answered(askers: Sequence[Any], payloads: Sequence[bytes]) -> None:
        """As `answered` of each of these, which are of one class, with the JSON of its result."""


class Waiting(msgspec.Struct):
    """A function that waits for a reply."""

    id: int
    on_reply: OnReply

    def answered(self, payload: bytes, code: Code | None) -> None:
        self.on_reply(Reply(self.id, payload, code))

    @staticmethod
    def all_answered(askers: Sequence[Waiting], payloads: Sequence[bytes]) -> None:
        for waiting, payload in zip(askers, payloads, strict=True):
            with _logged():  # the fault of one must not keep the replies of the others from them
                waiting.answered(payload, None)


class Awaited:
    """`askers` by the ids of their calls, each taken from `ids`. What is not in it any more is answered."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.ids = _unguessable()
        self.askers: dict[int, Asker] = {}
        self._deadlines: dict[int, list[int]] = {}
        self._expired = self._tick()
        """The first bucket that was not looked at yet."""

    def __len__(self) -> int:
        return len(self.askers)

    def expire(self) -> None:
        """Fail what is late: to be called every `TICK_S`."""
        now, askers = self._tick(), self.askers
        for tick in range(self._expired, now):
            for id_ in self._deadlines.pop(tick, ()):
                if id_ in askers:  # hardly any: nearly all were answered long ago
                    self.fail(id_, _LATE)
        self._expired = now

    def until(self, ids: list[int], timeout_s: float) -> None:
        """These are answered within so many seconds, or fail."""
        tick = self._tick(max(timeout_s, 0.0)) + 1
        self._deadlines.setdefault(tick, []).extend(ids)

    def take(self, replies: Replies) -> None:
        pop = self.askers.pop
        by_class: dict[type[Asker], tuple[list[Asker], list[bytes]]] = {}
        for id_, payload in zip(replies.ids, replies.payloads, strict=True):
            asker = pop(id_, None)
            if asker is not None:
                found = by_class.get(type(asker))
                if found is None:
                    found = by_class[type(asker)] = ([], [])
                found[0].append(asker)
                found[1].append(payload)
        for kind, (askers, payloads) in by_class.items():
            with _logged():
                kind.all_answered(askers, payloads)

    def take_one(self, id_: int, payload: bytes, code: Code | None) -> None:
        asker = self.askers.pop(id_, None)
        if asker is not None:
            with _logged():
                asker.answered(payload, code)

    def fail(self, id_: int, error: ServiceError) -> None:
        self.take_one(id_, error.encode(), error.code)

    def fail_all(self, error: ServiceError) -> None:
        for id_ in list(self.askers):
            self.fail(id_, error)

    def _tick(self, in_s: float = 0.0) -> int:
        return int((self._loop.time() + in_s) / TICK_S)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """A fault of who is answered must not end the reader, on which everything depends."""
    try:
        yield
    except Exception:
        log.exception("a reply was not handled")


def _unguessable() -> Iterator[int]:
    """Ids that only whoever was asked can answer: who may send to an inbox must not answer in another's place.

    Nor does a successor on the same channel take a reply to its predecessor for its own. 63 bits, of the system's
    randomness, fetched for many at once: 50 ns each.
    """
    return itertools.chain.from_iterable(
        [id_ >> 1 for id_ in struct.unpack("=256Q", os.urandom(2048))] for _ in itertools.repeat(None)
    )
