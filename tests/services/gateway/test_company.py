"""Who is alone: known of users with one connection, never believed of others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec
import pytest

from pulso.channels import Channels
from pulso.contract import Caller, Event
from pulso.message import Envelope, Hello, Tell, TellOthers
from pulso.party import connected
from pulso.push import USER_TOPIC, Push
from pulso.redis_link import Publication
from pulso.settings import KitSettings
from services.gateway.company import PARTS, Company
from services.gateway.connection import Connection
from services.gateway.limits import TokenBucket
from tests.redis_server import RedisServer
from tests.waiting import eventually, in_own_task

VALUE = Event("numbers:value", dict[str, int], "A value.")


class Nowhere:
    def send(self, _frame: bytes) -> None:
        """These connections have no client."""

    def broadcast(self, _frame: bytes, _to: Sequence[object]) -> None:
        """As `send`."""


@dataclass
class Gateway:
    """As much of a gateway as follows the topic of one user, Ana."""

    company: Company
    inbox: list[Envelope]
    topic: list[Envelope]
    push: Push

    def enters(self, name: str, user: str = "ana") -> Connection:
        caller = Caller(user, user.title(), "user", connection=name, gateway="gw")
        connection = Connection(caller, Nowhere(), lambda: None, TokenBucket(0, 0))
        self.company.add(connection)
        return connection


@contextlib.asynccontextmanager
async def gateway(kit: KitSettings) -> AsyncIterator[Gateway]:
    async with in_own_task(connected(kit, name="gw", inbox=Channels.gateway)) as up:
        company = Company(up.bus)
        topic: list[Envelope] = []

        def on_topic(batch: list[Envelope]) -> None:
            for envelope in batch:
                if isinstance(envelope, Hello):
                    company.heard("ana", envelope)
                else:
                    topic.append(envelope)

        inbox: list[Envelope] = []
        await up.bus.listen(up.bus.channels.gateway("gw"), inbox.extend)
        await up.bus.listen(up.bus.channels.topic(USER_TOPIC + "ana"), on_topic)
        yield Gateway(company, inbox, topic, Push(up.bus))


async def test_a_user_with_one_connection_is_alone_once_that_was_counted(kit: KitSettings) -> None:
    async with gateway(kit) as one:
        tab = one.enters("tab-1")
        assert not tab.caller.is_alone
        await eventually(lambda: tab.caller.is_alone)


async def test_a_second_tab_ends_it_and_its_leaving_brings_it_back(kit: KitSettings) -> None:
    async with gateway(kit) as one:
        first = one.enters("tab-1")
        await eventually(lambda: first.caller.is_alone)
        second = one.enters("tab-2")
        assert not first.caller.is_alone
        assert not second.caller.is_alone
        one.company.remove(second)
        assert first.caller.is_alone


async def test_a_tab_at_another_gateway_ends_it_for_both(kit: KitSettings) -> None:
    async with gateway(kit) as one:
        here = one.enters("tab-1")
        await eventually(lambda: here.caller.is_alone)
        async with gateway(kit) as other:
            there = other.enters("tab-2")
            await eventually(lambda: not here.caller.is_alone)
            assert not there.caller.is_alone
            assert "ana" not in one.company.alone


async def test_who_was_left_by_another_gateway_is_alone_again_after_the_next_count(kit: KitSettings) -> None:
    async with gateway(kit) as one:
        here = one.enters("tab-1")
        async with gateway(kit) as other:
            other.enters("tab-2")
            await eventually(lambda: "ana" not in one.company.alone)

        def counted() -> bool:
            one.company._count(["ana"])
            return here.caller.is_alone

        await eventually(counted)


async def test_thousands_are_counted_again_in_parts_each_with_one_write(
    kit: KitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.company.COUNT_AGAIN_S", 0.2)
    async with gateway(kit) as one:
        users = [f"u-{number}" for number in range(10 * PARTS)]
        for user in users:
            one.enters(f"tab-of-{user}", user)
        of_a_user = one.company._bus.channels.topic(USER_TOPIC).encode()
        writes: list[list[bytes]] = []

        def publish(publications: Sequence[Publication]) -> None:
            channels = [publication.channel for publication in publications]
            if channels[0].startswith(of_a_user):
                writes.append([channel.removeprefix(of_a_user) for channel in channels])

        monkeypatch.setattr(one.company._bus.link, "publish", publish)
        counting = asyncio.create_task(one.company.run())
        await eventually(lambda: len(writes) >= PARTS)
        counting.cancel()
        assert sorted(channel.decode() for write in writes[:PARTS] for channel in write) == sorted(users)
        assert {len(write) for write in writes} == {10}


async def test_nobody_is_alone_while_redis_is_away(own_kit: KitSettings, own_redis: RedisServer) -> None:
    async with gateway(own_kit) as one:
        tab = one.enters("tab-1")
        await eventually(lambda: tab.caller.is_alone)
        own_redis.kill()
        await eventually(lambda: not tab.caller.is_alone)
        own_redis.start()
        await eventually(lambda: tab.caller.is_alone)


async def test_what_others_are_told_is_published_only_where_there_are_others(kit: KitSettings) -> None:
    async with gateway(kit) as one:
        tab = one.enters("tab-1")
        one.push.to_others(VALUE, [(tab.caller, {"value": 1})])
        await eventually(lambda: one.topic)
        await eventually(lambda: tab.caller.is_alone)
        one.push.to_others(VALUE, [(tab.caller, {"value": 2})])
        await eventually(lambda: one.inbox)
        assert one.topic == [Tell("numbers:value", b'{"value":1}', "tab-1")]
        assert one.inbox == [TellOthers("numbers:value", ["ana"], ["tab-1"], [b'{"value":2}'])]


def test_a_caller_of_an_older_gateway_is_not_alone() -> None:
    old = msgspec.msgpack.encode(["ana", "Ana", "user", "s", "c", "gw", "127.0.0.1"])
    assert not msgspec.msgpack.decode(old, type=Caller).is_alone
