"""Redis killed or silent: readiness says so, everybody stays connected, and all goes on when it is back."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.faults.conftest import PEOPLE, Pulso
from tests.faults.deployment import Deployment
from tests.faults.people import Person, everybody_acked, guest, more_acks, nothing_is_lost, under_load
from tests.redis_server import RedisServer
from tests.waiting import eventually

NOTICED_WITHIN_S = 5.0
BACK_WITHIN_S = 10.0
SILENT_FOR_S = 6.0


@pytest.mark.quiet
async def test_a_restart_of_redis_costs_no_value_and_no_socket(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    since = [person.mark() for person in people]
    async with under_load(people, chance):
        await more_acks(people, chance.randrange(100, 1_500))
        pulso.deployment.redis.kill()
        await pulso.become("unready", within_s=NOTICED_WITHIN_S)
        answer = await people[0].call("numbers:even")
        assert answer["error"]["code"] == "unavailable"
        pulso.deployment.redis.start()
        await pulso.become("ready", within_s=BACK_WITHIN_S)
        await everybody_acked(people, within_s=BACK_WITHIN_S)
    await everybody_is_told(people, since)
    await nothing_is_lost(people, pulso.urls[1])
    await mirror_works(people[0], *pulso.urls)
    assert [person.ends for person in people] == [[]] * PEOPLE


@pytest.mark.quiet
async def test_a_silent_redis_is_noticed_and_its_return_too(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    since = [person.mark() for person in people]
    async with under_load(people, chance):
        await more_acks(people, chance.randrange(100, 1_500))
        pulso.deployment.redis.pause()
        silent_until = asyncio.get_running_loop().time() + SILENT_FOR_S
        await pulso.become("unready", within_s=NOTICED_WITHIN_S)
        # Connections to it are even made meanwhile: that is not enough.
        await asyncio.gather(*(program.stays("unready", until=silent_until) for program in pulso.all))
        pulso.deployment.redis.resume()
        await pulso.become("ready", within_s=BACK_WITHIN_S)
        await everybody_acked(people, within_s=BACK_WITHIN_S)
    await everybody_is_told(people, since)
    await nothing_is_lost(people, pulso.urls[0])
    await mirror_works(people[0], *pulso.urls)
    assert {code for person in people for code in person.refusals} <= {"unavailable", "timeout"}
    assert [person.ends for person in people] == [[]] * PEOPLE


async def test_processes_start_before_redis_is_there_and_stop_while_it_is_silent(
    own_redis: RedisServer, deployment: Deployment
) -> None:
    own_redis.kill()
    programs = [await deployment.start(service) for service in ("gateway", "numbers", "auth")]
    await asyncio.gather(*(program.becomes("unready") for program in programs))
    own_redis.start()
    await asyncio.gather(*(program.becomes("ready", within_s=BACK_WITHIN_S) for program in programs))
    ana = await guest(deployment.http, programs[0].url, "Ana")
    await ana.connect(programs[0].url)
    assert await ana.set(37)
    own_redis.pause()
    assert await asyncio.gather(*(program.stop() for program in programs)) == [0] * len(programs)
    await eventually(lambda: ana.ends)


async def test_a_gateway_that_starts_with_an_empty_redis_knows_which_services_are_only_away(
    deployment: Deployment,
) -> None:
    auth, numbers, gateway = await deployment.start_all("auth", "numbers", "gateway")
    ana = await guest(deployment.http, gateway.url, "Ana")
    await ana.connect(gateway.url)
    assert await ana.set(37)
    await gateway.kill()
    await numbers.kill()
    deployment.redis.restart()
    await gateway.start()
    await gateway.becomes("ready")
    for service, status in (("numbers", 503), ("nobody", 404)):
        headers = {"Authorization": f"Bearer {ana.token}"}
        async with deployment.http.post(f"{gateway.url}/api/{service}/even", headers=headers) as answer:
            assert answer.status == status, await answer.text()
    await numbers.start()
    await ana.connect(gateway.url)
    assert ana.heard("numbers:value")[-1]["value"] == 37
    await ana.close()
    await auth.becomes("ready")


async def everybody_is_told(people: list[Person], since: list[int]) -> None:
    """That something may have been missed."""
    await asyncio.gather(
        *(person.hears("session:resync", since=mark) for person, mark in zip(people, since, strict=True))
    )


async def mirror_works(person: Person, *urls: str) -> None:
    """What is set in one place is seen in the others: their subscriptions are made again."""
    for url in urls:
        async with person.another_tab(url) as tab:
            since = person.mark()
            value = (tab.heard("numbers:value")[0]["value"] + 1) % 100
            assert await tab.set(value)
            assert (await person.hears("numbers:value", since=since))["value"] == value
            person.hopes = tab.hopes
