"""Faults of many clients at once: two thousand who come back together, and one in twenty who stops reading."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from cli.live.latency import Latencies
from cli.live.socket import Client, event_frame
from tests.cases import Case
from tests.commands import Command, command
from tests.faults.deployment import Deployment, Program
from tests.faults.front import in_front_of
from tests.faults.test_chat import token_of
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.long

CROWD: Final = 2_000
CROWD_CONNECTS_WITHIN_S: Final = 240.0
BACK_WITHIN_S: Final = 30.0

CLIENTS: Final = 100
STOPPED: Final = CLIENTS // 20
TALKERS: Final = 10
TEXT: Final = "x" * 3_900
SENDS: Final = 400
"""Of which each window's percentile is made."""
NOISE_S: Final = 0.02


async def test_two_thousand_are_back_within_30_s_when_all_gateways_were_killed(
    deployment: Deployment, tmp_path: Path, report: Callable[[Case], None]
) -> None:
    _, _, *gateways = await deployment.start_all(
        "auth", "numbers", *["gateway"] * 3, limit_connections_per_address=0
    )
    (tmp_path / "front").mkdir()
    async with (
        in_front_of([gateway.port for gateway in gateways], tmp_path / "front") as door,
        command("bots", "-n", str(CROWD), "--seconds", "900", "--json", WS=door.url) as bots,
    ):
        await bots.until(lambda: _progress(bots)["connected"] == CROWD, within_s=CROWD_CONNECTS_WITHIN_S)
        await asyncio.gather(*(gateway.kill() for gateway in gateways))
        with Stopwatch() as back:
            await asyncio.gather(*(gateway.start() for gateway in gateways))
            await bots.until(lambda: _progress(bots)["resumes"] >= CROWD)
        assert await bots.ends(by=signal.SIGINT) == 0
        (summary,) = bots.of_type("summary")
    report(
        Case(f"{CROWD:,} clients lose all gateways", f"back within {BACK_WITHIN_S:g} s", f"{back.seconds:.1f} s")
    )
    report(Case("  acknowledged and forgotten", "0", str(summary["forgotten"] + summary["unchecked"])))
    assert (summary["everything_kept"], summary["forgotten"], summary["unchecked"]) == (True, 0, 0)
    assert back.seconds < BACK_WITHIN_S


async def test_one_client_in_twenty_stops_reading_and_the_others_do_not_notice(
    deployment: Deployment, report: Callable[[Case], None]
) -> None:
    *_, gateway = await deployment.start_all("auth", "chat", "gateway", limit_connections_per_user=0)
    tokens = [await token_of(deployment, gateway.url, f"talker-{number}") for number in range(TALKERS)]
    members = [_Member() for _ in range(CLIENTS)]
    for number, member in enumerate(members):
        await member.enter(gateway, tokens[number % TALKERS])
    talkers, stopped = members[:TALKERS], members[-STOPPED:]
    before = await _talked(talkers, SENDS)
    for member in stopped:
        member.stop_reading()
    during = [await _talked(talkers, SENDS)]
    while not all(member.is_lost for member in stopped) and len(during) < 20:
        during.append(await _talked(talkers, SENDS))
        if await _slow_closes(gateway) == STOPPED:
            break
    closed = await _slow_closes(gateway)
    after = await _talked(talkers, SENDS)
    bound_s = 2 * max(before, after) + NOISE_S
    seen_s = sorted(during)[len(during) // 2]
    for member in members:
        member.client.close()
    report(Case(f"{STOPPED} of {CLIENTS} clients stop reading: closed, counted", str(STOPPED), str(closed)))
    seen = f"{seen_s * 1000:.0f} ms; before {before * 1000:.0f}, after {after * 1000:.0f}"
    report(Case("  p99 of the others' acknowledgements", "within 2 x", seen))
    assert closed == STOPPED
    assert seen_s <= bound_s
    assert [member for member in members[:-STOPPED] if member.is_lost] == []


class _Member:
    """A client in the room, who may talk."""

    def __init__(self) -> None:
        self.is_lost = False
        self.client = Client(on_event=lambda *_: None, on_ack=self._acked, on_lost=self._lost)
        self._answered: asyncio.Future[Any] | None = None

    async def enter(self, gateway: Program, token: str) -> None:
        await self.client.connect(gateway.url.replace("http", "ws"), token)
        assert "error" not in await self.call("chat:join", {"room": "sala-1"})

    async def call(self, event: str, payload: Any) -> Any:
        self._answered = asyncio.get_running_loop().create_future()
        self.client.send(event_frame(event, payload, ack=1))
        async with asyncio.timeout(10):
            return await self._answered

    def stop_reading(self) -> None:
        """As a laptop that is closed: its connection stands, and takes nothing more."""
        assert self.client._transport is not None
        connection = self.client._transport.underlying_transport
        connection.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.pause_reading()

    def _acked(self, _client: Client, frame: bytes) -> None:
        assert self._answered is not None
        self._answered.set_result(json.loads(frame[frame.index(b"[") :])[0])

    def _lost(self, _client: Client, _why: str) -> None:
        self.is_lost = True


async def _talked(talkers: list[_Member], sends: int) -> float:
    """So many messages, by all of them; the 99th percentile of the time that each took, in seconds."""
    loop = asyncio.get_running_loop()
    latencies = Latencies()

    async def talk(talker: _Member) -> None:
        for _ in range(sends // len(talkers)):
            began = loop.time()
            assert "error" not in await talker.call("chat:send", {"id": str(uuid4()), "text": TEXT})
            latencies.add(loop.time() - began)

    await asyncio.gather(*map(talk, talkers))
    p99 = latencies.percentile(0.99)
    assert p99 is not None
    return p99


async def _slow_closes(gateway: Program) -> int:
    text = await gateway.metrics()
    line = next(line for line in text.splitlines() if line.startswith("pulso_slow_closes_total "))
    return int(float(line.split()[1]))


def _progress(bots: Command) -> dict[str, Any]:
    told = bots.of_type("progress")
    last: dict[str, Any] = told[-1] if told else {"resumes": 0, "connected": 0}
    return last
