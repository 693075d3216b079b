"""Real processes, killed with -9: nothing that was acknowledged is lost, and a standby takes over."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from pulso.errors import ServiceError
from pulso.settings import KitSettings
from pulso.store import open_store
from services.numbers.store import MIGRATIONS, LastNumbers
from tests.services.numbers.conftest import Gateway, gateway_on, process
from tests.waiting import at_most, eventually

TAKEOVER_S = 5.0


class Client:
    """Sets one value after another, and remembers which were acknowledged, and which may have been stored."""

    def __init__(self, gateway: Gateway, number: int) -> None:
        self._gateway = gateway
        self._number = number
        self.user = f"u{number}"
        self.acknowledged: int | None = None
        self.under_way: int | None = None
        self.acks = 0

    async def run(self) -> None:
        """Until cancelled, or until the service is gone."""
        value = self._number
        with contextlib.suppress(ServiceError):
            while True:
                value = (value + 1) % 100
                self.under_way = value
                await self._gateway.set(self._gateway.caller(self.user), value)
                self.acknowledged, self.under_way = value, None
                self.acks += 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_acknowledged_value_is_lost_when_the_service_is_killed(kit: KitSettings, seed: int) -> None:
    chance = random.Random(seed)
    async with gateway_on(kit) as gateway:
        clients = [Client(gateway, number) for number in range(40)]
        async with process(kit) as numbers:
            await gateway.serves()
            runs = [asyncio.create_task(client.run()) for client in clients]
            acks = chance.randrange(200, 3_000)
            await eventually(lambda: sum(client.acks for client in clients) >= acks)
            await numbers.kill()
            for run in runs:
                run.cancel()
            await asyncio.wait(runs)
    async with open_store(kit.data / "numbers.sqlite3", migrations=MIGRATIONS) as store:
        stored = await LastNumbers(store).read([client.user for client in clients])
    for client in clients:
        assert stored[client.user].value in (client.acknowledged, client.under_way)


@pytest.mark.quiet
async def test_standby_serves_within_5_s_when_the_active_one_is_killed(kit: KitSettings) -> None:
    async with gateway_on(kit) as gateway, process(kit) as active:
        await gateway.serves()
        await gateway.set(gateway.caller("ana"), 37)
        async with process(kit):
            await eventually(lambda: _instances(gateway, 2))
            await active.kill()
            async with at_most(TAKEOVER_S):
                await gateway.serves()
            assert (await gateway.connect(gateway.caller("ana"))).value == 37


@pytest.mark.quiet
async def test_two_instances_serve_one_shard_each_and_one_takes_over_both(kit: KitSettings) -> None:
    async with gateway_on(kit, shards=2) as gateway, process(kit, shards=2), process(kit, shards=2) as other:
        await eventually(lambda: _holders(gateway, 2))
        await gateway.serves()
        users = [f"u{number}" for number in range(20)]
        await asyncio.gather(*(gateway.set(gateway.caller(user), 37) for user in users))
        await other.kill()
        async with at_most(TAKEOVER_S):
            await eventually(lambda: _holders(gateway, 1))
            await gateway.serves()
        stand = [await gateway.connect(gateway.caller(user)) for user in users]
        assert [numbers.value for numbers in stand] == [37] * len(users)


async def _instances(gateway: Gateway, count: int) -> bool:
    return bool(await gateway.link.command("ZCARD", f"{gateway.bus.channels.prefix}:instances:numbers") == count)


async def _holders(gateway: Gateway, count: int) -> bool:
    """Whether both shards are held, by so many instances."""
    prefix = gateway.bus.channels.prefix
    holders = await gateway.link.command("MGET", *(f"{prefix}:lease:numbers:{shard}" for shard in (0, 1)))
    return None not in holders and len(set(holders)) == count
