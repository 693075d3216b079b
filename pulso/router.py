"""From a batch of calls to their replies: decode, check access, handle, reply, measure."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final, Generic, get_args

import msgspec
import structlog

from pulso import metrics
from pulso.bus import Bus
from pulso.contract import Caller, Endpoint, Kind, expectations
from pulso.errors import ServiceError
from pulso.message import Call, Calls, Envelope, Reply, decode_caller
from pulso.routes import Asked, Many, One, Routes, State
from pulso.tracing import ORIGIN, Origin

MAX_CALLS: Final = 20_000
"""Calls in hand at the most; past this a call is answered `unavailable` at once."""
MAX_BATCH: Final = 1_000
DRAIN_S: Final = 5.0

NOTHING: Final = frozenset({b"", b"null"})
"""Payloads that stand for an empty object."""

log = structlog.get_logger(__name__)


class _Together(msgspec.Struct):
    """Calls to one endpoint that came in one envelope: decoded, allowed, not yet answered."""

    endpoint: str
    reply_to: str
    timeout_s: float
    at: float
    ids: list[int]
    asked: list[Asked[Any]]
    request: str = ""
    trace: str = ""

    def each(self) -> Iterator[_Together]:
        for id_, asked in zip(self.ids, self.asked, strict=True):
            yield _Together(
                self.endpoint, self.reply_to, self.timeout_s, self.at, [id_], [asked], self.request, self.trace
            )


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
            if type(envelope) is Calls:
                together = _Together(envelope.endpoint, envelope.reply_to, envelope.timeout_s, now, [], [])
                callers = list(map(decode_caller, envelope.callers))
                self._accept(together, envelope.ids, callers, envelope.payloads)
            elif type(envelope) is Call:
                together = _Together(
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

    def reply(self, together: _Together, ids: list[int], payloads: list[bytes]) -> None:
        self._bus.answer(together.reply_to, ids, payloads)

    def refuse(self, together: _Together, id_: int, error: ServiceError) -> None:
        self._bus.send(together.reply_to, Reply(id_, error.encode(), error.code))

    def finished(self, count: int) -> None:
        self._in_hand -= count
        if not self._in_hand:
            self._idle.set()

    def _accept(self, together: _Together, ids: list[int], callers: list[Caller], payloads: list[bytes]) -> None:
        lane = self._lanes.get(together.endpoint)
        if lane is None:
            for id_ in ids:
                self.refuse(together, id_, ServiceError("not_found", f"There is no {together.endpoint} here."))
            return
        if self._in_hand + len(ids) > MAX_CALLS:
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


class _Lane(Generic[State]):
    """What is the same for both kinds of handlers."""

    def __init__(self, router: Router[State], endpoint: Endpoint[Any, Any]) -> None:
        self.endpoint = endpoint
        self.kinds = frozenset(kind for kind in get_args(Kind) if Caller("", "", kind).may(endpoint.access))
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

    def take(self, together: _Together) -> None:
        raise NotImplementedError

    def refuse(self, together: _Together, id_: int, error: ServiceError) -> None:
        self._count(error.code, 1)
        self._router.refuse(together, id_, error)

    def _answer(self, together: _Together, outcomes: Sequence[Any]) -> None:
        """Reply and measure; an outcome may be a `ServiceError` that was returned or raised."""
        ids = together.ids
        try:
            payloads = list(map(self._encoder.encode, outcomes))
        except Exception:  # an error among them, or what no JSON can carry
            ids, payloads = self._sorted_out(together, outcomes)
        if ids:
            self._router.reply(together, ids, payloads)
            self._count("ok", len(ids))
        self._seconds.observe(self._router.now() - together.at, len(outcomes))

    def _sorted_out(self, together: _Together, outcomes: Sequence[Any]) -> tuple[list[int], list[bytes]]:
        """The ids and payloads of those that went well; the others are refused."""
        ids: list[int] = []
        payloads: list[bytes] = []
        for id_, outcome in zip(together.ids, outcomes, strict=True):
            try:
                if isinstance(outcome, ServiceError):
                    raise outcome
                payloads.append(self._encoder.encode(outcome))
            except Exception as fault:  # a result that no JSON can carry is the handler's fault, too
                self.refuse(together, id_, self._fault(fault, together))
            else:
                ids.append(id_)
        return ids, payloads

    def _count(self, outcome: str, calls: int) -> None:
        metrics.CALLS.counts[self.endpoint.name, outcome] += calls

    def _fault(self, fault: BaseException, together: _Together) -> ServiceError:
        if isinstance(fault, ServiceError):
            return fault
        log.error("handler failed", endpoint=self.endpoint.name, request=_request_of(together), exc_info=fault)
        return ServiceError("internal", "Something went wrong on our side. It has been logged.")


class _OneByOne(_Lane[State]):
    """A task a call."""

    def __init__(self, router: Router[State], endpoint: Endpoint[Any, Any], handle: One[State, Any, Any]) -> None:
        super().__init__(router, endpoint)
        self._handle = handle

    def take(self, together: _Together) -> None:
        for one in together.each():
            self._router.start(self._run(one), self.endpoint.name)

    async def _run(self, one: _Together) -> None:
        ORIGIN.set(Origin(_request_of(one), one.trace, one.endpoint))  # the task's own
        ((caller, request),) = one.asked
        outcome: Any
        try:
            outcome = await self._handle(self._router.state, caller, request)
        except (Exception, asyncio.CancelledError) as fault:  # the boundary where what went wrong becomes a code
            if _is_our_end(fault):
                raise
            outcome = self._fault(fault, one)
        finally:
            self._router.finished(1)
        self._answer(one, (outcome,))


class _Batched(_Lane[State]):
    """One task at a time for all calls that wait."""

    def __init__(self, router: Router[State], endpoint: Endpoint[Any, Any], handle: Many[State, Any, Any]) -> None:
        super().__init__(router, endpoint)
        self._handle = handle
        self._waiting: deque[_Together] = deque()
        self._running = False

    def take(self, together: _Together) -> None:
        self._waiting.append(together)
        if not self._running:
            self._running = True
            self._router.start(self._run(), self.endpoint.name)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, calls = [self._waiting.popleft()], 0
                while self._waiting and calls < MAX_BATCH:
                    batch.append(self._waiting.popleft())
                    calls += len(batch[-1].ids)
                if timely := [together for together in batch if self._is_timely(together)]:
                    await self._handle_batch(timely)
        finally:
            self._running = False

    def _is_timely(self, together: _Together) -> bool:
        """Whether somebody still waits for it: after a stall, the past is not worked off before the present."""
        if self._router.now() - together.at < together.timeout_s:
            return True
        calls = len(together.ids)
        self._router.finished(calls)
        self._answer(
            together, [ServiceError("timeout", "It was not done in time. Try again in a moment.")] * calls
        )
        return False

    async def _handle_batch(self, batch: list[_Together]) -> None:
        first = batch[0]
        asked = first.asked if len(batch) == 1 else [one for together in batch for one in together.asked]
        # Of several calls none is the one: the endpoint alone can be told.
        ORIGIN.set(
            Origin(_request_of(first), first.trace, first.endpoint)
            if len(asked) == 1
            else Origin(endpoint=first.endpoint, batch=len(asked))
        )
        outcomes: Sequence[Any]
        try:
            outcomes = await self._handle(self._router.state, asked)
            if len(outcomes) != len(asked):
                raise ValueError(f"{len(asked)} calls, but {len(outcomes)} results")
        except (Exception, asyncio.CancelledError) as fault:  # as above; the whole batch shares its fate
            if _is_our_end(fault):
                raise
            outcomes = [self._fault(fault, first)] * len(asked)
        finally:
            self._router.finished(len(asked))
        begin = 0
        for together in batch:
            end = begin + len(together.ids)
            self._answer(together, outcomes[begin:end])
            begin = end


def _request_of(together: _Together) -> str:
    """A request's id; an event's is the number of its call, which no other call of any gateway has."""
    return together.request or f"{together.ids[0]:x}"


def _is_our_end(fault: BaseException) -> bool:
    """Whether this very task is cancelled, rather than something that a handler waited for."""
    task = asyncio.current_task()
    return isinstance(fault, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _too_much() -> ServiceError:
    return ServiceError("unavailable", "The service has too much to do. Try again in a moment.")


def _refusal(caller: Caller) -> ServiceError:
    if caller.kind == "anonymous":
        return ServiceError("unauthorized", "Sign in first.")
    return ServiceError("forbidden", "Your account may not do this.")


def _complaint(endpoint: str, fault: Exception, expected: str) -> str:
    if isinstance(fault, msgspec.ValidationError):
        return f"{endpoint}: {fault}. {expected}" if expected else f"{endpoint}: {fault}"
    return f"{endpoint}: this is not one well-formed JSON value."
