"""Connecting: processor time of the server from an anonymous handshake to the answer to CONNECT.

Measured on the engine alone (`bench.protocol_server`), beside socket.io alone. Closing is not measured.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Final

from bench import servers
from bench.crowd import Crowd
from bench.results import Finding, ratio
from bench.run import Run, settle
from bench.servers import System

CONNECTS: Final = 2_000
AT_A_TIME: Final = 250
"""Few enough to be connected before the engine, which pings every 300 ms here, sends the first ping."""

CLOSED_WITHIN_S: Final = 0.3
UNIT: Final = "us of server CPU per connect"


async def measure(run: Run) -> list[Finding]:
    async with contextlib.AsyncExitStack() as stack:
        systems = [
            await stack.enter_async_context(servers.protocol_server()),
            await stack.enter_async_context(servers.node("bare")),
            await stack.enter_async_context(servers.python_socketio("bare")),
        ]
        for system in systems:
            run.say(f"connect: warming up {system.name}")
            await _us_each(run, system)
        series = await run.alternate(
            "connect", {system.name: partial(_us_each, run, system) for system in systems}
        )
    ours = series[servers.PULSO]
    what = "anonymous handshake to CONNECT ack"
    return [
        ratio("connect", what, UNIT, ours, series[servers.NODE], bar=0.6),
        ratio("connect", what, UNIT, ours, series[servers.PYTHON], bar=None),
    ]


async def _us_each(run: Run, system: System) -> float:
    total_s, connects = 0.0, 0
    while connects < run.clients(CONNECTS):
        crowd = Crowd(system)
        before = system.cpu_seconds()
        await crowd.grow([None] * AT_A_TIME)
        total_s += system.cpu_seconds() - before
        connects += AT_A_TIME
        crowd.close()
        await settle(CLOSED_WITHIN_S)
    return total_s / connects * 1e6
