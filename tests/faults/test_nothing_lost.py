"""A room through nginx at three gateways, while gateways, chat and Redis are killed at random: nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.cases import Case
from tests.faults.deployment import Deployment, Program
from tests.faults.front import in_front_of
from tests.faults.history import Record, Verdict, judge
from tests.faults.member import Member
from tests.faults.test_chat import token_of
from tests.waiting import eventually

MEMBERS = 20
GATEWAYS = 3
DOWN_FOR_AT_MOST_S = 1.0
SOON_S = 0.05
WORKS_AGAIN_WITHIN_S = 60.0
TOLD_WITHIN_S = 15.0


@dataclass(slots=True)
class Room:
    """Auth, chat and three gateways behind nginx, and the members of one room."""

    deployment: Deployment
    chat: Program
    gateways: list[Program]
    port: int
    chance: Random
    history: list[Record] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    """Faults, by kind."""
    _returns: dict[Program, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def acks(self) -> int:
        return sum(member.acks for member in self.members)

    async def member(self, name: str) -> Member:
        token = await token_of(self.deployment, f"http://127.0.0.1:{self.port}", name)
        return Member(name, token, self.port, self.history, Random(self.chance.random()))

    async def talk(self, sends: int, each: int) -> None:
        """Everybody sends, one message after the other; each kind of fault comes so often, at random moments."""
        share = sends // len(self.members)
        faults = [*self.faults] * each
        self.chance.shuffle(faults)
        async with asyncio.TaskGroup() as tasks:
            for member in self.members:
                tasks.create_task(_talk(member, share))
            tasks.create_task(self._havoc(faults, share * len(self.members)))

    async def everybody_has_everything(self) -> list[str]:
        """Who does not come to it without being asked to look; all do in the end."""
        last = max(member.has for member in self.members)
        with contextlib.suppress(AssertionError):
            await eventually(lambda: all(m.has == last for m in self.members), within_s=TOLD_WITHIN_S)
        behind = [member.name for member in self.members if member.has < last]
        await asyncio.gather(*(member.catch_up() for member in self.members))
        return behind

    async def end(self) -> None:
        """Nothing more comes back: where a test failed, it would outlive it."""
        for task in self._returns.values():
            task.cancel()
        await asyncio.gather(*self._returns.values(), return_exceptions=True)

    @property
    def faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "gateway killed": lambda: self._kill(self.chance.choice(self.gateways)),
            "chat killed": lambda: self._kill(self.chat),
            "Redis killed": self._kill_redis,
            "Redis and chat killed": self._kill_redis_and_chat,
            "subscribers cut off": self._cut_off_subscribers,
        }

    async def _havoc(self, faults: list[str], sends: int) -> None:
        """Each at a random moment of its own stretch of the talk. What was killed comes back meanwhile."""
        stretch = sends // (len(faults) + 1)
        for number, fault in enumerate(faults):
            moment = number * stretch + self.chance.randrange(stretch)
            await eventually(lambda moment=moment: self.acks >= moment, within_s=WORKS_AGAIN_WITHIN_S)
            await self.faults[fault]()
            self.seen[fault] += 1
        await asyncio.gather(*self._returns.values())

    async def _kill(self, program: Program) -> None:
        await self._is_back(program)
        await program.kill()
        self._returns[program] = asyncio.create_task(self._return(program))

    async def _is_back(self, program: Program) -> None:
        if program in self._returns:
            await self._returns[program]

    async def _return(self, program: Program) -> None:
        await asyncio.sleep(self.chance.uniform(0, DOWN_FOR_AT_MOST_S))
        await program.start()
        await program.becomes("ready", within_s=WORKS_AGAIN_WITHIN_S)

    async def _kill_redis(self) -> None:
        self.deployment.redis.kill()
        await asyncio.sleep(self.chance.uniform(0, DOWN_FOR_AT_MOST_S))
        self.deployment.redis.start()

    async def _kill_redis_and_chat(self) -> None:
        """What chat has committed between the two is acknowledged to nobody, and told to nobody."""
        await self._is_back(self.chat)  # without Redis it would not come back
        self.deployment.redis.kill()
        await asyncio.sleep(self.chance.uniform(0, SOON_S))
        await self._kill(self.chat)
        self.deployment.redis.start()

    async def _cut_off_subscribers(self) -> None:
        """Some miss what the others hear, and all of them go on."""
        self.deployment.redis.cut_off_subscribers(self.chance)


@pytest.fixture
async def room(deployment: Deployment, tmp_path: Path, chance: Random) -> AsyncIterator[Room]:
    _, chat, *gateways = await deployment.start_all("auth", "chat", *["gateway"] * GATEWAYS)
    (tmp_path / "front").mkdir()
    async with in_front_of([gateway.port for gateway in gateways], tmp_path / "front") as door:
        room = Room(deployment, chat, gateways, door.port, chance)
        room.members += [await room.member(f"member-{number}") for number in range(1, MEMBERS + 1)]
        async with contextlib.AsyncExitStack() as stack:
            for member in room.members:
                await stack.enter_async_context(member.present())
            try:
                yield room
            finally:
                await room.end()


async def test_a_room_survives_a_kill_of_each_kind(room: Room, report: Callable[[Case], None]) -> None:
    await talked_through(room, report, sends=400, each=1)


@pytest.mark.long
async def test_a_room_survives_kills_at_random_for_ten_thousand_messages(
    room: Room, report: Callable[[Case], None]
) -> None:
    await talked_through(room, report, sends=10_000, each=8)


async def talked_through(room: Room, report: Callable[[Case], None], *, sends: int, each: int) -> None:
    await room.talk(sends, each)
    not_told = await room.everybody_has_everything()
    newcomer = await room.member("newcomer")
    async with newcomer.present():
        assert newcomer.has == max(member.has for member in room.members)
    verdict = judge(room.history, [member.name for member in (*room.members, newcomer)])
    for case in cases(room, verdict, not_told, sends=sends, each=each):
        report(case)
    assert (verdict, not_told) == (Verdict((), (), (), (), ()), [])
    assert [member.unanswered for member in room.members] == [[]] * MEMBERS
    assert room.acks == sends


def cases(room: Room, verdict: Verdict, not_told: list[str], *, sends: int, each: int) -> list[Case]:
    found = {
        "messages lost": verdict.lost,
        "messages duplicated": verdict.duplicated,
        "messages inverted": verdict.inverted,
        "messages altered": verdict.altered,
        "holes in silence": (*verdict.holes, *not_told),
        "calls unanswered": [call for member in room.members for call in member.unanswered],
    }
    again = sum((member.refusals for member in room.members), Counter[str]())
    return [
        Case(f"a room of {MEMBERS} at {GATEWAYS} gateways: acknowledged", str(sends), str(room.acks)),
        *(Case(f"  {fault}", str(each), str(room.seen[fault])) for fault in room.faults),
        *(Case(f"  {kind}", "0", str(len(faults))) for kind, faults in found.items()),
        Case("  sent or asked again after", "", _counted(again)),
    ]


def _counted(what: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(what.items())) or "nothing"


async def _talk(member: Member, count: int) -> None:
    for number in range(1, count + 1):
        await member.say(f"{member.name} says {number}")
