"""The log of all messages while things break: what was acknowledged to a client stands in it, once, in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from tests.admission import admitted
from tests.faults.deployment import Deployment, Program
from tests.faults.people import Person, crowd
from tests.waiting import eventually

PEOPLE = 6


@dataclass(slots=True)
class Talk:
    """One person's values, as they were acknowledged."""

    person: Person
    acknowledged: list[int]

    async def go_on(self, chance: Random, urls: list[str]) -> None:
        while True:
            value = chance.randrange(100)
            answer = await self.person.call("numbers:set", {"value": value})
            if answer == {"value": value}:
                self.acknowledged.append(value)
            else:
                await asyncio.sleep(0.05)
                if not self.person.is_connected:
                    await self.person.connect(*urls)


@dataclass(slots=True)
class Town:
    deployment: Deployment
    journal: Program
    gateways: list[Program]
    talks: list[Talk]
    admin: str

    @property
    def urls(self) -> list[str]:
        return [gateway.url for gateway in self.gateways]

    @contextlib.asynccontextmanager
    async def talking(self, chance: Random) -> AsyncIterator[None]:
        running = [asyncio.create_task(talk.go_on(chance, self.urls)) for talk in self.talks]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    async def more(self, count: int) -> None:
        """Returns once so many more values were acknowledged."""
        until = sum(len(talk.acknowledged) for talk in self.talks) + count
        await eventually(lambda: sum(len(talk.acknowledged) for talk in self.talks) >= until)

    async def find(self, **asked: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            query = {"after": after, "limit": 500, **asked}
            headers = {"Authorization": f"Bearer {self.admin}"}
            url = f"{self.urls[-1]}/api/journal/messages"
            async with self.deployment.http.get(url, params=query, headers=headers) as response:
                page = await response.json()
                assert response.status == 200, page
            found += page["messages"]
            if page["next"] is None:
                return found
            after = page["next"]

    async def all_is_stored(self) -> None:
        """Everybody's acknowledged values stand in it in their order; the last call may have been cut off."""
        for talk in self.talks:

            async def complete(talk: Talk = talk) -> bool:
                stored = await self.find(user=talk.person.name, event="numbers:set", outcome="ok")
                values = [message["payload"]["value"] for message in stored]
                return values[: len(talk.acknowledged)] == talk.acknowledged and (
                    len(values) <= len(talk.acknowledged) + 1
                )

            await eventually(complete)


@pytest.fixture
async def town(deployment: Deployment) -> AsyncIterator[Town]:
    auth = await deployment.start("auth", admins="bruno")
    journal, _, *gateways = await deployment.start_all("journal", "numbers", "gateway", "gateway")
    await auth.becomes("ready")
    urls = [gateway.url for gateway in gateways]
    bruno = {
        "name": "Bruno",
        "username": "bruno",
        "email": "bruno@example.com",
        "password": "correct horse battery",
    }
    async with admitted(deployment.http, f"{urls[0]}/api/auth/register", json=bruno) as response:
        admin = (await response.json())["access_token"]
    async with crowd(deployment.http, urls, PEOPLE) as people:
        yield Town(deployment, journal, gateways, [Talk(person, []) for person in people], admin)


async def test_a_service_that_is_killed_and_away_misses_nothing(town: Town, chance: Random) -> None:
    async with town.talking(chance):
        await town.more(chance.randrange(50, 300))
        await town.journal.kill()
        await town.more(1000)
        await town.journal.start()
        await town.more(300)
    await town.journal.becomes("ready")
    await town.all_is_stored()


async def test_a_redis_that_forgets_everything_costs_no_message(town: Town, chance: Random) -> None:
    async with town.talking(chance):
        for _ in range(2):
            await town.more(chance.randrange(50, 300))
            town.deployment.redis.kill()
            await town.gateways[0].becomes("unready")
            town.deployment.redis.start()
        await town.more(200)
    await town.journal.becomes("ready")
    await town.all_is_stored()


async def test_what_a_killed_gateway_had_recorded_is_delivered_by_the_other(town: Town, chance: Random) -> None:
    """Without the journal service, so that all of it is on the disk alone; then Redis forgets what it had."""
    await town.journal.kill()
    async with town.talking(chance):
        await town.more(chance.randrange(50, 300))
    await asyncio.gather(*(talk.person.close() for talk in town.talks))
    # All that came in has been acknowledged, and is handed over before anything that comes later.
    first = town.gateways[0]
    spools = first.log.parent / "data" / "journal-spool"
    await is_on_disk(town.deployment.http, first.url, spools)
    await first.kill()
    town.deployment.redis.restart()
    await town.journal.start()
    await town.journal.becomes("ready")
    await town.gateways[1].becomes("ready")
    town.gateways = town.gateways[1:]
    await town.all_is_stored()
    assert await town.find(event="nobody:mark")


async def is_on_disk(http: aiohttp.ClientSession, url: str, spools: Path) -> None:
    """Returns once a request that is made now, and with it all before it, is on the gateway's disk."""
    async with http.post(f"{url}/api/nobody/mark", json={}) as response:
        assert response.status == 404
    await eventually(lambda: any(b"nobody:mark" in file.read_bytes() for file in spools.glob("*/*.batches")))
