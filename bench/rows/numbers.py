"""Live number clients: thousands of them for a minute, on this machine, the load client included.

Afterwards every client connects anew and must be greeted with the value and the step that it was promised.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
import time
from collections.abc import Iterable, Sequence
from typing import Final

from bench import machine, servers
from bench.crowd import AT_ONCE, tokens_of
from bench.number_client import DRAW_AFTER_S, VALUE_EVERY_S, NumberClient, Tally
from bench.results import Finding, Series, figure, percentile
from bench.run import Run

CLIENTS: Final = 8_000
SECONDS: Final = 60.0
TURN_S: Final = 0.002
LAST_ACKS_WITHIN_S: Final = 10.0


async def measure(run: Run) -> list[Finding]:
    count, seconds = run.clients(CLIENTS), 5.0 if run.quick else SECONDS
    tally = Tally()
    # How the machine is shared is its own affair here, as it is where Pulso runs.
    with machine.pinned_to(machine.all_cores()):
        async with servers.pulso("services.numbers", anywhere=True) as system:
            run.say(f"numbers: connecting {count} clients")
            clients = [NumberClient(token, tally) for token in await tokens_of(system, count)]
            try:
                await _connected(clients, system.port)
                run.say(f"numbers: {count} clients for {seconds:g} s")
                before = system.cpu_seconds()
                late_s = await _live(clients, seconds)
                used_s = system.cpu_seconds() - before
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(tally.all_answered.wait(), LAST_ACKS_WITHIN_S)
                lost = tally.sent - tally.answered
                run.say("numbers: reading all values back")
                for client in clients:
                    client.close()
                greetings = await _connected(clients, system.port)
            finally:
                for client in clients:
                    client.close()
    forgotten = sum(not client.is_kept(*greeting) for client, greeting in zip(clients, greetings, strict=True))
    what = f"{count} live number clients, {seconds:g} s"
    note = (
        f"{tally.sent / seconds:,.0f} events a second; servers used {used_s / seconds:.0%} of a core; "
        f"the load client was at most {late_s * 1e3:.0f} ms late; refused: {dict(tally.refused) or 'none'}"
    )

    def one(measured: str, unit: str, value: float, bar: float | None) -> Finding:
        series = Series.of(servers.PULSO, [value])
        return figure("numbers", f"{what}: {measured}", unit, series, bar=bar, note=note)

    return [
        one("ack p50", "ms", percentile(tally.latencies_s, 0.5) * 1e3, None),
        one("ack p99", "ms", percentile(tally.latencies_s, 0.99) * 1e3, 150),
        one("acks that never came", "events", lost, 0),
        one("refused or answered wrongly", "events", tally.refused.total() + tally.wrong, 0),
        one("connections lost", "connections", tally.lost_connections, 0),
        one("values or steps not there afterwards", "clients", forgotten, 0),
    ]


async def _live(clients: Sequence[NumberClient], seconds: float) -> float:
    """Have all clients live for so long, their beginnings spread; returns by how much we were late at most, in s.

    One loop looks at what is due: a timer for each of 16,000 rhythms would cost more than the sending.
    """
    begin = time.perf_counter()
    end = begin + seconds
    due: list[tuple[float, int, bool]] = []
    for number in range(len(clients)):
        due.append((begin + VALUE_EVERY_S * (number / len(clients)), number, False))
        due.append((begin + random.uniform(*DRAW_AFTER_S), number, True))  # noqa: S311  # no secret
    heapq.heapify(due)
    latest_s = 0.0
    while (now := time.perf_counter()) < end:
        latest_s = max(latest_s, now - due[0][0])
        while due[0][0] <= now:
            at, number, is_draw = due[0]
            if is_draw:
                clients[number].draw()
                heapq.heapreplace(due, (at + random.uniform(*DRAW_AFTER_S), number, True))  # noqa: S311  # as above
            else:
                clients[number].send_value()
                heapq.heapreplace(due, (at + VALUE_EVERY_S, number, False))
        await asyncio.sleep(TURN_S)
    return latest_s


async def _connected(clients: Iterable[NumberClient], port: int) -> list[tuple[int, int]]:
    """What each of them is greeted with."""
    places = asyncio.Semaphore(AT_ONCE)

    async def connect(client: NumberClient) -> tuple[int, int]:
        async with places:
            return await client.connect(port)

    return await asyncio.gather(*map(connect, clients))
