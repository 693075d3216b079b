"""A whole Pulso behind nginx and people who use all of it, so that each of its processes can be broken in turn.

Members of a room talk, numbers are set, everybody hears the clock. `works_again` says when all of that goes on and
every service answers; `damage` what was lost, told twice or told in another order since the beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.faults.deployment import Deployment, Program
from tests.faults.front import FrontDoor, in_front_of
from tests.faults.history import Record, judge
from tests.faults.member import Member
from tests.faults.people import Person, crowd
from tests.faults.test_chat import token_of
from tests.faults.test_clock_killed import seconds_told
from tests.waiting import eventually

SERVICES: Final = ("auth", "presence", "numbers", "chat", "sales", "clock", "journal", "ops")
GATEWAYS: Final = 3
MEMBERS: Final = 6
PEOPLE: Final = 6
PAUSE_S: Final = 0.1
"""Between what one of them does and the next: the faults are to be seen, not the limits of the machine."""
ADMIN: Final = "bruno"
CATCH_UP_WITHIN_S: Final = 15.0
ONE_PROBE_S: Final = 2.0
PROBE_EVERY_S: Final = 0.1

PROBES: Final = {
    "auth": ("POST", "auth/login"),
    "presence": ("GET", "presence/list"),
    "numbers": ("POST", "numbers/even"),
    "chat": ("GET", "chat/rooms"),
    "sales": ("GET", "sales/records?limit=1"),
    "journal": ("GET", "journal/messages?limit=1"),
    "ops": ("GET", "ops/status"),
}
"""What shows that a service answers; that the clock ticks everybody hears."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong, in words; none of it where nothing is."""

    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    inverted: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.lost)} / {len(self.duplicated)} / {len(self.inverted)}"


NO_DAMAGE: Final = Damage((), (), ())


@dataclass(slots=True)
class Whole:
    deployment: Deployment
    services: dict[str, Program]
    gateways: list[Program]
    door: FrontDoor
    admin: str
    chance: Random
    history: list[Record] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Everybody does something meanwhile; at the end each thing that was begun is acknowledged."""
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for member in self.members:
                tasks.create_task(_talk(member, enough), name=member.name)
            for person in self.people:
                tasks.create_task(_count(person, self.chance, enough, self.door.url), name=person.name)
            try:
                yield
            finally:
                enough.set()

    async def more_acks(self, count: int) -> None:
        """Returns once so many more things were acknowledged to everybody."""
        everybody = [*self.members, *self.people]
        wanted = [(one, one.acks + count) for one in everybody]
        await eventually(lambda: all(one.acks >= acks for one, acks in wanted))

    async def works_again(self) -> None:
        """Returns once all processes are ready, all services answer, and everybody goes on and hears the clock."""
        async with asyncio.TaskGroup() as tasks:
            for program in (*self.services.values(), *self.gateways):
                tasks.create_task(program.becomes("ready"))
            for verb, path in PROBES.values():
                tasks.create_task(self._answers(verb, path))
            for person in self.people:
                tasks.create_task(person.hears("clock:tick", since=person.mark()))
            tasks.create_task(self.more_acks(1))

    async def damage(self) -> Damage:
        """While nobody does anything."""
        last = max(member.has for member in self.members)
        with contextlib.suppress(AssertionError):
            await eventually(lambda: all(m.has == last for m in self.members), within_s=CATCH_UP_WITHIN_S)
        not_told = [f"{m.name} was never told of all up to {last}" for m in self.members if m.has < last]
        await asyncio.gather(*(member.catch_up() for member in self.members))
        verdict = judge(self.history, [member.name for member in self.members])
        unanswered = [call for member in self.members for call in member.unanswered]
        forgotten = [fault for person in self.people if (fault := await self._forgotten(person))]
        return Damage(
            lost=(*verdict.lost, *verdict.holes, *verdict.altered, *not_told, *unanswered, *forgotten),
            duplicated=(*verdict.duplicated, *self._seconds_twice()),
            inverted=(*verdict.inverted, *self._seconds_backwards()),
        )

    async def _forgotten(self, person: Person) -> str:
        """What is wrong with a person's number as it is stored."""
        async with person.another_tab(self.door.url) as tab:
            value = tab.heard("numbers:value")[0]["value"]
        return "" if person.hopes.allow(value) else f"{person.name}: {value} is stored, {person.hopes}"

    def _seconds_twice(self) -> Iterator[str]:
        for person in self.people:
            told = seconds_told(person)
            if len(set(told)) < len(told):
                yield f"{person.name} was told a second twice"

    def _seconds_backwards(self) -> Iterator[str]:
        for person in self.people:
            told = seconds_told(person)
            if told != sorted(told):
                yield f"{person.name} was told a second after a later one"

    async def _answers(self, verb: str, path: str) -> None:
        """Returns once it does."""
        body = {"username": ADMIN, "password": "a password"} if path == "auth/login" else None
        headers = {} if body else {"Authorization": f"Bearer {self.admin}"}

        async def once() -> bool:
            url = f"{self.door.url}/api/{path}"
            try:
                # Not the call's own deadline: what reached a process just before its end is never answered.
                async with (
                    asyncio.timeout(ONE_PROBE_S),
                    self.deployment.http.request(verb, url, json=body, headers=headers) as answer,
                ):
                    return answer.status == 200
            except (OSError, TimeoutError):
                return False

        await eventually(once, every_s=PROBE_EVERY_S)


@contextlib.asynccontextmanager
async def whole_pulso(deployment: Deployment, folder: Path, chance: Random) -> AsyncIterator[Whole]:
    started = await deployment.start_all(
        *SERVICES, *["gateway"] * GATEWAYS,
        admins=ADMIN, sales_generator=1, token_seconds=7200, limit_connections_per_address=0,
        limit_connections_per_user=0,
        limit_logins_per_minute=0,
    )  # fmt: skip
    services, gateways = dict(zip(SERVICES, started, strict=False)), started[len(SERVICES) :]
    (folder / "front").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        ports = [gateway.port for gateway in gateways]
        door = await stack.enter_async_context(in_front_of(ports, folder / "front"))
        admin = await token_of(deployment, door.url, ADMIN)
        whole = Whole(deployment, services, gateways, door, admin, chance)
        for number in range(1, MEMBERS + 1):
            token = await token_of(deployment, door.url, f"member-{number}")
            member = Member(f"member-{number}", token, door.port, whole.history, Random(chance.random()))
            await stack.enter_async_context(member.present())
            whole.members.append(member)
        whole.people += await stack.enter_async_context(crowd(deployment.http, [door.url], PEOPLE))
        yield whole


async def _talk(member: Member, enough: asyncio.Event) -> None:
    while not enough.is_set():
        await member.say(f"{member.name} says {member.acks}")
        await asyncio.sleep(PAUSE_S)


async def _count(person: Person, chance: Random, enough: asyncio.Event, url: str) -> None:
    done: Any = True
    while not (done and enough.is_set()):
        if not person.is_connected:
            await person.connect(url)
        done = await person.set(chance.randrange(100))
        await asyncio.sleep(PAUSE_S)
