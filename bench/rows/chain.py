"""The whole chain: processor time of all server programs for each event that is stored and then acked.

All clients send at once, and again when all of them have their acks. Pulso commits to SQLite with a full sync
(client, gateway, Redis, service, disk, and back); the peers, in one process, do one HSET on a Redis that keeps
nothing on the disk.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from bench import servers
from bench.crowd import Crowd, crowd_of
from bench.results import Finding, ratio
from bench.run import Run, cpu_us_each
from cli.live.socket import event_frame

CLIENTS: Final = 500
UNIT: Final = "us of server CPU per event"
NUMBERS: Final = "Pulso numbers:set"

Event = tuple[str, Any]


def _store(wave: int) -> Event:
    return "bench:store", {"value": wave}


def _set(wave: int) -> Event:
    return "numbers:set", {"value": wave % 100}


async def measure(run: Run) -> list[Finding]:
    events = {servers.PULSO: _store, NUMBERS: _set, servers.NODE: _store, servers.PYTHON: _store}
    async with contextlib.AsyncExitStack() as stack:
        systems = {
            servers.PULSO: await stack.enter_async_context(servers.pulso("bench.service")),
            NUMBERS: await stack.enter_async_context(servers.pulso("services.numbers")),
            servers.NODE: await stack.enter_async_context(servers.node("store")),
            servers.PYTHON: await stack.enter_async_context(servers.python_socketio("store")),
        }
        waves = {}
        for name, system in systems.items():
            run.say(f"chain: connecting {run.clients(CLIENTS)} clients to {name}, warming up")
            crowd = await stack.enter_async_context(crowd_of(system, run.clients(CLIENTS)))
            waves[name] = _Waves(crowd, events[name])
            await waves[name].of_each_event(run.warm_up_seconds)
        measures = {name: partial(wave.of_each_event, run.seconds) for name, wave in waves.items()}
        series = await run.alternate("chain", measures)
    findings = []
    for name, event in ((servers.PULSO, "bench:store"), (NUMBERS, "numbers:set")):
        what = f"{event}, durable, acked; {run.clients(CLIENTS)} in lockstep"
        note = "peers: one HSET, nothing on the disk"
        findings += [
            ratio("chain", what, UNIT, series[name], series[servers.NODE], bar=0.6, note=note),
            ratio("chain", what, UNIT, series[name], series[servers.PYTHON], bar=0.25, note=note),
        ]
    return findings


class _Waves:
    """A crowd in lockstep; every wave stores another value than the one before."""

    def __init__(self, crowd: Crowd, event: Callable[[int], Event]) -> None:
        self._crowd = crowd
        self._event = event
        self._numbers = itertools.count()

    async def of_each_event(self, seconds: float) -> float:
        return await cpu_us_each(self._crowd, self._wave, seconds)

    async def _wave(self) -> int:
        name, payload = self._event(next(self._numbers))
        await self._crowd.ask(event_frame(name, payload, ack=1))
        return len(self._crowd.clients)
