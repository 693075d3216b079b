"""What gateways know of services, also when Redis has forgotten it."""

from __future__ import annotations

import msgspec
import pytest

from pulso.contract import Access, Contract, Endpoint, Event, Nothing, Topic
from pulso.keys import Keys
from pulso.manifest import Manifest, manifest_of
from pulso.manifests import Manifests, announce
from pulso.party import Connected

ECHO = Contract(service="echo", endpoints=(Endpoint("echo:say", Nothing, Nothing, Access.GUEST, "Echo."),))
SUM = Contract(service="sum", endpoints=(Endpoint("sum:add", Nothing, Nothing, Access.GUEST, "Add."),))


async def test_a_service_stays_known_when_redis_comes_back_empty(party: Connected) -> None:
    manifests = Manifests()
    for contract in (ECHO, SUM):
        await announce(party.link, party.bus, manifest_of(contract, shards=1))
    await manifests.read(party.link, party.bus)
    keys = Keys(party.bus.channels.prefix)
    await party.link.command("DEL", keys.services, keys.manifest("echo"), keys.manifest("sum"))
    await announce(party.link, party.bus, manifest_of(ECHO, shards=2))
    await manifests.read(party.link, party.bus)
    assert {name: len(route.channels) for name, route in manifests.routes.items()} == {"echo:say": 2, "sum:add": 1}


@pytest.mark.parametrize(
    "claimed",
    [
        manifest_of(ECHO, shards=1),
        Contract(service="sum", endpoints=(), topics=(Topic("sum.all", (Event("sum:all", Nothing, "All."),)),)),
    ],
    ids=["a service's whole manifest", "a topic of another service"],
)
async def test_a_service_speaks_for_no_other_one(party: Connected, claimed: Manifest | Contract) -> None:
    """Redis lets each write a key of its own, and nothing that stands there reaches further."""
    keys = Keys(party.bus.channels.prefix)
    if isinstance(claimed, Contract):
        honest = manifest_of(claimed, shards=1)
        stolen = msgspec.structs.replace(honest.topics[0], name="echo.secret", everyone=True)
        claimed = msgspec.structs.replace(honest, topics=(stolen,))
    await announce(party.link, party.bus, manifest_of(SUM, shards=1))
    await party.link.command("SET", keys.manifest("sum"), msgspec.json.encode(claimed))
    manifests = Manifests()
    await manifests.read(party.link, party.bus)
    assert manifests.routes == {}
    assert manifests.topics_for_everyone == ()


def test_a_contract_is_of_one_service() -> None:
    with pytest.raises(ValueError, match="does not belong"):
        Contract(service="sum", endpoints=ECHO.endpoints)
    with pytest.raises(ValueError, match="does not belong"):
        Contract(service="sum", endpoints=(), topics=(Topic("echo.all", ()),))
