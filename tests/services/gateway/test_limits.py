"""Limits at the edge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.lease import redis_client
from pulso.settings import KitSettings
from services.gateway.limits import WINDOW_S, Attempts, SocketCounts, TokenBucket


def caller(user: str = "u_1", address: str = "192.0.2.1") -> Caller:
    return Caller(user, "Ana", "user", address=address)


def test_a_bucket_lets_a_burst_of_twice_the_rate_pass_and_then_the_rate() -> None:
    bucket = TokenBucket(20, now=0.0)
    assert sum(bucket.take(0.0) for _ in range(100)) == 40
    assert sum(bucket.take(1.0) for _ in range(100)) == 20


def test_a_rate_of_zero_is_no_limit() -> None:
    bucket = TokenBucket(0, now=0.0)
    assert all(bucket.take(0.0) for _ in range(10_000))


@given(st.lists(st.floats(0, 5), max_size=200))
def test_a_bucket_never_lets_more_pass_than_burst_and_rate_allow(gaps: list[float]) -> None:
    bucket, now, passed = TokenBucket(5, now=0.0), 0.0, 0
    for gap in gaps:
        now += gap
        passed += bucket.take(now)
    assert passed <= 10 + 5 * now + 1e-6


def test_sockets_of_a_user_are_counted_and_released() -> None:
    counts = SocketCounts(per_address=100, per_user=2)
    counts.take(caller())
    counts.take(caller())
    with pytest.raises(ServiceError, match="rate_limited"):
        counts.take(caller())
    counts.take(caller("u_2"))
    counts.release(caller())
    counts.take(caller())


def test_sockets_of_an_address_are_counted_over_all_its_users() -> None:
    counts = SocketCounts(per_address=2, per_user=0)
    counts.take(caller("u_1"))
    counts.take(caller("u_2"))
    with pytest.raises(ServiceError, match="rate_limited"):
        counts.take(caller("u_3"))
    counts.take(caller("u_3", address="192.0.2.2"))


async def test_attempts_are_counted_by_all_gateways_together(kit: KitSettings) -> None:
    async with redis_client(kit.redis_url) as redis:
        one, other = (
            Attempts(redis, prefix=kit.redis_prefix, kind="login", limit=3, clock=lambda: 0.0) for _ in range(2)
        )
        await one.count("ana")
        await other.count("ana")
        await one.count("ana")
        with pytest.raises(ServiceError) as refused:
            await other.check("ana")
        assert refused.value.code == "rate_limited"
        assert 0 < (refused.value.retry_after_s or 0) <= WINDOW_S
        await other.check("rui")


async def test_nobody_waits_longer_because_the_clock_of_redis_was_set_back(kit: KitSettings) -> None:
    async with redis_client(kit.redis_url) as redis:
        attempts = Attempts(redis, prefix=kit.redis_prefix, kind="login", limit=1, clock=lambda: 0.0)
        await attempts.count("ana")
        (key,) = await redis.keys(f"{kit.redis_prefix}:limit:*")
        await redis.expire(key, WINDOW_S + 300)  # what is left of it then
        with pytest.raises(ServiceError) as refused:
            await attempts.check("ana")
        assert refused.value.retry_after_s == WINDOW_S
        assert await redis.ttl(key) <= WINDOW_S


async def test_checking_counts_nothing(kit: KitSettings) -> None:
    async with redis_client(kit.redis_url) as redis:
        attempts = Attempts(redis, prefix=kit.redis_prefix, kind="login", limit=1, clock=lambda: 0.0)
        for _ in range(5):
            await attempts.check("ana")
        await attempts.count("ana")


async def test_without_redis_a_gateway_counts_for_itself_and_forgets_after_a_minute() -> None:
    now = 0.0
    async with redis_client("redis://127.0.0.1:1/0") as redis:
        attempts = Attempts(redis, prefix="t", kind="login", limit=2, clock=lambda: now)
        await attempts.count("ana")
        await attempts.count("ana")
        with pytest.raises(ServiceError, match="rate_limited"):
            await attempts.check("ana")
        now = WINDOW_S + 1.0
        await attempts.check("ana")
