"""From a batch of calls to their replies: decode, check access, handle, reply, measure.

A service declares its handlers in `handlers.py`:

    routes = Routes[Numbers]()

    @routes.handler(contract.WATCH)
    async def watch(numbers: Numbers, caller: Caller, request: Nothing) -> Nothing: ...

    @routes.batch_handler(contract.SET)
    async def set_values(numbers: Numbers, calls: Sequence[Asked[SetValue]]) -> Sequence[Value]: ...

A batch handler gets all calls that have arrived while the batch before it was handled, so that they can share one
commit. Whatever a handler raises that is no `ServiceError` is logged with its trace and answered `internal`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec
import structlog

from pulso import metrics
from pulso.bus import Bus
from pulso.contract import Caller, Contract, Endpoint
from pulso.errors import ServiceError
from pulso.message import Call, Envelope, Reply

State = TypeVar("State")
Req = TypeVar("Req")
Res = TypeVar("Res")

MAX_CALLS: Final = 20_000
"""Calls in hand at the most; past this a call is answered `unavailable` at once."""
MAX_BATCH: Final = 1_000
DRAIN_S: Final = 5.0

log = structlog.get_logger(__name__)


class Asked(NamedTuple, Generic[Req]):
    """One call as a batch handler sees it."""

    caller: Caller
    request: Req


One = Callable[[State, Caller, Req], Awaitable[Res]]
Many = Callable[[State, Sequence[Asked[Req]]], Awaitable[Sequence[Res | ServiceError]]]


class Routes(Generic[State]):
    """Which function answers which endpoint: a declaration, complete before anything runs."""

    def __init__(self) -> None:
        self.ones: dict[str, tuple[Endpoint[Any, Any], One[State, Any, Any]]] = {}
        self.manies: dict[str, tuple[Endpoint[Any, Any], Many[State, Any, Any]]] = {}

    def handler(self, endpoint: Endpoint[Req, Res]) -> Callable[[One[State, Req, Res]], One[State, Req, Res]]:
        def declare(handle: One[State, Req, Res]) -> One[State, Req, Res]:
            self.ones[endpoint.name] = (endpoint, handle)
            return handle

        return declare

    def batch_handler(
        self, endpoint: Endpoint[Req, Res]
    ) -> Callable[[Many[State, Req, Res]], Many[State, Req, Res]]:
        def declare(handle: Many[State, Req, Res]) -> Many[State, Req, Res]:
            self.manies[endpoint.name] = (endpoint, handle)
            return handle

        return declare

    def check(self, contract: Contract) -> None:
        """Raises ValueError unless every endpoint of the contract has exactly one handler."""
        offered = {endpoint.name for endpoint in contract.endpoints}
        handled = [*self.ones, *self.manies]
        if offered != set(handled) or len(handled) != len(offered):
            raise ValueError(f"{contract.service}: endpoints {offered} but handlers for {handled}")


@dataclass(slots=True)
class _Arrived:
    """A call in hand: decoded, allowed, not yet answered."""

    call: Call
    asked: Asked[Any]
    at: float


class Router(Generic[State]):
    """Answers the calls to one shard."""

    def __init__(self, routes: Routes[State], state: State, bus: Bus) -> None:
        self.state = state
        self._bus = bus
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
        now = asyncio.get_running_loop().time()
        for envelope in batch:
            if isinstance(envelope, Call):
                self._accept_call(envelope, now)

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
            asked = Asked(call.caller, lane.decode(call.payload))
        except ServiceError as error:
            lane.count(error.code)
            self.reply(call, error)
            return
        self._in_hand += 1
        self._idle.clear()
        lane.take(_Arrived(call, asked, now))


class _Lane(Generic[State]):
    """What is the same for both kinds of handlers."""

    def __init__(self, router: Router[State], endpoint: Endpoint[Any, Any]) -> None:
        self.endpoint = endpoint
        self._router = router
        self._decoder = msgspec.json.Decoder(endpoint.request)
        self._encoder = msgspec.json.Encoder()
        self._seconds = metrics.CALL_SECONDS.labels(endpoint.name)
        self._ok = metrics.CALLS.labels(endpoint.name, "ok")

    def decode(self, payload: bytes) -> Any:
        """Nothing and null stand for an empty object. Raises `ServiceError("bad_request")`."""
        try:
            return self._decoder.decode(b"{}" if payload in _EMPTY else payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
            raise ServiceError("bad_request", _complaint(self.endpoint.name, fault)) from None

    def take(self, arrived: _Arrived) -> None:
        raise NotImplementedError

    def count(self, outcome: str) -> None:
        metrics.CALLS.labels(self.endpoint.name, outcome).inc()

    def _answer(self, arrived: _Arrived, outcome: Any) -> None:
        """Reply and measure; the result may be a `ServiceError` that was returned or raised."""
        if not isinstance(outcome, ServiceError):
            try:
                outcome = self._encoder.encode(outcome)
            except Exception as fault:  # a result that no JSON can carry is the handler's fault, too
                outcome = self._fault(fault, arrived.call)
        if isinstance(outcome, ServiceError):
            self.count(outcome.code)
        else:
            self._ok.inc()
        self._router.reply(arrived.call, outcome)
        self._seconds.observe(asyncio.get_running_loop().time() - arrived.at)

    def _fault(self, fault: BaseException, call: Call) -> ServiceError:
        if isinstance(fault, ServiceError):
            return fault
        log.error("handler failed", endpoint=self.endpoint.name, request=call.request, exc_info=fault)
        return ServiceError("internal", "Something went wrong on our side. It has been logged.")


class _OneByOne(_Lane[State]):
    """A task a call."""

    def __init__(self, router: Router[State], endpoint: Endpoint[Any, Any], handle: One[State, Any, Any]) -> None:
        super().__init__(router, endpoint)
        self._handle = handle

    def take(self, arrived: _Arrived) -> None:
        self._router.start(self._run(arrived), self.endpoint.name)

    async def _run(self, arrived: _Arrived) -> None:
        outcome: Any
        try:
            outcome = await self._handle(self._router.state, arrived.asked.caller, arrived.asked.request)
        except (Exception, asyncio.CancelledError) as fault:  # the boundary where what went wrong becomes a code
            if _is_our_end(fault):
                raise
            outcome = self._fault(fault, arrived.call)
        finally:
            self._router.finished(1)
        self._answer(arrived, outcome)


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
        now = asyncio.get_running_loop().time()
        timely = []
        for arrived in batch:
            if now - arrived.at < arrived.call.timeout_s:
                timely.append(arrived)
            else:
                self._router.finished(1)
                self._answer(arrived, ServiceError("timeout", "It was not done in time. Try again in a moment."))
        return timely

    async def _handle_batch(self, batch: list[_Arrived]) -> None:
        outcomes: Sequence[Any]
        try:
            outcomes = await self._handle(self._router.state, [arrived.asked for arrived in batch])
            if len(outcomes) != len(batch):
                raise ValueError(f"{len(batch)} calls, but {len(outcomes)} results")
        except (Exception, asyncio.CancelledError) as fault:  # as above; the whole batch shares its fate
            if _is_our_end(fault):
                raise
            outcomes = [self._fault(fault, batch[0].call)] * len(batch)
        finally:
            self._router.finished(len(batch))
        for arrived, outcome in zip(batch, outcomes, strict=True):
            self._answer(arrived, outcome)


def _is_our_end(fault: BaseException) -> bool:
    """Whether this very task is cancelled, rather than something that a handler waited for."""
    task = asyncio.current_task()
    return isinstance(fault, asyncio.CancelledError) and task is not None and task.cancelling() > 0


_EMPTY: Final = frozenset({b"", b"null"})


def _refusal(caller: Caller) -> ServiceError:
    if caller.kind == "anonymous":
        return ServiceError("unauthorized", "Sign in first.")
    return ServiceError("forbidden", "Your account may not do this.")


def _complaint(endpoint: str, fault: Exception) -> str:
    if isinstance(fault, msgspec.ValidationError):
        return f"{endpoint}: {fault}"
    return f"{endpoint}: this is not well-formed JSON."
