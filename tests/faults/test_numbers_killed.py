"""Numbers killed with -9 under load: nothing acknowledged is lost, no socket ends, and it is soon back."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

from tests.faults.conftest import PEOPLE, Pulso
from tests.faults.deployment import Deployment
from tests.faults.people import Person, crowd, everybody_acked, more_acks, nothing_is_lost, under_load
from tests.waiting import eventually

TAKEOVER_S = 5.0
BOARDS = 3


async def test_no_acknowledged_value_is_lost_when_numbers_are_killed_and_started_again(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    async with under_load(people, chance):
        await more_acks(people, chance.randrange(100, 1_500))
        await pulso.numbers.kill()
        assert await refused(people[0]) in ("unavailable", "timeout")
        assert await refused(people[0]) == "unavailable"  # nobody listens any more: said at once
        await pulso.numbers.start()
        await everybody_acked(people, within_s=20)
    await nothing_is_lost(people, pulso.urls[1])
    assert {code for person in people for code in person.refusals} <= {"unavailable", "timeout"}
    assert [person.ends for person in people] == [[]] * PEOPLE


async def test_a_standby_serves_within_5_s_whenever_numbers_are_killed(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    active, standby = pulso.numbers, (await pulso.deployment.start_all("numbers"))[0]
    assert await standby.status() == "standby"
    for _ in range(2):
        async with under_load(people, chance):
            await more_acks(people, chance.randrange(100, 1_500))
            await active.kill()
            killed_at = time.monotonic()
            await served_again(pulso)
            assert time.monotonic() - killed_at < TAKEOVER_S
            await everybody_acked(people, within_s=TAKEOVER_S + 5)
        assert await standby.status() == "ready"
        await nothing_is_lost(people, chance.choice(pulso.urls))
        await active.start()
        await active.becomes("standby")
        active, standby = standby, active
    assert {code for person in people for code in person.refusals} <= {"unavailable", "timeout"}
    assert [person.ends for person in people] == [[]] * PEOPLE


async def test_two_instances_share_two_shards_and_one_board_until_one_is_killed(
    deployment: Deployment, chance: Random
) -> None:
    programs = await deployment.start_all("auth", "numbers", "numbers", "gateway", "gateway", numbers_shards=2)
    instances, urls = programs[1:3], [gateway.url for gateway in programs[3:]]
    await asyncio.gather(*(instance.becomes("ready") for instance in instances))
    async with crowd(deployment.http, urls, PEOPLE) as people, under_load(people, chance):
        watcher = people[0]
        assert await watcher.call("numbers:watch") == {}
        await one_board_a_second(watcher, people)
        await chance.choice(instances).kill()
        await everybody_acked(people, within_s=TAKEOVER_S + 5)
        await one_board_a_second(people[0], people)
    await nothing_is_lost(people, urls[0])
    assert [person.ends for person in people] == [[]] * PEOPLE


async def refused(person: Person) -> str:
    """What a call is answered while nobody serves."""
    answer = await person.call("numbers:even")
    return str(answer["error"]["code"])


async def served_again(pulso: Pulso) -> None:
    """Returns once each gateway has a call answered by the service."""

    async def stands(url: str, token: str) -> bool:
        # Not the call's own deadline: what reached the service just before its end is never answered.
        try:
            async with (
                asyncio.timeout(1.0),
                pulso.deployment.http.post(
                    f"{url}/api/numbers/even", headers={"Authorization": f"Bearer {token}"}
                ) as response,
            ):
                return response.status == 200
        except TimeoutError:
            return False

    async def once(url: str) -> None:
        async with pulso.deployment.http.post(f"{url}/api/auth/guest", json={}) as response:
            token = (await response.json())["access_token"]
        await eventually(lambda: stands(url, token), within_s=TAKEOVER_S + 5)

    await asyncio.gather(*map(once, pulso.urls))


async def one_board_a_second(watcher: Person, people: list[Person]) -> None:
    """The next boards hold everybody, and come a second apart: more than one publisher would show."""

    def is_whole(board: dict[str, Any]) -> bool:
        return board["active"] == sum(board["histogram"]) == len(board["values"]) == len(people)

    since = watcher.mark()
    await eventually(lambda: any(map(is_whole, watcher.heard("numbers:board", since=since))), within_s=10)
    since, began = watcher.mark(), time.monotonic()
    await watcher.hears("numbers:board", since=since, count=BOARDS)
    assert time.monotonic() - began > BOARDS - 1.5
    assert all(map(is_whole, watcher.heard("numbers:board", since=since)))
