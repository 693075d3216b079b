"""A gateway without members of a busy topic: its processor time beside that of a gateway that has them all."""

from __future__ import annotations

from typing import Final

from bench import servers
from bench.crowd import crowd_of
from bench.results import Finding, Series, ratio
from bench.run import Run, cpu_us_each
from cli.live.socket import event_frame

MEMBERS: Final = 500
BURST, BYTES = 4, 64
SECONDS: Final = 5.0
UNIT: Final = "ms of gateway CPU per second"


async def measure(run: Run) -> list[Finding]:
    busy: list[float] = []
    idle: list[float] = []
    async with (
        servers.pulso("bench.service", gateways=2) as system,
        crowd_of(system, run.clients(MEMBERS)) as crowd,
    ):
        await crowd.join("busy")
        publish = event_frame("bench:publish", {"topic": "busy", "count": BURST, "size": BYTES}, ack=1)
        ticks = BURST * len(crowd.clients)

        async def burst() -> int:
            await crowd.ask(publish, crowd.clients[:1], ticks=ticks)
            return ticks

        seconds = 1.0 if run.quick else SECONDS
        for number in range(1, run.rounds + 1):
            run.say(f"idle gateway: round {number} of {run.rounds}")
            before = [system.cpu_seconds(gateway) for gateway in ("gateway-1", "gateway-2")]
            await cpu_us_each(crowd, burst, seconds)
            busy.append((system.cpu_seconds("gateway-1") - before[0]) / seconds * 1e3)
            idle.append((system.cpu_seconds("gateway-2") - before[1]) / seconds * 1e3)
    ours, theirs = Series.of("no members", idle), Series.of(f"{run.clients(MEMBERS)} members", busy)
    what = "a gateway beside a busy topic"
    return [ratio("idle", what, UNIT, ours, theirs, bar=0.01)]
