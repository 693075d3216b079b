"""Request ids and traces: in every log line of a call, and with every call that it makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from pulso import tracing
from pulso.bus import Bus
from pulso.contract import ANONYMOUS, Access, Caller, Contract, Endpoint, Nothing
from pulso.message import Reply
from pulso.party import Connected
from pulso.routes import Routes
from pulso.settings import KitSettings
from pulso.shard import Context, Service
from pulso.tracing import ORIGIN, Origin, traceparent
from tests.services.serving import serving
from tests.waiting import eventually

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

INNER = Endpoint("inner:see", Nothing, Nothing, Access.ANYONE, "See who asks.")
OUTER = Endpoint("outer:ask", Nothing, Nothing, Access.ANYONE, "Ask inner.")
BREAKS = Endpoint("outer:break", Nothing, Nothing, Access.ANYONE, "Fail.")


@asynccontextmanager
async def _itself(context: Context) -> AsyncIterator[Context]:
    yield context


class Asking:
    """Two services, of which one asks the other; who asked inner is in `seen`."""

    def __init__(self) -> None:
        self.seen: list[Origin] = []

    def inner(self) -> Service[Context]:
        routes = Routes[Context]()

        @routes.handler(INNER)
        async def see(_context: Context, _caller: Caller, _request: Nothing) -> Nothing:
            self.seen.append(ORIGIN.get())
            return Nothing()

        return Service(Contract("inner", (INNER,)), routes, _itself)

    def outer(self) -> Service[Context]:
        routes = Routes[Context]()

        @routes.handler(OUTER)
        async def ask(context: Context, _caller: Caller, _request: Nothing) -> Nothing:
            bus: Bus = context.bus
            return await bus.call(bus.channels.service("inner", 0), INNER, Nothing(), ANONYMOUS)

        @routes.handler(BREAKS)
        async def fail(_context: Context, _caller: Caller, _request: Nothing) -> Nothing:
            raise ValueError("broken")

        return Service(Contract("outer", (OUTER, BREAKS)), routes, _itself)


async def asked(party: Connected, endpoint: str, *, request_id: str = "", trace: str = "") -> Reply:
    replied: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    channel = party.bus.channels.service("outer", 0)
    party.bus.request(
        channel,
        endpoint,
        b"",
        ANONYMOUS,
        timeout_s=5,
        on_reply=replied.set_result,
        request_id=request_id,
        trace=trace,
    )
    return await replied


async def test_a_request_is_the_same_in_every_service_that_it_reaches(kit: KitSettings, party: Connected) -> None:
    services = Asking()
    async with serving(services.inner(), kit) as inner, serving(services.outer(), kit) as outer:
        await eventually(lambda: inner.status() == outer.status() == "ready")
        assert (await asked(party, "outer:ask", request_id="r-1", trace=TRACE)).code is None
        assert (await asked(party, "outer:ask")).code is None
    first, second = services.seen
    assert (first.request, first.trace, first.endpoint) == ("r-1", TRACE, "inner:see")
    # An event has no id of its own: the number of its call stands for it, all the way.
    assert second.request
    assert second.request != "r-1"
    assert second.trace == ""


async def test_a_failure_is_logged_with_its_request(kit: KitSettings, party: Connected) -> None:
    async with serving(Asking().outer(), kit) as health:
        await eventually(lambda: health.status() == "ready")
        with capture_logs() as lines:
            assert (await asked(party, "outer:break", request_id="r-2")).code == "internal"
    (line,) = [line for line in lines if line["event"] == "handler failed"]
    assert (line["request"], line["endpoint"]) == ("r-2", "outer:break")


def test_a_line_says_whose_work_it_is_unless_it_says_so_itself() -> None:
    token = ORIGIN.set(Origin("r-3", TRACE, "outer:ask"))
    try:
        assert tracing.add_origin(None, "info", {"event": "x"}) == {
            "event": "x", "request": "r-3", "trace": TRACE, "endpoint": "outer:ask",
        }  # fmt: skip
        assert tracing.add_origin(None, "info", {"request": "own"})["request"] == "own"
    finally:
        ORIGIN.reset(token)
    assert tracing.add_origin(None, "info", {"event": "x"}) == {"event": "x"}


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "x",
        TRACE[:-1],
        TRACE.upper(),
        f"{TRACE}\n",
        f"ff{TRACE[2:]}",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        7,
        None,
    ],
)
def test_what_is_no_traceparent_is_not_passed_on(wrong: object) -> None:
    assert traceparent(wrong) == ""
    assert traceparent(TRACE) == TRACE
