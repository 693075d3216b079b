"""A full chat room: how long until a message is with a member, from the moment that its author sends it.

Members take turns: one message every twentieth of a second, whether the one before has arrived or not. All are in
one process, so the time of a message ends when the last of them has come to its turn there.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

from bench import servers
from bench.crowd import FAULT, crowd_of
from bench.results import Finding, Series, Unfit, figure, percentile
from bench.run import Run
from cli.live.socket import Client, argument_of, event_frame

MEMBERS: Final = 1_000
RATE: Final = 20
SECONDS: Final = 10
BAR_MS: Final = 100.0
JOIN_AT_ONCE: Final = 50
"""Each who enters is given the list of all, and all are told: a thousand at once are a million lines."""
ARRIVES_WITHIN_S: Final = 20.0

JOIN: Final = event_frame("chat:join", {"room": "sala-1"}, ack=1)
MESSAGE: Final = b'42["chat:message",'
TEXT: Final = b'"text":"'


async def measure(run: Run) -> list[Finding]:
    members, seconds = run.clients(MEMBERS), 1 if run.quick else SECONDS
    p50: list[float] = []
    p99: list[float] = []
    async with servers.pulso("services.chat") as system:
        run.say(f"room: registering and connecting {members} members")
        async with crowd_of(system, members, registered=True) as crowd:
            for begin in range(0, members, JOIN_AT_ONCE):
                await crowd.ask(JOIN, crowd.clients[begin : begin + JOIN_AT_ONCE])
            await Talk(crowd.clients).latencies_ms(RATE)
            for number in range(1, run.rounds + 1):
                run.say(f"room: round {number} of {run.rounds}")
                took_ms = await Talk(crowd.clients).latencies_ms(RATE * seconds)
                p50.append(percentile(took_ms, 0.5))
                p99.append(percentile(took_ms, 0.99))
            if crowd.lost:
                raise Unfit("connections were lost")
    what = f"{RATE} messages a second to a room of {members} at one gateway: from its author to each member"
    return [
        figure("room", what, "ms, p99", Series.of(servers.PULSO, p99), bar=BAR_MS),
        figure("room", what, "ms, median", Series.of(servers.PULSO, p50), bar=None),
    ]


class Talk:
    """Messages whose text is the time when they were sent, and what each member hears of them."""

    def __init__(self, members: Sequence[Client]) -> None:
        self._members = members
        self._took_ms: list[float] = []
        self._missing = 0
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for member in members:
            member.on_event = self._hear
            member.on_ack = self._answered

    async def latencies_ms(self, messages: int) -> list[float]:
        """Of each message to each member. Raises `Unfit` where one does not come."""
        self._missing = messages * len(self._members)
        authors = itertools.islice(itertools.cycle(self._members), messages)
        begun = time.perf_counter()
        for number, author in enumerate(authors):
            await asyncio.sleep(begun + number / RATE - time.perf_counter())
            text = f"{time.perf_counter():.6f}"
            author.send(event_frame("chat:send", {"id": str(uuid4()), "text": text}, ack=2))
        try:
            async with asyncio.timeout(ARRIVES_WITHIN_S):
                await self._complete
        except TimeoutError:
            raise Unfit(f"{self._missing} messages never came") from None
        return self._took_ms

    def _hear(self, _member: Client, frame: bytes) -> None:
        if not frame.startswith(MESSAGE):
            return
        begin = frame.index(TEXT) + len(TEXT)
        self._took_ms.append((time.perf_counter() - float(frame[begin : frame.index(b'"', begin)])) * 1e3)
        self._missing -= 1
        if not self._missing and not self._complete.done():
            self._complete.set_result(None)

    def _answered(self, _member: Client, frame: bytes) -> None:
        if FAULT in frame[:32] and not self._complete.done():
            self._complete.set_exception(Unfit(f"a message was refused: {argument_of(frame)}"))
