"""The journal's bounds: Redis holds leases too, and must not run out of memory for what clients send."""

from __future__ import annotations

import msgspec
import pytest

from pulso.contract import Caller
from pulso.lease import redis_client
from pulso.party import Connected
from pulso.settings import KitSettings
from services.gateway import journal
from services.gateway.journal import Journal, Record

ANA = Caller("u_1", "Ana", "user", connection="c_1")


@pytest.fixture
def stream(kit: KitSettings) -> str:
    return f"{kit.redis_prefix}:journal"


@pytest.fixture
def written(party: Connected, stream: str) -> Journal:
    return Journal(party.link, stream=stream, gateway="gw-1", now=lambda: 1_767_312_000.0)


async def test_a_flood_of_large_messages_leaves_the_stream_within_its_bytes(
    written: Journal, stream: str, kit: KitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MAX_STREAM_BYTES", 1 << 20)
    async with redis_client(kit.redis_url) as redis:
        for _ in range(50):
            for _ in range(20):
                written.came_in(ANA, "chat:send", b"x" * journal.MAX_KEPT_BYTES, "ok", private=False)
            await written.flush()
        assert await redis.memory_usage(stream, samples=0) < 2 << 20


async def test_small_batches_are_kept_in_their_thousands(written: Journal, stream: str, kit: KitSettings) -> None:
    async with redis_client(kit.redis_url) as redis:
        for _ in range(2000):
            written.came_in(ANA, "numbers:set", b'{"value":1}', "ok", private=False)
            await written.flush()
        assert await redis.xlen(stream) == 2000


async def test_of_too_large_refused_or_private_payloads_the_size_alone_is_kept(
    written: Journal, stream: str, kit: KitSettings
) -> None:
    written.came_in(ANA, "a:large", b"x" * (journal.MAX_KEPT_BYTES + 1), "ok", private=False)
    written.came_in(ANA, "a:refused", b"x" * (journal.MAX_REFUSED_BYTES + 1), "bad_request", private=False)
    written.came_in(ANA, "a:private", b"secret", "ok", private=True)
    written.came_in(ANA, "a:plain", b"{}", "ok", private=False)
    await written.flush()
    async with redis_client(kit.redis_url) as redis:
        ((_, entry),) = await redis.xrange(stream)
    records = msgspec.msgpack.decode(entry[b"batch"], type=list[Record])
    assert [record.payload for record in records] == [b"", b"", b"", b"{}"]
    assert [record.size for record in records] == [16_385, 1025, 6, 2]
