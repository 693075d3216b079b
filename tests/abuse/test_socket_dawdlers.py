"""Clients that begin and do not go on: each is closed when its time is up, and nobody waits for them meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

from tests.abuse.conftest import Report
from tests.abuse.polling import poll, polling, post
from tests.abuse.target import Target
from tests.cases import Case
from tests.raw_http import ask, connected, request
from tests.raw_websocket import PATH, Wire, handshake, opened, upgrade, welcomed

WITHIN_S: Final = 10.0
"""For headers, for a CONNECT, and for an upgrade."""
NOISE_S: Final = 15.0
"""How much later it may be seen on a busy machine."""
TICK_S: Final = 1.0
"""The server looks at its deadlines from time to time."""
HALF_OPEN: Final = 300


async def its_time(wire: Wire, since: float) -> str:
    """How it was closed, and whether that was when its time was up, which began after `since`."""
    ended = await wire.ended(within_s=WITHIN_S + NOISE_S)
    return f"{ended}, {'in time' if time.monotonic() - since > WITHIN_S - TICK_S else 'too early'}"


async def no_connect(target: Target) -> str:
    since = time.monotonic()
    async with opened(target) as wire:
        return await its_time(wire, since)


async def only_refused(target: Target) -> str:
    since = time.monotonic()
    async with opened(target) as wire:
        wire.say('40{"token":"x"}', "40/admin,")
        return await its_time(wire, since)


async def goodbye_to_the_namespace(target: Target) -> str:
    async with welcomed(target, target.guest()) as wire:
        since = time.monotonic()
        wire.say("41")
        return await its_time(wire, since)


async def deaf_to_the_end_of_its_session(target: Target) -> str:
    ana = target.user()
    async with welcomed(target, ana) as wire:
        since = time.monotonic()
        assert (await ask(target, request("POST", "/api/auth/logout", ana.bearer))).status == 200
        await wire.until('42["session:ended"')
        return await its_time(wire, since)


async def a_probe_that_is_not_finished(target: Target) -> str:
    """The WebSocket goes, the session polls on."""
    sid = await polling(target, target.guest())
    since = time.monotonic()
    wire = await handshake(target, path=f"{PATH}&sid={sid}")
    wire.say("2probe")
    assert await wire.packet() == "3probe"
    going_on = asyncio.create_task(_polls(target, sid))
    seen = await its_time(wire, since)
    assert (await post(target, sid, b"3")).status == 200
    going_on.cancel()  # and with it a poll, which would be the session's end
    with contextlib.suppress(asyncio.CancelledError):
        await going_on
    return seen


async def _polls(target: Target, sid: str) -> None:
    while True:
        said = await poll(target, sid, within_s=30)
        assert said.status == 200
        if b"2" in said.body.split(b"\x1e"):
            await post(target, sid, b"3")
        await asyncio.sleep(0.05)  # a client that is upgrading is answered at once


async def half_open_handshakes(target: Target) -> str:
    half = upgrade(target)[:-2]
    async with contextlib.AsyncExitStack() as stack:
        waiting = [await stack.enter_async_context(connected(target)) for _ in range(HALF_OPEN)]
        for number, connection in enumerate(waiting):
            await connection.send(half[: number % len(half)])
        async with welcomed(target, target.guest()) as wire:
            assert await wire.ask("numbers:set", {"value": 5}) == {"value": 5}
        rests = await asyncio.gather(*(connection.closes(within_s=WITHIN_S + NOISE_S) for connection in waiting))
    return f"{sum(rest == b'' for rest in rests)} closed"


DAWDLERS: Final[dict[str, tuple[Callable[[Target], Awaitable[str]], str]]] = {
    "a WebSocket without CONNECT": (no_connect, "closed 1000, in time"),
    "a WebSocket whose CONNECTs are refused": (only_refused, "closed 1000, in time"),
    "a WebSocket that has left its namespace": (goodbye_to_the_namespace, "closed 1000, in time"),
    "a WebSocket that stays when its session ends": (deaf_to_the_end_of_its_session, "closed 1000, in time"),
    "an upgrade that is never finished": (a_probe_that_is_not_finished, "closed 1000, in time"),
    f"{HALF_OPEN} handshakes that are never finished": (half_open_handshakes, f"{HALF_OPEN} closed"),
}


async def test_who_does_not_go_on_is_closed(target: Target, report: Report) -> None:
    """All at the same time: each takes ten seconds."""
    seen = await asyncio.gather(*(dawdle(target) for dawdle, _ in DAWDLERS.values()))
    for (name, (_, expected)), one in zip(DAWDLERS.items(), seen, strict=True):
        report(Case(name, expected, one))
    assert list(seen) == [expected for _, expected in DAWDLERS.values()]
