"""From a batch of calls to their replies: decode, check access, handle, reply, measure."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import operator
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final, Generic

import msgspec
import structlog

from pulso import metrics
from pulso.bus import Bus
from pulso.contract import Caller, Endpoint, expectations
from pulso.errors import ServiceError
from pulso.message import Call, Envelope, Reply
from pulso.routes import Many, One, Routes, State
from pulso.tracing import ORIGIN, Origin

MAX_CALLS: Final = 20_000
"""Calls in hand at the most; past this a call is answered `unavailable` at once."""
MAX_BATCH: Final = 1_000
DRAIN_S: Final = 5.0

NOTHING: Final = frozenset({b"", b"null"})
"""Payloads that stand for an empty object."""

log = structlog.get_logger(__name__)


class _Arrived(msgspec.Struct):
    """A call in hand: decoded, allowed, not yet answered. A Struct, because one is made for every event."""

    call: Call
    request: Any
    at: float


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
        self._lanes: dict[str, _Lane[State]] = {
            **{name: _OneByOne(self, endpoint, handle) for name, (endpoint, handle) in routes.ones.items()},
            **{name: _Batched(self, endpoint, handle) for name, (endpoint, handle) in routes.manies.items()},
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
            if type(envelope) is Call:
                self._accept_call(envelope, now)

    @property
    def in_hand(self) -> int:
        """Calls taken and not answered yet."""
        return self._in_hand

    def now(self) -> float:
        return self._loop.time()

    def start(self, work: Any, name: str) -> None:
        assert self._tasks is not None, "calls are taken while running() only"
        self._tasks.create_task(work, name=name)

    def reply(self, call: Call, outcome: bytes | ServiceError) -> None:
        if isinstance(outcome, ServiceError):
            reply = Reply(call.id, outcome.encode(), outcome.code)
        else:
            reply = Reply(call.id, outcome)
        self._bus.send(call.reply_to, reply)

    def finished(self, count: int) -> None:
        self._in_hand -= count
        if not self._in_hand:
            self._idle.set()

    def _accept_call(self, call: Call, now: float) -> None:
        lane = self._lanes.get(call.endpoint)
        if lane is None:
            self.reply(call, ServiceError("not_found", f"There is no {call.endpoint} here."))
            return
        try:
            if self._in_hand >= MAX_CALLS:
                raise ServiceError("unavailable", "The service has too much to do. Try again in a moment.")
            if not call.caller.may(lane.endpoint.access):
                raise _refusal(call.caller)
            request = lane.decode(call.payload)
        except ServiceError as error:
            lane.refuse(call, error)
            return
        if not self._in_hand:
            self._idle.clear()
        self._in_hand += 1
        lane.take(_Arrived(call, request, now))


class _Lane(Generic[State]):
    """What is the same for both kinds of handlers."""

    def __init__(self, router: Router[State], endpoint: Endpoint[Any, Any]) -> None:
        self.endpoint = endpoint
        self._router = router
        self._decoder = msgspec.json.Decoder(endpoint.request)
        self._expected = expectations(endpoint.request)
        self._encoder = msgspec.json.Encoder()
        self._seconds = metrics.CALL_SECONDS.of(endpoint.name)

    def decode(self, payload: bytes) -> Any:
        """Nothing and null stand for an empty object. Raises `ServiceError("bad_request")`."""
        try:
            return self._decoder.decode(b"{}" if payload in NOTHING else payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
            raise ServiceError("bad_request", _complaint(self.endpoint.name, fault, self._expected)) from None

    def take(self, arrived: _Arrived) -> None:
        raise NotImplementedError

    def refuse(self, call: Call, error: ServiceError) -> None:
        self._count(error.code, 1)
        self._router.reply(call, error)

    def _answer(self, batch: Sequence[_Arrived], outcomes: Iterable[Any]) -> None:
        """Reply and measure; an outcome may be a `ServiceError` that was returned or raised."""
        router, encode = self._router, self._encoder.encode
        answered = 0
        for arrived, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, ServiceError):
                self.refuse(arrived.call, outcome)
                continue
            try:
                payload = encode(outcome)
            except Exception as fault:  # a result that no JSON can carry is the handler's fault, too
                self.refuse(arrived.call, self._fault(fault, arrived.call))
                continue
            router.reply(arrived.call, payload)
            answered += 1
        self._count("ok", answered)
        now = router.now()
        # Calls that came in one message have the same time: they are observed at once.
        for at, together in itertools.groupby(batch, key=_at):
            self._seconds.observe(now - at, sum(1 for _ in together))

    def _count(self, outcome: str, calls: int) -> None:
        metrics.CALLS.counts[self.endpoint.name, outcome] += calls

    def _fault(self, fault: BaseException, call: Call) -> ServiceError:
        if isinstance(fault, ServiceError):
            return fault
        log.error("handler failed", endpoint=self.endpoint.name, request=_request_of(call), exc_info=fault)
        return ServiceError("internal", "Something went wrong on our side. It has been logged.")


class _OneByOne(_Lane[State]):
    """A task a call."""

    def __init__(self, router: Router[State], endpoint: Endpoint[Any, Any], handle: One[State, Any, Any]) -> None:
        super().__init__(router, endpoint)
        self._handle = handle

    def take(self, arrived: _Arrived) -> None:
        self._router.start(self._run(arrived), self.endpoint.name)

    async def _run(self, arrived: _Arrived) -> None:
        call = arrived.call
        ORIGIN.set(Origin(_request_of(call), call.trace, call.endpoint))  # the task's own
        outcome: Any
        try:
            outcome = await self._handle(self._router.state, arrived.call.caller, arrived.request)
        except (Exception, asyncio.CancelledError) as fault:  # the boundary where what went wrong becomes a code
            if _is_our_end(fault):
                raise
            outcome = self._fault(fault, arrived.call)
        finally:
            self._router.finished(1)
        self._answer((arrived,), (outcome,))


class _Batched(_Lane[State]):
    """One task at a time for all calls that wait."""

    def __init__(self, router: Router[State], endpoint: Endpoint[Any, Any], handle: Many[State, Any, Any]) -> None:
        super().__init__(router, endpoint)
        self._handle = handle
        self._waiting: list[_Arrived] = []
        self._running = False

    def take(self, arrived: _Arrived) -> None:
        self._waiting.append(arrived)
        if not self._running:
            self._running = True
            self._router.start(self._run(), self.endpoint.name)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                if timely := self._timely(batch):
                    await self._handle_batch(timely)
        finally:
            self._running = False

    def _timely(self, batch: list[_Arrived]) -> list[_Arrived]:
        """Those that somebody still waits for: after a stall, the past is not worked off before the present."""
        now = self._router.now()
        timely = [arrived for arrived in batch if now - arrived.at < arrived.call.timeout_s]
        if len(timely) < len(batch):
            late = [arrived for arrived in batch if now - arrived.at >= arrived.call.timeout_s]
            self._router.finished(len(late))
            error = ServiceError("timeout", "It was not done in time. Try again in a moment.")
            self._answer(late, [error] * len(late))
        return timely

    async def _handle_batch(self, batch: list[_Arrived]) -> None:
        call = batch[0].call
        # Of several calls none is the one: the endpoint alone can be told.
        ORIGIN.set(
            Origin(_request_of(call), call.trace, call.endpoint)
            if len(batch) == 1
            else Origin(endpoint=call.endpoint, batch=len(batch))
        )
        outcomes: Sequence[Any]
        try:
            asked = [(arrived.call.caller, arrived.request) for arrived in batch]
            outcomes = await self._handle(self._router.state, asked)
            if len(outcomes) != len(batch):
                raise ValueError(f"{len(batch)} calls, but {len(outcomes)} results")
        except (Exception, asyncio.CancelledError) as fault:  # as above; the whole batch shares its fate
            if _is_our_end(fault):
                raise
            outcomes = [self._fault(fault, batch[0].call)] * len(batch)
        finally:
            self._router.finished(len(batch))
        self._answer(batch, outcomes)


def _request_of(call: Call) -> str:
    """A request's id; an event's is the number of its call, which no other call of any gateway has."""
    return call.request or f"{call.id:x}"


_at: Final = operator.attrgetter("at")


def _is_our_end(fault: BaseException) -> bool:
    """Whether this very task is cancelled, rather than something that a handler waited for."""
    task = asyncio.current_task()
    return isinstance(fault, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _refusal(caller: Caller) -> ServiceError:
    if caller.kind == "anonymous":
        return ServiceError("unauthorized", "Sign in first.")
    return ServiceError("forbidden", "Your account may not do this.")


def _complaint(endpoint: str, fault: Exception, expected: str) -> str:
    if isinstance(fault, msgspec.ValidationError):
        return f"{endpoint}: {fault}. {expected}" if expected else f"{endpoint}: {fault}"
    return f"{endpoint}: this is not one well-formed JSON value."
