"""The clock of all processes and of Redis is set, an hour forward or five minutes back, while everything is used.

Sockets stay, intervals stay what they are, nothing is lost, and the time that is told is the one that was set.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.cases import Case
from tests.faults.deployment import Deployment, Program, deployed
from tests.faults.history import Record, Verdict, judge
from tests.faults.member import Member
from tests.faults.people import Person, crowd, everybody_acked, nothing_is_lost, under_load
from tests.faults.set_clock import LOOKED_AT_EVERY_S, SetClock
from tests.faults.test_chat import token_of
from tests.faults.test_clock_killed import seconds_told
from tests.redis_server import RedisServer
from tests.services.chat.conftest import Tab
from tests.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.alone]

STEPS = {"+1 h": 3600, "-5 min": -300}
PEOPLE = 6
NAMES = ["Ana", "Rui", "Carla"]
LOOK_FOR_S = 10.0
NO_FURTHER_S = 2.5
EXPIRES_WITHIN_S = 10.0
LOGINS_A_MINUTE = 10


@dataclass(slots=True)
class Running:
    clock: SetClock
    deployment: Deployment
    programs: list[Program]
    gateway: Program

    @property
    def url(self) -> str:
        return self.gateway.url

    def now(self) -> float:
        """What everybody's clock says."""
        return datetime.now(UTC).timestamp() + self.clock.offset_s

    async def set_clock(self, offset_s: int) -> None:
        """Returns once everybody knows."""
        self.clock.set(offset_s)
        await asyncio.sleep(2 * LOOKED_AT_EVERY_S)

    async def ask(self, path: str, body: Any, token: str = "", cookie: str = "") -> tuple[int, Any, Any]:
        """Status, answer and headers."""
        headers = {
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **({"Cookie": cookie} if cookie else {}),
        }
        headers |= {"Origin": self.url} if cookie else {}
        async with self.deployment.http.post(f"{self.url}/api/{path}", json=body, headers=headers) as response:
            return response.status, await response.json(), response.headers


@contextlib.asynccontextmanager
async def on_one_clock(folder: Path, *services: str) -> AsyncIterator[Running]:
    """Redis included."""
    clock = SetClock(folder)
    with tempfile.TemporaryDirectory(prefix="pulso-") as short:  # the path of a Unix socket is
        redis = RedisServer(Path(short), clock.environ)
        redis.start()
        try:
            async with deployed(redis, folder, clock.environ) as deployment:
                programs = await deployment.start_all(*services, "gateway")
                yield Running(clock, deployment, programs, programs[-1])
        finally:
            redis.kill()


