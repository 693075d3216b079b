"""The log of all messages: processor time of the gateway for each message, with it and without.

A message is an event that is answered, 10,000 of them a second: echoed by a service that stores nothing, so that
the gateway's own work is the largest part. Both gateways are Pulso's; one has `PULSO_JOURNAL=off`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import Final

from bench import servers
from bench.crowd import Crowd, crowd_of
from bench.results import Finding, Series, figure
from bench.run import Run
from cli.live.socket import event_frame

CLIENTS: Final = 500
PER_SECOND: Final = 10_000
GATEWAY: Final = "gateway-1"
MOST_US: Final = 4.0
TEXT: Final = "x" * 64
UNIT: Final = "us of gateway CPU per message"

WITH: Final = "Pulso"
WITHOUT: Final = "Pulso, journal off"


async def measure(run: Run) -> list[Finding]:
    async with contextlib.AsyncExitStack() as stack:
        crowds = {}
        for name, setting in ((WITH, "on"), (WITHOUT, "off")):
            started = servers.pulso("bench.service", "services.journal", PULSO_JOURNAL=setting)
            system = await stack.enter_async_context(started)
            run.say(f"journal: connecting {run.clients(CLIENTS)} clients to {name}, warming up")
            crowds[name] = await stack.enter_async_context(crowd_of(system, run.clients(CLIENTS)))
            await _us_each(crowds[name], run.warm_up_seconds)
        measures = {name: partial(_us_each, crowd, 2 * run.seconds) for name, crowd in crowds.items()}
        series = await run.alternate("journal", measures)
        dropped = await crowds[WITH].system.metric(GATEWAY, "pulso_journal_dropped_total")
        stored = await crowds[WITH].system.metric("journal", "pulso_journal_messages_total")
    with_, without = series[WITH].samples, series[WITHOUT].samples
    costs = Series.of(WITH, [a - b for a, b in zip(with_, without, strict=True)])
    what = f"the log of all messages: what it adds, at {PER_SECOND:,} messages a second"
    note = (
        f"all of the gateway's cost is {series[WITH].median:.1f} us with the log, {series[WITHOUT].median:.1f} us "
        f"without; {stored:,.0f} messages were stored, {dropped:.0f} dropped"
    )
    return [figure("journal", what, UNIT, costs, bar=MOST_US, note=note)]


async def _us_each(crowd: Crowd, seconds: float) -> float:
    """Waves of everybody's events at a steady pace, each once the one before is answered."""
    frame = event_frame("bench:echo", {"text": TEXT}, ack=1)
    pause_s = len(crowd.clients) / PER_SECOND
    before, done = crowd.system.cpu_seconds(GATEWAY), 0
    begin = time.monotonic()
    while time.monotonic() < begin + seconds:
        await crowd.ask(frame)
        done += len(crowd.clients)
        due_at = begin + done / len(crowd.clients) * pause_s
        await asyncio.sleep(max(0.0, due_at - time.monotonic()))
    # The journal's last flush belongs to these messages.
    await asyncio.sleep(0.5)
    return (crowd.system.cpu_seconds(GATEWAY) - before) / done * 1e6
