"""What the gateway records, and that it keeps it until it is committed: on the disk, whatever Redis does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from pulso.contract import Caller
from pulso.lease import redis_client
from pulso.party import Connected
from services.gateway import delivery, journal
from services.gateway.contract import Record
from services.gateway.journal import Journal
from tests.redis_server import RedisServer

ANA = Caller("u_1", "Ana", "user", connection="c_1")
NOW = 1_767_312_000.0

Opened = Callable[..., AbstractAsyncContextManager[Journal]]


class Stream:
    """The stream as the service sees it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def entries(self) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in await self._redis.xrange("t:journal")]

    async def records(self) -> list[Record]:
        entries = await self.entries()
        return [r for entry in entries for r in msgspec.msgpack.decode(entry[b"batch"], type=list[Record])]

    async def numbers(self) -> list[int]:
        return [int(entry[b"number"]) for entry in await self.entries()]

    async def commit(self, number: int, gateway: str = "gw-1") -> None:
        """As the service does, which then deletes what it has seen to."""
        await self._redis.hset("t:journal:committed", gateway, str(number))
        for id_, fields in await self._redis.xrange("t:journal"):
            if fields[b"gateway"].decode() == gateway and int(fields[b"number"]) <= number:
                await self._redis.xdel("t:journal", id_)

    async def lose(self) -> None:
        await self._redis.delete("t:journal", "t:journal:committed")


@pytest.fixture
async def stream(own_redis: RedisServer) -> AsyncIterator[Stream]:
    async with redis_client(own_redis.url) as redis:
        yield Stream(redis)


@pytest.fixture
def spools(tmp_path: Path) -> Path:
    return tmp_path / "journal-spool"


@pytest.fixture
def opened(own_party: Connected, spools: Path) -> Opened:
    @contextlib.asynccontextmanager
    async def open_one(gateway: str = "gw-1", **how: Any) -> AsyncIterator[Journal]:
        how = {"spool_bytes": 1 << 30, **how}
        made = Journal(own_party.link, prefix="t", gateway=gateway, spools=spools, now=lambda: NOW, **how)
        try:
            yield made
        finally:
            await made.close()

    return open_one


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LAST_COMMITS_WITHIN_S", 0.0)
    monkeypatch.setattr(delivery, "LOOK_AFTER_S", -1.0)


def write(written: Journal, *values: int) -> None:
    for value in values:
        written.came_in(ANA, "numbers:set", b'{"value":%d}' % value, "ok", private=False)


async def test_a_record_says_who_when_what_and_how_it_went(opened: Opened, stream: Stream) -> None:
    async with opened() as written:
        written.came_in(ANA, "numbers:set", b'{"value":1}', "ok", private=False)
        await written.flush()
        assert await stream.records() == [
            Record(
                1_767_312_000_000,
                "c_1",
                "u_1",
                "Ana",
                "in",
                "numbers:set",
                "ok",
                1,
                payload=b'{"value":1}',
                size=11,
            )
        ]


async def test_of_too_large_refused_or_private_payloads_the_size_alone_is_kept(
    opened: Opened, stream: Stream
) -> None:
    async with opened() as written:
        written.came_in(ANA, "a:large", b"x" * (journal.MAX_KEPT_BYTES + 1), "ok", private=False)
        written.came_in(ANA, "a:refused", b"x" * (journal.MAX_REFUSED_BYTES + 1), "bad_request", private=False)
        written.came_in(ANA, "a:private", b"secret", "ok", private=True)
        written.came_in(ANA, "a:plain", b"{}", "ok", private=False)
        await written.flush()
        records = await stream.records()
    assert [record.payload for record in records] == [b"", b"", b"", b"{}"]
    assert [record.size for record in records] == [16_385, 1025, 6, 2]


async def test_messages_of_one_endpoint_are_recorded_together_as_each_would_be(
    opened: Opened, stream: Stream
) -> None:
    async with opened() as written:
        large = b"x" * (journal.MAX_KEPT_BYTES + 1)
        written.all_came_in("a:plain", [(ANA, b"{}", NOW), (ANA, large, NOW)], private=False)
        written.all_came_in("a:private", [(ANA, b"secret", NOW)], private=True)
        written.came_in(ANA, "a:plain", b"{}", "ok", private=False)
        await written.flush()
        together, too_large, private, alone = await stream.records()
    assert together == alone
    assert [(record.payload, record.size) for record in (too_large, private)] == [(b"", 16_385), (b"", 6)]


