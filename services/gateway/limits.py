"""Limits at the edge: events per socket, sockets per address and user, attempts per minute.

Attempts (logins, guests, registrations) are counted in Redis, so that all gateways count together; where Redis is
away each gateway counts for itself. Sockets are counted by each gateway on its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.keys import Keys
from pulso.scripts import commands_of
from services.settings import GatewaySettings

WINDOW_S: Final = 60
MAX_LOCAL_KEYS: Final = 10_000
SPRAY_FACTOR: Final = 10
"""An address may fail this many times as often over all accounts as over one."""

log = structlog.get_logger(__name__)

_HIT: Final = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
local left = redis.call('TTL', KEYS[1])
-- Redis' clock was set back: nobody waits for longer than the window for that.
if left > tonumber(ARGV[2]) then
    redis.call('EXPIRE', KEYS[1], ARGV[2])
    left = tonumber(ARGV[2])
end
return {count, left}
"""

COMMANDS: Final = commands_of(_HIT)
"""All that is sent to Redis from here."""


class TokenBucket:
    """`rate` events a second on average, twice that at once; a rate of 0 lets everything pass."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = 2.0 * rate
        self._at = now

    def take(self, now: float) -> bool:
        rate = self._rate
        if not rate:
            return True
        tokens = min(2.0 * rate, self._tokens + (now - self._at) * rate)
        self._at = now
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True


class SocketCounts:
    """How many sockets each address and user has on this gateway."""

    def __init__(self, *, per_address: int, per_user: int) -> None:
        self._per_address = per_address
        self._per_user = per_user
        self._addresses: Counter[str] = Counter()
        self._users: Counter[str] = Counter()

    def take(self, caller: Caller) -> None:
        """Raises `ServiceError("rate_limited")`."""
        if self._per_address and self._addresses[caller.address] >= self._per_address:
            raise ServiceError("rate_limited", "Too many connections from this address. Close one first.")
        if self._per_user and self._users[caller.id] >= self._per_user:
            raise ServiceError("rate_limited", "Too many connections of this user. Close one first.")
        self._addresses[caller.address] += 1
        self._users[caller.id] += 1

    def release(self, caller: Caller) -> None:
        for counter, key in ((self._addresses, caller.address), (self._users, caller.id)):
            counter[key] -= 1
            if counter[key] <= 0:
                del counter[key]


class Turns:
    """Few at a time for each subject: whoever waits is let in only after those before were counted.

    Without this, guesses sent all at once would each find that none of the others has failed yet.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Semaphore] = {}

    @contextlib.asynccontextmanager
    async def of(self, subject: str, *, within_s: float) -> AsyncIterator[None]:
        """Raises `ServiceError("unavailable")` where the turn does not come in time."""
        turn = self._turns.setdefault(subject, asyncio.Semaphore(self._at_once))
        self._waiting[subject] += 1
        try:
            try:
                async with asyncio.timeout(within_s):
                    await turn.acquire()
            except TimeoutError:
                raise ServiceError("unavailable", "Too many attempts at once. Try again in a moment.") from None
            try:
                yield
            finally:
                turn.release()
        finally:
            self._waiting[subject] -= 1
            if not self._waiting[subject]:
                del self._waiting[subject], self._turns[subject]


class Attempts:
    """Counted attempts of one kind within a minute; `limit` 0 switches the limit off."""

    def __init__(self, redis: Redis, *, prefix: str, kind: str, limit: int, clock: Callable[[], float]) -> None:
        self._hit = redis.register_script(_HIT)
        self._kind = kind
        self._keys = Keys(prefix)
        self._limit = limit
        self._clock = clock
        self._local: dict[str, tuple[int, float]] = {}

    async def check(self, subject: str) -> None:
        """Raises `ServiceError("rate_limited")` where the limit is reached; counts nothing."""
        await self._add(subject, 0)

    async def count(self, subject: str) -> None:
        """Counts one attempt. Raises `ServiceError("rate_limited")` where it is one too many."""
        await self._add(subject, 1)

    async def _add(self, subject: str, hits: int) -> None:
        if not self._limit:
            return
        key = self._keys.attempts(self._kind, hashlib.sha256(subject.encode()).hexdigest()[:32])
        try:
            async with asyncio.timeout(1.0):
                count, ttl_s = await self._hit(keys=[key], args=[hits, WINDOW_S])
        except (RedisError, OSError, TimeoutError) as fault:
            log.warning("limits are counted locally", fault=str(fault))
            count, ttl_s = self._add_locally(key, hits)
        # What is already counted forbids the next one; what is counted now may be the last that is allowed.
        if count - hits >= self._limit:
            raise ServiceError(
                "rate_limited",
                "Too many attempts. Wait a moment and try again.",
                retry_after_s=max(1, int(ttl_s)),
            )

    def _add_locally(self, key: str, hits: int) -> tuple[int, int]:
        now = self._clock()
        if len(self._local) >= MAX_LOCAL_KEYS:
            self._local = {k: entry for k, entry in self._local.items() if entry[1] > now}
        count, until = self._local.get(key, (0, 0.0))
        if until <= now:
            count, until = 0, now + WINDOW_S
        if key in self._local or len(self._local) < MAX_LOCAL_KEYS:
            self._local[key] = (count + hits, until)
        return count + hits, int(until - now)


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What is counted per minute: failed logins by account and address, and by address alone ("sprays")."""

    logins: Attempts
    sprays: Attempts
    registrations: Attempts
    guests: Attempts


def account_limits(redis: Redis, prefix: str, settings: GatewaySettings) -> AccountLimits:
    clock = asyncio.get_running_loop().time

    def attempts(kind: str, limit: int) -> Attempts:
        return Attempts(redis, prefix=prefix, kind=kind, limit=limit, clock=clock)

    return AccountLimits(
        logins=attempts("login", settings.limit_logins_per_minute),
        sprays=attempts("spray", settings.limit_logins_per_minute * SPRAY_FACTOR),
        registrations=attempts("register", settings.limit_registrations_per_minute),
        guests=attempts("guest", settings.limit_guests_per_minute),
    )
