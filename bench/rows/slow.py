"""Slow clients: the others' latency while one in twenty is stopped (SIGSTOP), beside their latency before.

One of the others publishes at a steady rate; latency is from its sending to each member's receiving.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from typing import Final

from bench import servers
from bench.crowd import TICK, Crowd, crowd_of, tokens_of
from bench.results import Finding, Series, Unfit, figure, percentile, ratio
from bench.run import Run
from bench.servers import System
from cli import die_with_parent
from cli.live.socket import Client, argument_of, event_frame

CLIENTS: Final = 500
STOPPED_SHARE: Final = 20
TOPIC: Final = "busy"
BYTES: Final = 8_000
EVERY_S: Final = 0.02
SECONDS: Final = 20.0
"""Long enough for the buffers of the kernel and then the outbox of the stopped ones to fill."""

SLOW_CLOSES: Final = ("gateway-1", "pulso_slow_closes_total")
DELIVERED_WITHIN_S: Final = 30.0
UNIT: Final = "ms, p99 over all deliveries"

_NUMBER: Final = re.compile(rb'"n":(\d+)')


async def measure(run: Run) -> list[Finding]:
    count = run.clients(CLIENTS)
    stopped = max(1, count // STOPPED_SHARE)
    seconds = 1.0 if run.quick else SECONDS
    before: list[float] = []
    during: list[float] = []
    closed: list[float] = []
    async with servers.pulso("bench.service") as system, crowd_of(system, count - stopped) as crowd:
        latencies = _Latencies(crowd)
        await crowd.join(TOPIC)
        for number in range(1, run.rounds + 1):
            slow_closes = await system.metric(*SLOW_CLOSES)
            async with _to_be_stopped(system, stopped) as pid:
                run.say(f"slow clients: round {number} of {run.rounds}, before")
                before.append(await latencies.p99_ms(seconds))
                os.kill(pid, signal.SIGSTOP)
                run.say(f"slow clients: round {number} of {run.rounds}, {stopped} of {count} stopped")
                during.append(await latencies.p99_ms(seconds))
            closed.append(await system.metric(*SLOW_CLOSES) - slow_closes)
        if crowd.lost:
            raise Unfit(f"{crowd.lost} clients were closed that had done nothing")
    what = f"{stopped} of {count} clients stopped"
    note = f"{BYTES} bytes every {EVERY_S * 1e3:g} ms for {seconds:g} s; nobody else lost a message"
    return [
        ratio("slow", f"{what}: the others' latency", UNIT, Series.of("Pulso, stopped", during),
              Series.of("Pulso, before", before), bar=2.0, note=note),
        figure("slow", f"{what}: closed as slow", "clients", Series.of(servers.PULSO, closed), bar=None),
    ]  # fmt: skip


class _Latencies:
    """Publishes through the first of the crowd, and times every delivery to all of it."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._first = 0
        self._sent_at: list[float] = []
        self._seconds: list[float] = []
        self._expected = 0
        self._complete = asyncio.Event()
        for client in crowd.clients:
            client.on_event = self._take

    async def p99_ms(self, seconds: float) -> float:
        """Raises `Unfit` where a message does not reach every member."""
        turns = int(seconds / EVERY_S)
        self._first, self._sent_at, self._seconds = await self._next_number(), [], []
        self._expected = turns * len(self._crowd.clients)
        self._complete.clear()
        publisher = self._crowd.clients[0]
        frame = event_frame("bench:publish", {"topic": TOPIC, "count": 1, "size": BYTES})
        begin = time.perf_counter()
        for turn in range(turns):
            await asyncio.sleep(max(0.0, begin + turn * EVERY_S - time.perf_counter()))
            self._sent_at.append(time.perf_counter())
            publisher.send(frame)
        try:
            async with asyncio.timeout(DELIVERED_WITHIN_S):
                await self._complete.wait()
        except TimeoutError:
            raise Unfit(f"{self._expected - len(self._seconds)} messages never came") from None
        return percentile(self._seconds, 0.99) * 1e3

    def _take(self, _client: Client, frame: bytes) -> None:
        now = time.perf_counter()
        if frame.startswith(TICK) and (found := _NUMBER.search(frame, 0, 64)):
            turn = int(found.group(1)) - self._first
            if turn >= 0:
                self._seconds.append(now - self._sent_at[turn])
                if len(self._seconds) == self._expected:
                    self._complete.set()

    async def _next_number(self) -> int:
        """What the next tick will be numbered: the service counts on, and nobody follows this other topic."""
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        publisher = self._crowd.clients[0]
        publisher.on_ack = lambda _, frame: answered.set_result(argument_of(frame)["last"])
        publisher.send(event_frame("bench:publish", {"topic": "aside", "count": 1, "size": 0}, ack=1))
        return await answered + 1


@contextlib.asynccontextmanager
async def _to_be_stopped(system: System, count: int) -> AsyncIterator[int]:
    """A process with so many members of the topic; killed at the end."""
    tokens = " ".join(str(token) for token in await tokens_of(system, count))
    process = await asyncio.create_subprocess_exec(
        # A stopped process does not notice that we are gone.
        *(sys.executable, die_with_parent.__file__, str(os.getpid()), str(int(signal.SIGKILL))),
        *(sys.executable, "-m", "bench.stalled", str(system.port), TOPIC),
        stdin=PIPE,
        stdout=PIPE,
        cwd=servers.REPOSITORY,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(f"{tokens}\n".encode())
        if await process.stdout.readline() != b"joined\n":
            raise Unfit("the clients that were to be stopped did not come so far")
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