async def test_what_is_not_kept_of_messages_takes_no_room_from_others(
    opened: Opened, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MAX_WAITING_BYTES", 10 * journal.RECORD_BYTES)
    async with opened() as written:
        written.all_came_in("a:private", [(ANA, b"x" * 60_000, NOW)] * 9, private=True)
        write(written, 1, 2)  # the second is one too many
        written.all_came_in("a:plain", [(ANA, b"{}", NOW)], private=False)
        await written.flush()
        assert len(await stream.records()) == 10


@pytest.mark.parametrize("key", ["password", "Passwd", "access_token", "api-key", "senha", "client_secret"])
async def test_a_refused_message_that_may_hold_a_secret_is_kept_without_it(
    opened: Opened, stream: Stream, key: str
) -> None:
    async with opened() as written:
        written.came_in(ANA, "login", b'{"%b": "nonce"}' % key.encode(), "not_found", private=False)
        await written.flush()
        assert [record.payload for record in await stream.records()] == [b""]


async def test_half_a_surrogate_pair_costs_nobody_a_record(opened: Opened, stream: Stream) -> None:
    async with opened() as written:
        written.came_in(ANA, "\ud83d", b"{}", "not_found", private=False)
        write(written, 1)
        await written.flush()
        assert [record.event for record in await stream.records()] == ["?", "numbers:set"]


async def test_switched_off_it_leaves_nothing(opened: Opened, stream: Stream, spools: Path) -> None:
    async with opened(is_on=False) as written:
        write(written, 1)
        await written.flush()
    assert await stream.entries() == []
    assert not spools.exists()


async def test_what_is_committed_is_gone_from_the_disk(opened: Opened, stream: Stream, spools: Path) -> None:
    async with opened() as written:
        write(written, 1)
        await written.flush()
        assert list(spools.glob("*/*.batches"))
        await stream.commit(1)
        await written.flush()
    assert list(spools.iterdir()) == []


async def test_what_does_not_fit_in_the_stream_waits_on_the_disk_and_follows_in_order(
    opened: Opened, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_IN_STREAM_BATCHES", 3)
    monkeypatch.setattr(delivery, "MAX_HELD_BATCHES", 5)
    seen: list[int] = []
    async with opened() as written:
        for value in range(1, 31):
            write(written, value)
            await written.flush()
        assert await stream.numbers() == [1, 2, 3]
        while len(seen) < 30:
            numbers = await stream.numbers()
            assert 0 < len(numbers) <= 3
            seen += numbers
            await stream.commit(seen[-1])
            await written.flush()
    assert seen == list(range(1, 31))


async def test_what_redis_lost_is_sent_again(opened: Opened, stream: Stream) -> None:
    async with opened() as written:
        for value in (1, 2, 3):
            write(written, value)
            await written.flush()
        await stream.commit(1)
        await written.flush()
        await stream.lose()
        await written.flush()
        entries = await stream.entries()
    assert [(int(e[b"number"]), int(e[b"previous"])) for e in entries] == [(2, 0), (3, 2)]


async def test_what_waits_for_the_service_is_not_sent_twice(opened: Opened, stream: Stream) -> None:
    async with opened() as written:
        for value in range(1, 6):
            write(written, value)
            await written.flush()
        assert await stream.numbers() == [1, 2, 3, 4, 5]


async def test_without_redis_everything_waits_and_none_of_it_is_lost(
    opened: Opened, stream: Stream, own_redis: RedisServer
) -> None:
    async with opened() as written:
        own_redis.kill()
        for value in range(1, 6):
            write(written, value)
            await written.flush()
        own_redis.start()
        await written.flush()
        assert await stream.numbers() == [1, 2, 3, 4, 5]


async def test_the_next_gateway_delivers_what_one_left_under_its_name(opened: Opened, stream: Stream) -> None:
    async with opened("gw-1") as left:
        write(left, 1, 2)
        await left.flush()
    await stream.lose()
    async with opened("gw-2") as heir:
        await heir.adopt()
        await heir.flush()
        (entry,) = await stream.entries()
        assert (entry[b"gateway"], entry[b"number"], entry[b"previous"]) == (b"gw-1", b"1", b"0")


async def test_what_one_left_and_is_committed_is_cleared_away(
    opened: Opened, stream: Stream, spools: Path
) -> None:
    async with opened("gw-1") as left:
        write(left, 1)
        await left.flush()
    await stream.commit(1)
    async with opened("gw-2") as heir:
        await heir.adopt()
        await heir.flush()
        assert list(spools.iterdir()) == []
    assert await stream.entries() == []


async def test_a_living_gateways_spool_is_its_own(opened: Opened, stream: Stream) -> None:
    async with opened("gw-1") as living, opened("gw-2") as other:
        write(living, 1)
        await living.flush()
        await other.adopt()
        await other.flush()
        assert await stream.numbers() == [1]


async def test_a_disk_that_cannot_be_written_leaves_the_way_through_redis(
    opened: Opened, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.gateway.spool.Spool.append", full)
    async with opened() as written:
        write(written, 1)
        await written.flush()
        assert await stream.numbers() == [1]


async def test_what_was_left_on_a_disk_that_fails_is_left_for_later(
    opened: Opened, stream: Stream, spools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    (spools / "gone").mkdir(parents=True)
    async with opened() as living:
        with monkeypatch.context() as disk:
            disk.setattr("services.gateway.spool._locked", fails)
            await living.adopt()
        await living.adopt()
        write(living, 1)
        await living.flush()
        assert await stream.numbers() == [1]


async def test_a_spool_folder_that_cannot_be_made_holds_records_in_memory(
    opened: Opened, stream: Stream, spools: Path
) -> None:
    async with opened() as written:
        spools.write_text("in the way")
        write(written, 1)
        await written.flush()
        spools.unlink()
        write(written, 2)
        await written.flush()
        assert [record.payload for record in await stream.records()] == [b'{"value":1}', b'{"value":2}']
