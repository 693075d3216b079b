"""Fan-out: processor time of all server programs for each message delivered to a member of a topic.

One of the members publishes; the next burst is asked for when every member has got all of the one before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Final

from bench import servers
from bench.crowd import Crowd, crowd_of, tokens_of
from bench.results import Finding, Series, ratio
from bench.run import Run, cpu_us_each
from cli.live.socket import event_frame

TOPIC: Final = "busy"
BYTES: Final = 64
FEW, MANY, BURST = 500, 2_000, 4
UNIT: Final = "us of server CPU per delivered message"


async def measure(run: Run) -> list[Finding]:
    async with contextlib.AsyncExitStack() as stack:
        systems = [
            await stack.enter_async_context(servers.pulso("bench.service")),
            await stack.enter_async_context(servers.node("room")),
            await stack.enter_async_context(servers.python_socketio("room")),
        ]
        run.say(f"fan-out: connecting {run.clients(FEW)} clients each")
        crowds = [await stack.enter_async_context(crowd_of(system, run.clients(FEW))) for system in systems]
        few = await _bursts(run, crowds, BURST)
        singles = await _bursts(run, crowds[:2], 1)
        run.say(f"fan-out: connecting {run.clients(MANY)} clients each")
        for crowd in crowds:
            await crowd.grow(await tokens_of(crowd.system, run.clients(MANY) - len(crowd.clients)))
        many = await _bursts(run, crowds, BURST)
    return [
        *_findings(f"fan-out to {run.clients(FEW)} in bursts of {BURST}", few, node=0.55, python=0.25),
        *_findings(f"fan-out to {run.clients(MANY)} in bursts of {BURST}", many, node=0.55, python=0.25),
        *_findings(f"fan-out to {run.clients(FEW)}, one message at a time", singles, node=0.65),
    ]


async def _bursts(run: Run, crowds: Sequence[Crowd], count: int) -> dict[str, Series]:
    for crowd in crowds:
        run.say(f"fan-out: warming up {crowd.system.name}")
        await crowd.join(TOPIC)
        await _of_each_message(crowd, count, run.warm_up_seconds)
    return await run.alternate(
        f"fan-out to {len(crowds[0].clients)} in bursts of {count}",
        {crowd.system.name: partial(_of_each_message, crowd, count, run.seconds) for crowd in crowds},
    )


async def _of_each_message(crowd: Crowd, count: int, seconds: float) -> float:
    frame = event_frame("bench:publish", {"topic": TOPIC, "count": count, "size": BYTES}, ack=1)
    members = len(crowd.clients)

    async def burst() -> int:
        # The publisher is a member like the others: the systems are asked for nothing else.
        await crowd.ask(frame, crowd.clients[:1], ticks=count * members)
        return count * members

    return await cpu_us_each(crowd, burst, seconds)


def _findings(
    measure: str, series: dict[str, Series], *, node: float, python: float | None = None
) -> list[Finding]:
    ours = series[servers.PULSO]
    against_node = ratio("fanout", measure, UNIT, ours, series[servers.NODE], bar=node)
    if python is None:
        return [against_node]
    return [against_node, ratio("fanout", measure, UNIT, ours, series[servers.PYTHON], bar=python)]
