"""Numbers killed with -9 under load: nothing acknowledged is lost, no socket ends, and it is soon back."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.admission import admitted
from tests.faults.conftest import PEOPLE, Pulso
from tests.faults.deployment import Deployment
from tests.faults.people import Person, crowd, everybody_acked, more_acks, nothing_is_lost, under_load
from tests.waiting import at_most, eventually

TAKEOVER_S = 5.0
FENCED_FOR_S = 1.5
BOARDS = 4
LEASE = "pulso:lease:numbers:0"


async def test_no_acknowledged_value_is_lost_when_numbers_are_killed_and_started_again(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    async with under_load(people, chance) as enough:
        await more_acks(people, chance.randrange(100, 1_500))
        await pulso.numbers.kill()
        enough.set()
        assert await refused(people[0]) in ("unavailable", "timeout")
        assert await refused(people[0]) == "unavailable"  # nobody listens any more: said at once
        await pulso.numbers.start()
    await nothing_is_lost(people, pulso.urls[1])
    await all_goes_on(people, chance)


@pytest.mark.quiet
async def test_a_standby_serves_within_5_s_when_numbers_are_killed(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    (standby,) = await pulso.deployment.start_all("numbers")
    assert await standby.status() == "standby"
    async with under_load(people, chance) as enough:
        await more_acks(people, chance.randrange(100, 1_500))
        async with at_most(TAKEOVER_S):
            await pulso.numbers.kill()
            enough.set()
            await served_again(pulso)
    assert await standby.status() == "ready"
    await nothing_is_lost(people, chance.choice(pulso.urls))
    await all_goes_on(people, chance)


async def test_two_instances_share_two_shards_and_one_board_until_one_is_killed(
    deployment: Deployment, chance: Random
) -> None:
    programs = await deployment.start_all("auth", "numbers", "numbers", "gateway", "gateway", numbers_shards=2)
    instances, urls = programs[1:3], [gateway.url for gateway in programs[3:]]
    await asyncio.gather(*(instance.becomes("ready") for instance in instances))
    async with crowd(deployment.http, urls, PEOPLE) as people:
        async with under_load(people, chance) as enough:
            assert await people[0].call("numbers:watch") == {}
            await one_board_a_second(people[0], people)
            await chance.choice(instances).kill()
            enough.set()
        await nothing_is_lost(people, urls[0])
        async with under_load(people, chance):
            await one_board_a_second(people[0], people)
        await all_goes_on(people, chance)


async def test_an_instance_that_hangs_is_never_followed_while_it_may_still_write(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    hanging, standby = pulso.numbers, (await pulso.deployment.start_all("numbers"))[0]
    async with under_load(people, chance):
        await more_acks(people, chance.randrange(100, 1_500))
    hanging.pause()
    async with under_load(people, chance) as enough:  # one call each, which reaches the one that hangs
        enough.set()
        await lease_is_over(pulso)
        # It may still write what it is asked, so nobody else may: they are kept apart by the store's lock.
        await standby.stays("standby", until=asyncio.get_running_loop().time() + FENCED_FOR_S)
        hanging.resume()
        await asyncio.gather(standby.becomes("ready"), hanging.becomes("standby"))
    await nothing_is_lost(people, pulso.urls[0])
    await all_goes_on(people, chance)


async def all_goes_on(people: list[Person], chance: Random) -> None:
    """Everybody is still connected, was told nothing but that it could not be done, and can set values again."""
    async with under_load(people, chance):
        await everybody_acked(people, within_s=TAKEOVER_S)
    assert {code for person in people for code in person.refusals} <= {"unavailable", "timeout"}
    assert [person.ends for person in people] == [[]] * len(people)


async def refused(person: Person) -> str:
    """What a call is answered while nobody serves."""
    answer = await person.call("numbers:even")
    return str(answer["error"]["code"])


async def lease_is_over(pulso: Pulso) -> None:
    """Returns once another instance than the first holds the lease."""
    redis = Redis(unix_socket_path=str(pulso.deployment.redis.socket))
    holder = await redis.get(LEASE)

    async def is_another() -> bool:
        return await redis.get(LEASE) not in (None, holder)

    try:
        await eventually(is_another)
    finally:
        await redis.aclose()


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
        async with admitted(pulso.deployment.http, f"{url}/api/auth/guest", json={}) as response:
            token = (await response.json())["access_token"]
        await eventually(lambda: stands(url, token))

    await asyncio.gather(*map(once, pulso.urls))


async def one_board_a_second(watcher: Person, people: list[Person]) -> None:
    """The next boards hold everybody, and come a second apart: more than one publisher would show."""

    def is_whole(board: dict[str, Any]) -> bool:
        return {board["active"], sum(board["histogram"]), len(board["values"])} == {len(people)}

    since = watcher.mark()
    await eventually(lambda: any(map(is_whole, watcher.heard("numbers:board", since=since))))
    since, began = watcher.mark(), time.monotonic()
    await watcher.hears("numbers:board", since=since, count=BOARDS)
    assert time.monotonic() - began > 0.6 * BOARDS
    assert all(map(is_whole, watcher.heard("numbers:board", since=since)))
