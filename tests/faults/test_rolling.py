"""Three gateways behind nginx asked to stop, one after the other, under load of every kind: nobody is told no."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import aiohttp
import pytest

from cli.live.socket import Client
from tests.cases import Case
from tests.faults.deployment import Deployment, Program
from tests.faults.whole import NO_DAMAGE, Whole, whole_pulso
from tests.waiting import eventually

pytestmark = pytest.mark.long

ENDS_WITHIN_S: Final = 30.0
WARM_UP: Final = 5
IDLE: Final = 60
"""Sockets at each gateway that only wait: when they are closed shows how clients are sent away."""
SPREAD_AT_LEAST_S: Final = 1.5
WINDOW_S: Final = 0.25
UPLOAD_PIECES: Final = 40
PIECE: Final = b"x" * 1024
PIECE_EVERY_S: Final = 0.15

REQUESTS: Final = (
    ("GET", "/numbers", None),
    ("GET", "/api/presence/list", None),
    ("GET", "/api/sales/records?limit=5", None),
    ("POST", "/api/numbers/even", None),
    ("POST", "/api/numbers/set", {"value": 3}),
)


@dataclass(slots=True)
class Traffic:
    """Requests through nginx, again and again, and how they ended."""

    whole: Whole
    outcomes: dict[str, Counter[int | str]] = field(default_factory=dict)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, kind: str, outcome: int | str) -> None:
        self.outcomes.setdefault(kind, Counter())[outcome] += 1

    async def requests(self, http: aiohttp.ClientSession) -> None:
        for verb, path, body in itertools.cycle(REQUESTS):
            await self._one(http, "requests", verb, path, json=body)
            if self.enough.is_set():
                return
            await asyncio.sleep(0.05)

    async def waits(self, http: aiohttp.ClientSession) -> None:
        """A long poll of the API: answered with what is new, at the latest after its time."""
        path = "/api/sales/records?wait=10&limit=1000"
        after = ""
        while not self.enough.is_set():
            page = await self._one(http, "long polls", "GET", path + after)
            after = after if page is None else f"&after={json.loads(page)['next']}"

    async def uploads(self, http: aiohttp.ClientSession) -> None:
        """Each takes some seconds, so that gateways are stopped in the middle of it."""
        while not self.enough.is_set():
            form = aiohttp.FormData()
            form.add_field("file", _slowly(), filename="notes.txt", content_type="text/plain")
            await self._one(http, "uploads", "POST", "/api/chat/files", data=form)

    async def polls(self, http: aiohttp.ClientSession) -> None:
        """A Socket.IO session by long polling: made, polled until the server ends it, made again."""
        while not self.enough.is_set():
            opened = await self._one(http, "polling", "GET", "/socket.io/?EIO=4&transport=polling")
            if opened is None:
                continue
            sid = opened.split('"sid":"')[1].split('"')[0]
            path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
            hello = '40{"token":"' + self.whole.admin + '"}'
            said = await self._one(http, "polling", "POST", path, data=hello)
            while said is not None and not self.enough.is_set():
                said = await self._one(http, "polling", "GET", path)
                if said == "1":
                    break
                if said is not None and "2" in said.split("\x1e"):
                    await self._one(http, "polling", "POST", path, data="3")

    async def _one(self, http: aiohttp.ClientSession, kind: str, verb: str, path: str, **more: Any) -> str | None:
        """The body of a good answer; 400 where the gateway that knew a polling session has gone."""
        headers = {"Authorization": f"Bearer {self.whole.admin}"}
        url = self.whole.door.url
        try:
            async with http.request(verb, url + path, headers=headers, **more) as response:
                text = await response.text()
                self.count(kind, response.status)
                return text if response.status in (200, 201) else None
        except aiohttp.ClientError as fault:
            self.count(kind, type(fault).__name__)
            return None

    @property
    def bad(self) -> dict[str, dict[int | str, int]]:
        """What nobody should see: 5xx, and connections that end without an answer."""
        found = {
            kind: {what: n for what, n in counts.items() if isinstance(what, str) or what >= 500}
            for kind, counts in self.outcomes.items()
        }
        return {kind: counts for kind, counts in found.items() if counts}


@pytest.fixture
async def whole(deployment: Deployment, tmp_path: Path, chance: Random) -> AsyncIterator[Whole]:
    async with whole_pulso(deployment, tmp_path, chance) as running:
        yield running


async def test_rolling_restarts_of_all_gateways_are_seen_by_nobody(
    whole: Whole, report: Callable[[Case], None]
) -> None:
    traffic = Traffic(whole)
    timeout = aiohttp.ClientTimeout(total=120)
    took: list[float] = []
    spreads: list[tuple[float, float]] = []
    async with (
        aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
        whole.busy(),
        asyncio.TaskGroup() as tasks,
    ):
        for work in (traffic.requests, traffic.requests, traffic.waits, *[traffic.uploads] * 4):
            tasks.create_task(work(http))
        tasks.create_task(traffic.polls(http))
        try:
            for gateway in whole.gateways:
                await whole.more_acks(WARM_UP)
                closed_at = await _idle_at(gateway, whole.admin)
                began = asyncio.get_running_loop().time()
                assert await gateway.stop(within_s=ENDS_WITHIN_S) == 0
                took.append(asyncio.get_running_loop().time() - began)
                spreads.append(_spread(closed_at))
                await gateway.start()
                await gateway.becomes("ready")
            await whole.more_acks(WARM_UP)
        finally:
            traffic.enough.set()
    damage = await whole.damage()
    answered = sum(sum(counts.values()) for counts in traffic.outcomes.values())
    least_s, most = min(spread for spread, _ in spreads), max(share for _, share in spreads)
    cut = sum(one.refusals["lost"] for one in (*whole.members, *whole.people))
    report(Case("rolling SIGTERM of 3 gateways: damage", "0 / 0 / 0", str(damage)))
    report(Case("  5xx and broken answers, of all requests", "0", f"{traffic.bad or 0} of {answered}"))
    for kind, counts in sorted(traffic.outcomes.items()):
        seen = ", ".join(f"{what}: {count}" for what, count in sorted(counts.items(), key=str))
        report(Case(f"    {kind}", "no 5xx", seen))
    report(Case("  longest stop", f"under {ENDS_WITHIN_S:g} s", f"{max(took):.1f} s"))
    report(Case("  clients are sent away over", f"{SPREAD_AT_LEAST_S:g} s or more", f"{least_s:.1f} s"))
    report(Case(f"  most of them within {WINDOW_S:g} s", "half", f"{most:.0%}"))
    report(Case("  calls whose socket closed before the answer", "(tried again)", str(cut)))
    assert damage == NO_DAMAGE
    assert traffic.bad == {}
    assert all(traffic.outcomes[kind][200] or traffic.outcomes[kind][201] for kind in traffic.outcomes)
    assert least_s >= SPREAD_AT_LEAST_S
    assert most <= 0.5


async def _idle_at(gateway: Program, token: str) -> list[float]:
    """Sockets that only wait; when each was closed, in time."""
    loop = asyncio.get_running_loop()
    closed_at: list[float] = []
    clients = [
        Client(on_event=lambda *_: None, on_ack=lambda *_: None, on_lost=lambda *_: closed_at.append(loop.time()))
        for _ in range(IDLE)
    ]
    url = gateway.url.replace("http", "ws")
    await asyncio.gather(*(client.connect(url, token) for client in clients))
    await eventually(lambda: not closed_at)
    return closed_at


def _spread(closed_at: list[float]) -> tuple[float, float]:
    """Over how many seconds they were closed, and the largest share of them that one window has."""
    assert len(closed_at) == IDLE
    most = max(sum(1 for at in closed_at if begin <= at < begin + WINDOW_S) for begin in closed_at)
    return max(closed_at) - min(closed_at), most / IDLE


async def _slowly() -> AsyncIterator[bytes]:
    for _ in range(UPLOAD_PIECES):
        yield PIECE
        await asyncio.sleep(PIECE_EVERY_S)