@pytest.fixture
async def pulso(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway, and the services that the test asks for."""
    async with on_one_clock(tmp_path, *request.param) as running:
        yield running


def with_services(*services: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("pulso", [services], indirect=True, ids=[""])


@contextlib.asynccontextmanager
async def present(pulso: Running, name: str, history: list[Record], chance: Random) -> AsyncIterator[Member]:
    """A member of the chat."""
    token = await token_of(pulso.deployment, pulso.url, name)
    member = Member(name, token, pulso.gateway.port, history, Random(chance.random()))
    async with member.present():
        yield member


def each_second_was_told_once(watcher: Person, now: float) -> None:
    """Of the time as it is now."""
    told = [second for second in seconds_told(watcher) if abs(second.timestamp() - now) < 60]
    assert len(told) >= LOOK_FOR_S - 3
    assert told == sorted(set(told))


@with_services("auth", "numbers", "chat", "presence", "journal", "clock")
@pytest.mark.parametrize("step", STEPS)
async def test_everything_in_use_goes_on(
    pulso: Running, step: str, chance: Random, report: Callable[[Case], None]
) -> None:
    history: list[Record] = []
    async with contextlib.AsyncExitStack() as stack:
        people = await stack.enter_async_context(crowd(pulso.deployment.http, [pulso.url], PEOPLE))
        watcher = people[0]
        assert "error" not in await watcher.call("presence:watch")
        members = [await stack.enter_async_context(present(pulso, name, history, chance)) for name in NAMES]
        async with under_load(people, chance), talking(members) as enough:
            await eventually(lambda: all(member.acks > 10 for member in members))
            watched_from = watcher.mark()
            for member in members:
                member.refusals.clear()
            pulso.clock.set(STEPS[step])
            stepped_at = asyncio.get_running_loop().time()
            gaps = await gaps_between_ticks(watcher, LOOK_FOR_S)
            assert (await asyncio.gather(*(program.status() for program in pulso.programs))) == ["ready"] * len(
                pulso.programs
            )
            await everybody_acked(people)
            before = [member.acks for member in members]
            await eventually(lambda: all(m.acks > n for m, n in zip(members, before, strict=True)))
            enough.set()
        assert asyncio.get_running_loop().time() - stepped_at < 60
        each_second_was_told_once(watcher, pulso.now())
        assert max(gaps) < NO_FURTHER_S
        assert abs(len(gaps) - LOOK_FOR_S) < 3
        # Nobody has come or gone for it.
        assert watcher.heard("presence:left", since=watched_from) == []
        assert [person.ends for person in people] == [[]] * PEOPLE
        assert not any(person.refusals for person in people)
        await asyncio.gather(*(member.catch_up() for member in members))
        assert judge(history, NAMES) == Verdict((), (), (), (), ())
        assert [dict(member.refusals) for member in members] == [{}] * len(members)
        # A new socket with a token of now: an hour later the old ones are over, as they should be.
        for person in people:
            fresh = await pulso.ask("auth/guest", {"name": "Fresh"})
            assert fresh[0] == 200
            if STEPS[step] > 0:
                assert (await pulso.ask("numbers/set", {"value": 1}, person.token))[0] == 401
        if STEPS[step] < 0:
            await nothing_is_lost(people, pulso.url)
    seen = f"{len(gaps) + 1} ticks in {LOOK_FOR_S:g} s, no socket lost, lost 0, out of order 0"
    report(Case(f"clock set {step}", "a tick a second, no socket lost, lost 0, out of order 0", seen))


@with_services("auth", "numbers")
@pytest.mark.parametrize("step", STEPS)
async def test_sessions_live_on_and_ended_ones_stay_ended(
    pulso: Running, step: str, report: Callable[[Case], None]
) -> None:
    form = {"name": "Rui", "username": "rui", "email": "rui@example.com", "password": "a password"}
    _, rui, headers = await pulso.ask("auth/register", form)
    cookie = headers["Set-Cookie"].partition(";")[0]
    gone = await token_of(pulso.deployment, pulso.url, "Gone")
    assert (await pulso.ask("auth/logout", {}, gone))[0] == 200
    await pulso.set_clock(STEPS[step])
    assert (await pulso.ask("numbers/set", {"value": 1}, gone))[0] == 401
    status, _, _ = await pulso.ask("numbers/set", {"value": 1}, rui["access_token"])
    assert status == (401 if STEPS[step] > 0 else 200)
    status, renewed, _ = await pulso.ask("auth/token", {}, cookie=cookie)
    assert status == 200
    assert (await pulso.ask("numbers/set", {"value": 1}, renewed["access_token"]))[0] == 200
    # The mistake is put right: who is out stays out, whatever the gateways remember.
    await pulso.set_clock(0)
    await pulso.gateway.kill()
    await pulso.gateway.start()
    await pulso.gateway.becomes("ready")
    assert (await pulso.ask("numbers/set", {"value": 1}, gone))[0] == 401
    assert (await pulso.ask("numbers/set", {"value": 1}, renewed["access_token"]))[0] == 200
    promised = "cookie renews, ended stay ended"
    report(Case(f"clock set {step}, and right again: sessions", promised, promised))


@with_services("auth", "chat")
@pytest.mark.parametrize("step", STEPS)
async def test_who_types_and_who_waits_does_so_as_long_as_ever(
    pulso: Running, step: str, report: Callable[[Case], None]
) -> None:
    tokens = [await token_of(pulso.deployment, pulso.url, name) for name in ("Ana", "Rui")]
    async with contextlib.AsyncExitStack() as stack:
        ana, rui = [await stack.enter_async_context(tab_of(pulso, token)) for token in tokens]
        for _ in range(LOGINS_A_MINUTE + 1):
            status, _, headers = await pulso.ask("auth/login", {"username": "Ana", "password": "a wrong one"})
        assert status == 429
        await rui.call("chat:typing", {"typing": True})
        await ana.hears("chat:typing")
        pulso.clock.set(STEPS[step])
        began = asyncio.get_running_loop().time()
        await eventually(
            lambda: [told["typing"] for told in ana.payloads("chat:typing")] == [True, False],
            within_s=EXPIRES_WITHIN_S,
        )
        typed_s = asyncio.get_running_loop().time() - began
        assert typed_s > 3
        status, _, headers = await pulso.ask("auth/login", {"username": "Ana", "password": "a wrong one"})
        waits_s = int(headers.get("Retry-After", 0))
        assert waits_s <= 60
        assert status == (401 if STEPS[step] > 0 else 429)
    seen = f"typing ended after {typed_s:.1f} s, at most {waits_s} s to wait for a login"
    report(Case(f"clock set {step}: waits", "typing ends after 6 s, at most 60 s to wait for a login", seen))


@contextlib.asynccontextmanager
async def talking(members: list[Member]) -> AsyncIterator[asyncio.Event]:
    enough = asyncio.Event()

    async def talk(member: Member) -> None:
        while not enough.is_set():
            await member.say(f"{member.name} says {member.acks}")
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as talks:
        for member in members:
            talks.create_task(talk(member))
        try:
            yield enough
        finally:
            enough.set()


@contextlib.asynccontextmanager
async def tab_of(pulso: Running, token: str) -> AsyncIterator[Tab]:
    tab = Tab()
    await tab.socket.connect(pulso.url, auth={"token": token}, transports=["websocket"])
    try:
        await eventually(lambda: joined(tab))
        yield tab
    finally:
        await tab.socket.disconnect()


async def joined(tab: Tab) -> bool:
    return "error" not in await tab.join()


async def gaps_between_ticks(person: Person, for_s: float) -> list[float]:
    """In seconds that pass, as they come during this time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + for_s
    seen, came = person.mark(), [loop.time()]
    while loop.time() < until:
        await person.hears("clock:tick", since=seen)
        seen = person.mark()
        came.append(loop.time())
    return [later - earlier for earlier, later in pairwise(came[1:])]
