"""Mass disconnect: processor time of the gateway for each of many clients that leave at once, beside few.

Each is another guest with a topic of his own, and all follow one topic more. What the gateway puts off (it gives
topics up a while after their last member has left) is counted, too.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from bench import servers
from bench.crowd import Crowd, tokens_of
from bench.results import Finding, Unfit, ratio
from bench.run import Run, settle
from bench.servers import System

FEW: Final = 1_000
MANY: Final = 5_000
TOPIC: Final = "left"
GATEWAY: Final = "gateway-1"
GONE_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.2
AFTERWARDS_S: Final = 6.0
"""Longer than a topic without members stays subscribed (`hub.LINGER_S`)."""

UNIT: Final = "us of gateway CPU per client"


async def measure(run: Run) -> list[Finding]:
    few, many = run.clients(FEW), run.clients(MANY)
    async with servers.pulso("bench.service") as system:
        tokens = await tokens_of(system, many)
        await _us_each(run, system, tokens[:few])  # warms up
        what = {f"{count:,} clients": partial(_us_each, run, system, tokens[:count]) for count in (few, many)}
        fewer, more = (await run.alternate("mass disconnect", what)).values()
    note = "an idle gateway's CPU in that time is included; linear is 1 x"
    return [ratio("leave", f"{many:,} clients leave at once", UNIT, more, fewer, bar=1.5, note=note)]


async def _us_each(run: Run, system: System, tokens: list[str | None]) -> float:
    crowd = Crowd(system)
    await crowd.grow(tokens)
    await crowd.join(TOPIC)
    await settle(0.2)
    before = system.cpu_seconds(GATEWAY)
    crowd.close()
    await _all_gone(system)
    await settle(1.0 if run.quick else AFTERWARDS_S)
    return (system.cpu_seconds(GATEWAY) - before) / len(tokens) * 1e6


async def _all_gone(system: System) -> None:
    for _ in range(round(GONE_WITHIN_S / LOOK_EVERY_S)):
        if not await system.metric(GATEWAY, "pulso_connections"):
            return
        await settle(LOOK_EVERY_S)
    raise Unfit(f"clients were still there {GONE_WITHIN_S:g} s after they had left")
