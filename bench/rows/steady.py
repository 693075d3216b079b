"""The clock's ticks while many ask for long sums: how late they come to clients that ask for nothing.

Each of the busy clients asks for F(100000) and, when it has it, asks again. A tick names the second that it stands
for, and server and clients are on one machine: so its lateness is when it was heard less what it says.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Final

from bench import servers
from bench.crowd import crowd_of
from bench.results import Finding, Series, Unfit, figure, percentile
from bench.run import Run
from bench.servers import System
from cli.live.socket import Client, argument_of, event_frame

BYSTANDERS: Final = 20
ASKERS: Final = 100
SECONDS: Final = 10
BAR_MS: Final = 50.0

TICK: Final = b'42["clock:tick",'
ASK: Final = event_frame("numbers:fibonacci", {"n": 100_000}, ack=1)
END_OF_ANSWER: Final = b',"digits":20899}]'


async def measure(run: Run) -> list[Finding]:
    split = servers.pulso("services.numbers", "services.clock")
    return [*await _measure(run, servers.PULSO, split), *await _measure(run, servers.PULSO_UP, servers.pulso_up())]


async def _measure(run: Run, name: str, starting: AbstractAsyncContextManager[System]) -> list[Finding]:
    seconds, askers = 3 if run.quick else SECONDS, run.clients(ASKERS)
    quiet: list[float] = []
    busy: list[float] = []
    answers: list[float] = []
    async with (
        starting as system,
        crowd_of(system, BYSTANDERS) as bystanders,
        crowd_of(system, askers) as asking,
    ):
        for number in range(1, run.rounds + 1):
            run.say(f"steady: {name}, round {number} of {run.rounds}")
            quiet.append(await _p99_ms(bystanders.clients, seconds))
            askers_at_work = Askers(asking.clients)
            askers_at_work.begin()
            busy.append(await _p99_ms(bystanders.clients, seconds))
            answers.append(await askers_at_work.end() / seconds)
        if bystanders.lost or asking.lost:
            raise Unfit("connections were lost")
    what = f"clock ticks while {askers} clients ask for F(100000) in a loop"
    note = f"{quiet[0]:.1f} ms without them; every second came once to each of {BYSTANDERS} others"
    return [
        figure("steady", f"{what}: lateness", "ms, p99", Series.of(name, busy), bar=BAR_MS, note=note),
        figure("steady", f"{what}: answers", "a second", Series.of(name, answers), bar=None),
    ]


async def _p99_ms(clients: Sequence[Client], seconds: int) -> float:
    """Lateness of the next `seconds` ticks. Raises `Unfit` where one does not come, or comes twice."""
    late_ms: list[float] = []
    heard: dict[Client, list[float]] = {client: [] for client in clients}

    def take(client: Client, frame: bytes) -> None:
        if frame.startswith(TICK):
            at, said = time.time(), datetime.fromisoformat(argument_of(frame)["now"]).timestamp()
            heard[client].append(said)
            late_ms.append((at - said) * 1e3)

    for client in clients:
        client.on_event = take
    # From one half-second to another: each second is wholly inside, or wholly outside.
    await asyncio.sleep(1.5 - time.time() % 1)
    begun = int(time.time())
    late_ms.clear()
    for ticks in heard.values():
        ticks.clear()
    await asyncio.sleep(begun + seconds + 0.5 - time.time())
    expected = [float(begun + number) for number in range(1, seconds + 1)]
    wrong = [ticks for ticks in heard.values() if ticks != expected]
    if wrong:
        raise Unfit(f"{len(wrong)} clients were told {wrong[0]} instead of {expected}")
    return percentile(late_ms, 0.99)


class Askers:
    """Clients that ask again whenever they are answered, until they are told to end."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients
        self._answers = 0
        self._answering = 0
        self._has_ended = asyncio.Event()
        self._goes_on = True

    def begin(self) -> None:
        for client in self._clients:
            client.on_ack = self._take
            client.send(ASK)
        self._answering = len(self._clients)

    async def end(self) -> int:
        """How many answers came. Raises `Unfit` where the last ones never come."""
        self._goes_on = False
        try:
            async with asyncio.timeout(30):
                await self._has_ended.wait()
        except TimeoutError:
            raise Unfit(f"{self._answering} clients were not answered, or wrongly") from None
        return self._answers

    def _take(self, client: Client, frame: bytes) -> None:
        if not frame.endswith(END_OF_ANSWER):
            return
        self._answers += 1
        if self._goes_on:
            client.send(ASK)
            return
        self._answering -= 1
        if not self._answering:
            self._has_ended.set()
