"""How the calls to one endpoint are handled, one by one or all together that have come meanwhile; and measured."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar, get_args

import msgspec
import structlog

from pulso import metrics
from pulso.contract import Caller, Endpoint, Kind
from pulso.errors import ServiceError
from pulso.manifest import expectations
from pulso.routes import Asked, Many, One, State
from pulso.tracing import ORIGIN, Origin

State_co = TypeVar("State_co", covariant=True)

MAX_CALLS: Final = 20_000
"""Calls in hand for which each has a task, some 4 KB; past this a call is answered `unavailable` at once."""
MAX_BATCHED_CALLS: Final = 100_000
"""The same for those that are handled in batches, 0.3 KB each: what can be done within the usual deadline of 5 s.

With 20,000, those of 8,000 number clients (16,000 a second) met it at 1.3 s of delay, long before the deadline.
"""
MAX_BATCH: Final = 1_000
"""With this many calls a batch is full; what came in one envelope stays together, so it may have some more."""

NOTHING: Final = frozenset({b"", b"null"})
"""Payloads that stand for an empty object."""

log = structlog.get_logger(__name__)


class Together(msgspec.Struct):
    """Calls to one endpoint that came in one envelope: decoded, allowed, not yet answered."""

    endpoint: str
    reply_to: str
    timeout_s: float
    at: float
    ids: list[int]
    asked: list[Asked[Any]]
    request: str = ""
    trace: str = ""

    def each(self) -> Iterator[Together]:
        for id_, asked in zip(self.ids, self.asked, strict=True):
            yield Together(
                self.endpoint, self.reply_to, self.timeout_s, self.at, [id_], [asked], self.request, self.trace
            )


class Desk(Protocol[State_co]):
    """What lanes need of the router that they belong to."""

    @property
    def state(self) -> State_co: ...
    def now(self) -> float: ...
    def start(self, work: Any, name: str) -> None: ...
    def reply(self, together: Together, ids: list[int], payloads: list[bytes]) -> None: ...
    def refuse(self, together: Together, id_: int, error: ServiceError) -> None: ...
    def finished(self, count: int) -> None: ...


class Lane(Generic[State]):
    """What is the same for both kinds of handlers."""

    def __init__(self, router: Desk[State], endpoint: Endpoint[Any, Any]) -> None:
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

    def most_in_hand(self) -> int:
        raise NotImplementedError

    def take(self, together: Together) -> None:
        raise NotImplementedError

    def refuse(self, together: Together, id_: int, error: ServiceError) -> None:
        self._count(error.code, 1)
        self._router.refuse(together, id_, error)

    def _answer(self, together: Together, outcomes: Sequence[Any]) -> None:
        """Reply and measure; an outcome may be a `ServiceError` that was returned or raised.

        Who asks finds the answer by its id: results go together, and a refusal among them may go before those of
        calls that were handled before it. In Socket.IO, too, acks are told apart by id and come in any order.
        """
        ids = together.ids
        try:
            payloads = list(map(self._encoder.encode, outcomes))
        except Exception:  # an error among them, or what no JSON can carry
            ids, payloads = self._sorted_out(together, outcomes)
        if ids:
            self._router.reply(together, ids, payloads)
            self._count("ok", len(ids))
        self._seconds.observe(self._router.now() - together.at, len(outcomes))

    def _sorted_out(self, together: Together, outcomes: Sequence[Any]) -> tuple[list[int], list[bytes]]:
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

    def _fault(self, fault: BaseException, together: Together) -> ServiceError:
        if isinstance(fault, ServiceError):
            return fault
        log.error("handler failed", endpoint=self.endpoint.name, request=_request_of(together), exc_info=fault)
        return ServiceError("internal", "Something went wrong on our side. It has been logged.")


class OneByOne(Lane[State]):
    """A task a call."""

    def __init__(self, router: Desk[State], endpoint: Endpoint[Any, Any], handle: One[State, Any, Any]) -> None:
        super().__init__(router, endpoint)
        self._handle = handle

    def most_in_hand(self) -> int:
        return MAX_CALLS

    def take(self, together: Together) -> None:
        for one in together.each():
            self._router.start(self._run(one), self.endpoint.name)

    async def _run(self, one: Together) -> None:
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


class Batched(Lane[State]):
    """One task at a time for all calls that wait."""

    def __init__(self, router: Desk[State], endpoint: Endpoint[Any, Any], handle: Many[State, Any, Any]) -> None:
        super().__init__(router, endpoint)
        self._handle = handle
        self._waiting: deque[Together] = deque()
        self._running = False

    def most_in_hand(self) -> int:
        return MAX_BATCHED_CALLS

    def take(self, together: Together) -> None:
        self._waiting.append(together)
        if not self._running:
            self._running = True
            self._router.start(self._run(), self.endpoint.name)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft()]
                calls = len(batch[0].ids)
                while self._waiting and calls < MAX_BATCH:
                    batch.append(self._waiting.popleft())
                    calls += len(batch[-1].ids)
                if timely := [together for together in batch if self._is_timely(together)]:
                    await self._handle_batch(timely)
        finally:
            self._running = False

    def _is_timely(self, together: Together) -> bool:
        """Whether somebody still waits for it: after a stall, the past is not worked off before the present."""
        if self._router.now() - together.at < together.timeout_s:
            return True
        calls = len(together.ids)
        self._router.finished(calls)
        self._answer(
            together, [ServiceError("timeout", "It was not done in time. Try again in a moment.")] * calls
        )
        return False

    async def _handle_batch(self, batch: list[Together]) -> None:
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


def _request_of(together: Together) -> str:
    """A request's id; an event's is the number of its call, which no other call of any gateway has."""
    return together.request or f"{together.ids[0]:x}"


def _is_our_end(fault: BaseException) -> bool:
    """Whether this very task is cancelled, rather than something that a handler waited for."""
    task = asyncio.current_task()
    return isinstance(fault, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _complaint(endpoint: str, fault: Exception, expected: str) -> str:
    if isinstance(fault, msgspec.ValidationError):
        return f"{endpoint}: {fault}. {expected}" if expected else f"{endpoint}: {fault}"
    return f"{endpoint}: this is not one well-formed JSON value."
