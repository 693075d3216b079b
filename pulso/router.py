"""The calls to one shard, and their replies: decode, check access, hand over to a lane, reply."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final, Generic

from pulso.bus import Bus
from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.lanes import Batched, Lane, OneByOne, Together
from pulso.message import Call, Calls, Envelope, Reply, decode_caller
from pulso.routes import Routes, State

DRAIN_S: Final = 5.0


class Router(Generic[State]):
    """Answers the calls to one shard."""

    def __init__(self, routes: Routes[State], state: State, bus: Bus) -> None:
        self.state = state
        self._bus = bus
        self._loop = asyncio.get_running_loop()  # kept, for the reason that `Bus` has
        self._in_hand = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: asyncio.TaskGroup | None = None
        self._lanes: dict[str, Lane[State]] = {
            **{name: OneByOne(self, endpoint, handle) for name, (endpoint, handle) in routes.ones.items()},
            **{name: Batched(self, endpoint, handle) for name, (endpoint, handle) in routes.manies.items()},
        }

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Calls are taken within; at the end those in hand are finished, within `DRAIN_S` seconds."""
        async with asyncio.TaskGroup() as self._tasks:
            yield
            async with asyncio.timeout(DRAIN_S):
                await self._idle.wait()

    def accept(self, batch: list[Envelope]) -> None:
        """Take a batch off the bus; called in the reader, so nothing here waits."""
        now = self.now()
        for envelope in batch:
            if type(envelope) is Calls:
                together = Together(envelope.endpoint, envelope.reply_to, envelope.timeout_s, now, [], [])
                callers = list(map(decode_caller, envelope.callers))
                self._accept(together, envelope.ids, callers, envelope.payloads)
            elif type(envelope) is Call:
                together = Together(
                    envelope.endpoint, envelope.reply_to, envelope.timeout_s, now, [], [],
                    envelope.request, envelope.trace,
                )  # fmt: skip
                self._accept(together, [envelope.id], [envelope.caller], [envelope.payload])

    @property
    def in_hand(self) -> int:
        """Calls taken and not answered yet."""
        return self._in_hand

    def now(self) -> float:
        return self._loop.time()

    def start(self, work: Any, name: str) -> None:
        assert self._tasks is not None, "calls are taken while running() only"
        self._tasks.create_task(work, name=name)

    def reply(self, together: Together, ids: list[int], payloads: list[bytes]) -> None:
        self._bus.answer(together.reply_to, ids, payloads)

    def refuse(self, together: Together, id_: int, error: ServiceError) -> None:
        self._bus.send(together.reply_to, Reply(id_, error.encode(), error.code))

    def finished(self, count: int) -> None:
        self._in_hand -= count
        if not self._in_hand:
            self._idle.set()

    def _accept(self, together: Together, ids: list[int], callers: list[Caller], payloads: list[bytes]) -> None:
        lane = self._lanes.get(together.endpoint)
        if lane is None:
            for id_ in ids:
                self.refuse(together, id_, ServiceError("not_found", f"There is no {together.endpoint} here."))
            return
        if self._in_hand + len(ids) > lane.most_in_hand():
            for id_ in ids:
                lane.refuse(together, id_, _too_much())
            return
        for id_, caller, payload in zip(ids, callers, payloads, strict=True):
            try:
                if caller.kind not in lane.kinds:
                    raise _refusal(caller)
                together.asked.append((caller, lane.decode(payload)))
            except ServiceError as error:
                lane.refuse(together, id_, error)
            else:
                together.ids.append(id_)
        if together.ids:
            self._idle.clear()
            self._in_hand += len(together.ids)
            lane.take(together)


def _too_much() -> ServiceError:
    return ServiceError("unavailable", "The service has too much to do. Try again in a moment.")


def _refusal(caller: Caller) -> ServiceError:
    if caller.kind == "anonymous":
        return ServiceError("unauthorized", "Sign in first.")
    return ServiceError("forbidden", "Your account may not do this.")
