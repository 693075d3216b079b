"""Live number clients: thousands of them for a minute, on this machine, the load client included.

Afterwards every client connects anew and must be greeted with the value and the step that it was promised.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import Sequence
from typing import Final

from bench import machine, servers
from bench.crowd import AT_ONCE, tokens_of
from bench.results import Finding, Series, Unfit, figure
from bench.run import Run
from cli.live.number_client import DRAW_AFTER_S, NumberClient, Tally
from cli.live.rhythm import Rhythm

CLIENTS: Final = 8_000
SECONDS: Final = 60.0
EVENTS_PER_SECOND: Final = 2.0
"""Of each client, draws included. (One of the page sends that many values, and draws besides.)"""
VALUES_APART_S: Final = 1 / (EVENTS_PER_SECOND - 1 / statistics.mean(DRAW_AFTER_S))
LAST_ACKS_WITHIN_S: Final = 10.0


async def measure(run: Run) -> list[Finding]:
    count, seconds = run.clients(CLIENTS), 5.0 if run.quick else SECONDS
    tally = Tally()
    # How the machine is shared is its own affair here, as it is where Pulso runs.
    with machine.pinned_to(machine.all_cores()):
        async with servers.pulso("services.numbers", anywhere=True) as system:
            run.say(f"numbers: connecting {count} clients")
            tokens = await tokens_of(system, count)
            clients = [NumberClient(tally) for _ in tokens]
            try:
                await _connect(clients, tokens, system.url)
                run.say(f"numbers: {count} clients for {seconds:g} s")
                before = system.cpu_seconds()
                late_s = await _live(clients, seconds)
                used_s = system.cpu_seconds() - before
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(tally.all_answered(), LAST_ACKS_WITHIN_S)
                connections_lost = sum(not client.session.is_open for client in clients)
                lost = tally.sent - tally.answered
                run.say("numbers: reading all values back")
                for client in clients:
                    client.close()
                await _connect(clients, tokens, system.url)
            finally:
                for client in clients:
                    client.close()
    p50_s, p99_s = tally.latencies.percentile(0.5), tally.latencies.percentile(0.99)
    if p50_s is None or p99_s is None:
        raise Unfit("no event was acknowledged")
    what = f"{count} live number clients, {seconds:g} s"
    note = (
        f"{tally.sent / seconds:,.0f} events a second; servers used {used_s / seconds:.0%} of a core; "
        f"the load client was at most {late_s * 1e3:.0f} ms late; refused: {dict(tally.refused) or 'none'}"
    )

    def one(measured: str, unit: str, value: float, bar: float | None) -> Finding:
        series = Series.of(servers.PULSO, [value])
        return figure("numbers", f"{what}: {measured}", unit, series, bar=bar, note=note)

    return [
        one("ack p50", "ms", p50_s * 1e3, None),
        one("ack p99", "ms", p99_s * 1e3, 150),
        one("acks that never came", "events", lost, 0),
        one("refused or answered wrongly", "events", tally.refused.total() + tally.wrong, 0),
        one("connections lost", "connections", connections_lost, 0),
        one("values or steps not there afterwards", "clients", tally.forgotten, 0),
    ]


async def _live(clients: Sequence[NumberClient], seconds: float) -> float:
    """Have all clients live for so long, beginnings spread; returns by how much we were late at most, in s."""
    rhythm = Rhythm(value_every_s=VALUES_APART_S)
    for number, client in enumerate(clients):
        rhythm.begin(client, phase_s=VALUES_APART_S * (number / len(clients)))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(rhythm.keep(), seconds)
    return rhythm.late_s


async def _connect(clients: Sequence[NumberClient], tokens: Sequence[str | None], url: str) -> None:
    """Each with its token; what it is greeted with is held against what it was promised."""
    places = asyncio.Semaphore(AT_ONCE)

    async def connect(client: NumberClient, token: str | None) -> None:
        assert token is not None, "Pulso has guests"
        async with places:
            await client.connect(url, token)

    await asyncio.gather(*map(connect, clients, tokens))
