"""Which function answers which endpoint. A service declares it in `handlers.py`:

    routes = Routes[Numbers]()

    @routes.handler(contract.WATCH)
    async def watch(numbers: Numbers, caller: Caller, request: Nothing) -> Nothing: ...

    @routes.batch_handler(contract.SET)
    async def set_values(numbers: Numbers, calls: Sequence[Asked[SetValue]]) -> Sequence[Value]: ...

A batch handler gets all calls that have arrived while the batch before it was handled, so that they can share one
commit. Whatever a handler raises that is no `ServiceError` is logged with its trace and answered `internal`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from pulso.contract import Caller, Contract, Endpoint
from pulso.errors import ServiceError

State = TypeVar("State")
Req = TypeVar("Req")
Res = TypeVar("Res")

Asked: TypeAlias = tuple[Caller, Req]
"""One call as a batch handler sees it: who asks, and for what."""

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
