"""Memory: what the process that holds the sockets grows by for each idle websocket.

Each round starts the programs anew. The peers collect their garbage before memory is read; the gateway, which
has no event for that, is read as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from bench import machine, servers
from bench.crowd import Crowd, crowd_of, tokens_of
from bench.results import Finding, Unfit, ratio
from bench.run import Run, settle
from bench.servers import System
from cli.live.socket import event_frame

CLIENTS: Final = 2_000
WARM_UP_CLIENTS: Final = 20
QUIET_S: Final = 3.0
UNIT: Final = "KiB resident per idle websocket"

Start = Callable[[], AbstractAsyncContextManager[System]]


async def measure(run: Run) -> list[Finding]:
    starts: dict[str, tuple[Start, str]] = {
        servers.PULSO: (servers.pulso, "gateway-1"),
        servers.NODE: (lambda: servers.node("bare"), "server"),
        servers.PYTHON: (lambda: servers.python_socketio("bare"), "server"),
    }
    series = await run.alternate(
        f"memory of {run.clients(CLIENTS)} idle websockets",
        {name: partial(_kib_each, run, start, program) for name, (start, program) in starts.items()},
    )
    what = f"{run.clients(CLIENTS)} idle websockets"
    note = "Pulso: the gateway, each connection another guest who follows a topic of his own; peers: no identity"
    ours = series[servers.PULSO]
    return [
        ratio("memory", what, UNIT, ours, series[servers.NODE], bar=0.85, note=note),
        ratio("memory", what, UNIT, ours, series[servers.PYTHON], bar=None, note=note),
    ]


async def _kib_each(run: Run, start: Start, program: str) -> float:
    count = run.clients(CLIENTS)
    async with start() as system:
        async with crowd_of(system, WARM_UP_CLIENTS):
            pass  # now all code that a connection needs is loaded
        async with crowd_of(system, 1) as crowd:
            before = await _resident(run, crowd, program)
            await crowd.grow(await tokens_of(system, count))
            after = await _resident(run, crowd, program)
            if crowd.lost:
                raise Unfit(f"{system.name} closed {crowd.lost} idle connections")
            return (after - before) / count / 1024


async def _resident(run: Run, crowd: Crowd, program: str) -> int:
    await settle(QUIET_S / (10 if run.quick else 1))
    if not crowd.system.has_guests:
        await crowd.ask(event_frame("bench:quiet", {}, ack=1), crowd.clients[:1])
    return machine.resident_bytes(crowd.system.pid(program))
