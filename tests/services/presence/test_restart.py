"""The service restarted, or without its disk for a while: nobody joins anew, nobody's leaving is forgotten."""

from __future__ import annotations

import pytest

from pulso.errors import ServiceError
from pulso.settings import KitSettings
from services.presence.store import Book, PersonRow
from tests.redis_server import RedisServer
from tests.services.presence.conftest import SINCE, gateway_on, served, store, stored
from tests.waiting import eventually


async def test_a_restart_tells_nobody_anew_and_tells_of_those_who_went_meanwhile(kit: KitSettings) -> None:
    async with gateway_on(kit) as gateway:
        async with served(kit):
            await gateway.serves()
            gateway.open("u_ana")
            rui = gateway.open("u_rui")
            await gateway.has_here(u_ana=1, u_rui=1)
        gateway.close(rui)
        gateway.open("u_eva")
        async with served(kit):
            await gateway.serves()
            await gateway.has_here(u_ana=1, u_rui=0, u_eva=1)
            await eventually(lambda: gateway.heard("presence:left") == ["u_rui"])
            assert gateway.heard("presence:joined") == ["u_ana", "u_rui", "u_eva"]
            assert set(await gateway.here()) == {"u_ana", "u_eva"}


async def test_the_tables_are_who_is_here(kit: KitSettings) -> None:
    async with gateway_on(kit) as gateway:
        async with served(kit):
            await gateway.serves()
            ana, _ = gateway.open("u_ana"), gateway.open("u_rui")
            gone = gateway.open("u_rui")
            await gateway.has_here(u_ana=1, u_rui=2)
            gateway.close(gone)
            await gateway.has_here(u_ana=1, u_rui=1)
            gateway.close(gateway.open("u_eva"))
            await eventually(lambda: gateway.heard("presence:left") == ["u_eva"])
        kept = await stored(kit)
    assert sorted(kept.connections.values()) == ["u_ana", "u_rui"]
    assert kept.connections[ana.connection] == "u_ana"
    assert kept.gateways == {gateway.id}
    assert {person.user for person in kept.people} == {"u_ana", "u_rui"}


async def test_those_who_went_with_a_gateway_while_nobody_followed_are_told_to_have_left(kit: KitSettings) -> None:
    async with gateway_on(kit) as kept:
        async with gateway_on(kit) as killed, served(kit):
            await kept.serves()
            kept.open("u_ana")
            killed.open("u_rui")
            await kept.has_here(u_ana=1, u_rui=1)
        async with served(kit):
            await kept.serves()
            await eventually(lambda: kept.heard("presence:left") == ["u_rui"])
            assert kept.heard("presence:joined") == ["u_ana", "u_rui"]
            await kept.has_here(u_ana=1)


async def test_a_joining_that_was_stored_and_not_told_is_told_after_the_crash(kit: KitSettings) -> None:
    await store(kit, people=[PersonRow("u_ana", "Ana", "user", SINCE, False)])
    async with gateway_on(kit) as gateway:
        gateway.open("u_ana", name="Ana")
        async with served(kit):
            await gateway.serves()
            assert gateway.heard("presence:joined") == ["u_ana"]
        async with served(kit):
            await gateway.serves()
            assert gateway.heard("presence:joined") == ["u_ana"]


async def test_a_full_disk_delays_the_news_and_loses_none(
    kit: KitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway_on(kit) as gateway, served(kit):
        await gateway.serves()
        failures = 0

        async def fail(*_: object) -> None:
            nonlocal failures
            failures += 1
            raise ServiceError("unavailable", "disk full")

        with monkeypatch.context() as patched:
            patched.setattr(Book, "save", fail)
            gateway.open("u_ana")
            await eventually(lambda: failures)
            rui = gateway.open("u_rui")
            gateway.close(rui)
            # Rui's grace is over before anything can be stored.
            await eventually(lambda: failures >= 4)
            assert await gateway.here() == {}
        await eventually(lambda: gateway.heard("presence:left") == ["u_rui"])
        assert gateway.heard("presence:joined") == ["u_ana", "u_rui"]
        await gateway.has_here(u_ana=1)


@pytest.mark.quiet
async def test_after_a_restart_of_redis_the_list_is_right_within_5_s(
    own_kit: KitSettings, own_redis: RedisServer
) -> None:
    async with gateway_on(own_kit) as gateway, served(own_kit):
        await gateway.serves()
        gateway.open("u_ana")
        rui = gateway.open("u_rui")
        await gateway.has_here(u_ana=1, u_rui=1)
        own_redis.kill()
        gateway.close(rui)
        gateway.open("u_eva")
        own_redis.start()

        async def right() -> bool:
            try:
                return {i: person.connections for i, person in (await gateway.here()).items()} == {
                    "u_ana": 1, "u_rui": 0, "u_eva": 1
                }  # fmt: skip
            except ServiceError:
                return False

        await eventually(right, within_s=5)
        await eventually(lambda: gateway.heard("presence:left") == ["u_rui"])
        assert gateway.heard("presence:joined") == ["u_ana", "u_rui", "u_eva"]
