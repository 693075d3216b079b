"""A database's disk full to the last byte: its service says so and refuses, and room is all it takes.

Mounts small filesystems, and so needs root: `make faults`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.sales.generator import Generator
from tests.cases import Case
from tests.faults.deployment import Deployment
from tests.faults.disks import SmallDisk, full
from tests.faults.history import Record, Verdict, judge
from tests.faults.member import Member
from tests.faults.people import crowd, everybody_acked, guest, more_acks, nothing_is_lost, under_load
from tests.faults.test_chat import token_of
from tests.faults.test_journal import Talk, Town
from tests.waiting import eventually

pytestmark = pytest.mark.long

PEOPLE = 8
EXPECTED = {"the store failed", "presence is not stored"}


async def test_numbers(
    deployment: Deployment, disk: SmallDisk, chance: Random, report: Callable[[Case], None]
) -> None:
    deployment.expected |= EXPECTED
    _, gateway = await deployment.start_all("auth", "gateway")
    (numbers,) = await deployment.start_all("numbers", data=disk.path)
    async with crowd(deployment.http, [gateway.url], PEOPLE) as people:
        async with under_load(people, chance):
            await more_acks(people, chance.randrange(50, 200))
            async with full(disk, numbers):
                assert (await people[0].call("numbers:even"))["error"]["code"] == "unavailable"
                async with people[0].another_tab(gateway.url):  # what is stored is read all the same
                    pass
                assert await gateway.status() == "ready"
            await everybody_acked(people)
        await nothing_is_lost(people, gateway.url)
        assert {code for person in people for code in person.refusals} <= {"unavailable"}
        assert not any(person.ends for person in people)
    report(case("numbers' database: values are refused, not read"))


async def test_auth(deployment: Deployment, disk: SmallDisk, report: Callable[[Case], None]) -> None:
    deployment.expected |= EXPECTED
    (auth,) = await deployment.start_all("auth", data=disk.path)
    _, gateway = await deployment.start_all("numbers", "gateway")
    registered: list[str] = []
    ana = await guest(deployment.http, gateway.url, "Ana")
    await ana.connect(gateway.url)

    async def register() -> tuple[int, str]:
        name = f"user-{len(registered)}"
        form = {"name": name, "username": name, "email": f"{name}@example.com", "password": "a password"}
        status, answer = await post(deployment, f"{gateway.url}/api/auth/register", form)
        registered.extend([name] if status == 200 else [])
        return status, answer.get("error", {}).get("code", "")

    for _ in range(5):
        assert await register() == (200, "")
    disk.fill()
    answers = [await register() for _ in range(40)]  # the log beside the file may have some room left
    assert set(answers) <= {(200, ""), (503, "unavailable")}
    assert answers[-1] == (503, "unavailable")
    async with full(disk, auth):
        login = {"username": registered[0], "password": "a password"}
        assert (await post(deployment, f"{gateway.url}/api/auth/login", login))[0] == 503
        assert await ana.set(37)  # whoever is in stays in
    for name in registered:
        status, _ = await post(
            deployment, f"{gateway.url}/api/auth/login", {"username": name, "password": "a password"}
        )
        assert status == 200
    assert await register() == (200, "")
    assert ana.ends == []
    await ana.close()
    report(case("auth's database: no new account or login, the signed-in go on"))


async def test_presence(deployment: Deployment, disk: SmallDisk, report: Callable[[Case], None]) -> None:
    deployment.expected |= EXPECTED
    _, _, gateway = await deployment.start_all("auth", "numbers", "gateway")
    (presence,) = await deployment.start_all("presence", data=disk.path)
    await gateway.becomes("ready")
    ana = await guest(deployment.http, gateway.url, "Ana")
    await ana.connect(gateway.url)
    await eventually(lambda: is_answered(ana.call("presence:watch")))
    disk.fill()
    async with contextlib.AsyncExitStack() as stack:
        names = [f"Guest {number}" for number in range(60)]
        for name in names:
            person = await guest(deployment.http, gateway.url, name)
            await person.connect(gateway.url)
            stack.push_async_callback(person.close)
        async with full(disk, presence):
            assert "error" not in await ana.call("presence:list")

        def told() -> list[str]:
            return [joined["user"]["name"] for joined in ana.heard("presence:joined")]

        await eventually(lambda: sorted(told()) == sorted(names))
        listed = await ana.call("presence:list")
        assert listed["total"] == len(names) + 1
    await ana.close()
    report(case("presence's database: comings are told late, once"))


async def test_chat(
    deployment: Deployment, disk: SmallDisk, chance: Random, report: Callable[[Case], None]
) -> None:
    deployment.expected |= EXPECTED
    _, gateway = await deployment.start_all("auth", "gateway")
    (chat,) = await deployment.start_all("chat", data=disk.path)
    history: list[Record] = []
    names = ["Ana", "Rui", "Carla"]
    async with contextlib.AsyncExitStack() as stack:
        members = []
        for name in names:
            token = await token_of(deployment, gateway.url, name)
            member = Member(name, token, gateway.port, history, Random(chance.random()))
            members.append(member)
            await stack.enter_async_context(member.present())

        async def talk(member: Member) -> None:
            for number in range(120):
                await member.say(f"{member.name} says {number}")

        async with asyncio.TaskGroup() as talks:
            for member in members:
                talks.create_task(talk(member))
            await eventually(lambda: sum(member.acks for member in members) > 60)
            async with full(disk, chat):
                await eventually(lambda: all(member.refusals["unavailable"] for member in members))
        await asyncio.gather(*(member.catch_up() for member in members))
        assert judge(history, names) == Verdict((), (), (), (), ())
        assert [member.acks for member in members] == [120] * 3
    report(case("chat's database: messages are refused until they are kept, in order"))


async def test_sales(
    deployment: Deployment, disk: SmallDisk, tmp_path: Path, report: Callable[[Case], None]
) -> None:
    deployment.expected |= EXPECTED
    source = tmp_path / "sales.jsonl"
    generator = Generator(random.Random(1), lambda: datetime.now(UTC))
    _, gateway = await deployment.start_all("auth", "gateway")
    (sales,) = await deployment.start_all("sales", data=disk.path, sales_source=source)
    token = await token_of(deployment, gateway.url, "Ana")
    lines: list[bytes] = []

    def sell(count: int) -> None:
        lines.extend(generator.line() for _ in range(count))
        with source.open("ab") as file:
            file.write(b"".join(lines[-count:]))

    async def stored() -> list[str]:
        ids: list[str] = []
        after: Any = None
        while True:
            query = {"limit": 500} if after is None else {"limit": 500, "after": after}
            headers = {"Authorization": f"Bearer {token}"}
            async with deployment.http.get(
                f"{gateway.url}/api/sales/records", params=query, headers=headers
            ) as response:
                page = await response.json()
            if "error" in page:
                return []
            ids += [record["id"] for record in page["records"]]
            if page.get("next") in (None, after) or not page["records"]:
                return ids
            after = page["next"]

    async def all_stored() -> bool:
        ids = await stored()
        return len(ids) == len(set(ids)) == len(lines)

    sell(100)
    await eventually(all_stored)
    disk.fill()
    sell(5_000)
    async with full(disk, sales):
        sell(100)
    await eventually(all_stored)
    report(case("sales' database: the source is read on later, each record once"))


async def test_journal(
    deployment: Deployment, disk: SmallDisk, chance: Random, report: Callable[[Case], None]
) -> None:
    deployment.expected |= EXPECTED
    async with town_of(deployment, journal={"data": disk.path}) as town, contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(town.talking(chance))
        await town.more(100)
        async with full(disk, town.journal):
            await town.more(200)
        await town.more(50)
        await stack.aclose()
        await town.all_is_stored()
    report(case("the journal's database: the log of all messages comes late, whole"))


def case(name: str) -> Case:
    return Case(f"disk full: {name}", "lost 0, ready by itself with room", "lost 0, ready by itself with room")


async def is_answered(call: Awaitable[Any]) -> bool:
    answer = await call
    return isinstance(answer, dict) and "error" not in answer


async def post(deployment: Deployment, url: str, body: Any) -> tuple[int, Any]:
    async with deployment.http.post(url, json=body) as response:
        return response.status, await response.json()


@contextlib.asynccontextmanager
async def town_of(
    deployment: Deployment,
    *,
    journal: dict[str, object] | None = None,
    gateways: dict[str, object] | None = None,
) -> AsyncIterator[Town]:
    """A town whose journal, or whose gateways, have a disk of their own."""
    await deployment.start_all("auth", admins="bruno")
    (service,) = await deployment.start_all("journal", **(journal or {}))
    await deployment.start_all("numbers")
    entrances = await deployment.start_all("gateway", "gateway", **(gateways or {}))
    urls = [gateway.url for gateway in entrances]
    admin = await token_of(deployment, urls[0], "bruno")
    async with crowd(deployment.http, urls, 4) as people:
        yield Town(deployment, service, entrances, [Talk(person, []) for person in people], admin)
