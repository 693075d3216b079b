"""What gateways know of services, also when Redis has forgotten it."""

from __future__ import annotations

from pulso.contract import Access, Contract, Endpoint, Nothing, manifest_of
from pulso.manifests import Manifests, announce
from pulso.party import Connected

ECHO = Contract(service="echo", endpoints=(Endpoint("echo:say", Nothing, Nothing, Access.GUEST, "Echo."),))
SUM = Contract(service="sum", endpoints=(Endpoint("sum:add", Nothing, Nothing, Access.GUEST, "Add."),))


async def test_a_service_stays_known_when_redis_comes_back_empty(party: Connected) -> None:
    manifests = Manifests()
    for contract in (ECHO, SUM):
        await announce(party.link, party.bus, manifest_of(contract, shards=1))
    await manifests.read(party.link, party.bus)
    await party.link.command("DEL", f"{party.bus.channels.prefix}:manifests")
    await announce(party.link, party.bus, manifest_of(ECHO, shards=2))
    await manifests.read(party.link, party.bus)
    assert {name: len(route.channels) for name, route in manifests.routes.items()} == {"echo:say": 2, "sum:add": 1}
