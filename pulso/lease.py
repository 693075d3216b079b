"""One active instance for each shard of a service; the others stand by.

A lease is a Redis key with the instance's id that lives for 3 s and is renewed every half second. Instances also
leave a sign of life, so that each knows its fair share of the shards: two instances of a service with two shards
serve one each, and a new instance is given some without anybody being restarted. An instance that cannot renew
gives up before its lease runs out; one that is not fit to serve, because it hears no calls, does not renew. Leases
only choose who serves; two writers are kept apart by the store's lock.

A Redis that answers but takes no change (its disk or its memory is full) renews nothing, and gives nobody a lease:
who serves goes on serving.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError

from pulso.keys import Keys
from pulso.resp import is_refusal
from pulso.scripts import commands_of

LEASE_MS: Final = 3000
BEAT_S: Final = 0.5
ROUND_TRIP_TIMEOUT_S: Final = 1.0
GIVE_UP_AFTER_S: Final = 2.5
"""Without a successful renewal for this long an instance stops serving: less than `LEASE_MS`."""
OTHERS_FIRST_S: Final = 2 * BEAT_S
"""A Redis that was away may have forgotten who holds what: those who do are given this time to say so."""
AFTER_FAILURE_S: Final = 2.0
"""An instance that could not start a shard leaves it to others for this long."""

log = structlog.get_logger(__name__)

Begin = Callable[[int], Awaitable[None]]
End = Callable[[int], Awaitable[None]]

# Times are Redis' own, so that instances need not agree on one. Where its clock is set back, signs of life from
# before are of the future, and leases would live on for as long as that: both are cut to what they may be.
_BEAT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is_new = redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + ARGV[2], '+inf')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {redis.call('ZCARD', KEYS[1]), is_new}
"""
_TAKE: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
    if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

COMMANDS: Final = commands_of(_BEAT, _TAKE, _RELEASE) | {"zrem"}
"""All that is sent to Redis from here."""


class Leases:
    """The shards that this instance may serve."""

    def __init__(
        self,
        redis: Redis,
        *,
        prefix: str,
        service: str,
        shards: int,
        instance: str,
        is_fit: Callable[[], bool] = lambda: True,
    ) -> None:
        self._redis = redis
        self._instance = instance
        self._is_fit = is_fit
        self._shards = shards
        self._service = service
        names = Keys(prefix)
        self._instances_key = names.instances(service)
        self._keys = [names.lease(service, shard) for shard in range(shards)]
        self._beat = redis.register_script(_BEAT)
        self._take = redis.register_script(_TAKE)
        self._release = redis.register_script(_RELEASE)
        self.held: set[int] = set()
        """The leases that are renewed: of shards that serve, that are being started, or that finish."""
        self._serving: set[int] = set()
        self._leaving: set[int] = set()
        self._work: dict[int, asyncio.Task[None]] = {}
        self._renewed_at = 0.0
        self._is_refused = False
        self._take_from = 0.0

    def report_broken(self, shard: int) -> None:
        """A shard no longer serves: it is given back with the next beat, for this instance or another to take."""
        self._leaving.add(shard)

    async def run(self, begin: Begin, end: End, stop: asyncio.Event) -> None:
        """Take, renew and give back shards until `stop`; then all are given back.

        `begin` starts serving a shard and may raise: then the shard is given back. `end` stops serving it. Both
        may take their time: leases are renewed meanwhile.

        It is stopped by an event because a cancellation may get lost: `asyncio.wait_for`, with which redis-py
        connects, swallows one before Python 3.12 (cpython issue 86296).
        """
        try:
            while not stop.is_set():
                share = await self._renew()
                self._finish_what_must_go(share, end)
                if len(self.held) < share and not self._work and _now() >= self._take_from:
                    await self._take_one(begin)
                left_s = self._renewed_at + GIVE_UP_AFTER_S - _now()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(BEAT_S, left_s) if left_s > 0 else BEAT_S):
                        await stop.wait()
        finally:
            leaving = asyncio.create_task(self._leave(end), name="leases-leave")
            while not leaving.done():
                await self._renew()
                await asyncio.wait((leaving,), timeout=BEAT_S)
            leaving.result()
            await self._sign_off()

    async def _renew(self) -> int:
        """Renew what is held; returns this instance's fair share, 0 where Redis does not answer."""
        if not self._is_fit():
            return self._not_renewed("not fit to serve")
        began = _now()
        left_s = self._renewed_at + GIVE_UP_AFTER_S - began
        patience_s = min(ROUND_TRIP_TIMEOUT_S, left_s) if left_s > 0 else ROUND_TRIP_TIMEOUT_S
        try:
            async with asyncio.timeout(patience_s):
                instances, is_new = await self._beat(keys=[self._instances_key], args=[self._instance, LEASE_MS])
                for shard in sorted(self.held):
                    await self._renew_one(shard)
        except (RedisError, OSError, TimeoutError) as fault:
            if isinstance(fault, ResponseError) and is_refusal(str(fault)):
                self._go_on(began, str(fault))
                return 0
            return self._not_renewed(str(fault) or type(fault).__name__)
        if is_new and self._renewed_at:
            self._take_from = began + OTHERS_FIRST_S
        # As of when it was asked for: that is when the lease began to run.
        self._renewed_at = began
        if self._is_refused:
            log.info("leases are renewed again", service=self._service)
        self._is_refused = False
        return -(-self._shards // max(1, int(instances)))

    async def _renew_one(self, shard: int) -> None:
        if shard not in self.held:  # let go since the renewal began
            return
        is_ours = await self._hold(shard)
        if shard not in self.held:  # let go meanwhile, and Redis may have carried out that first
            await self._let_go(shard)
        elif not is_ours:
            log.warning("lease lost", service=self._service, shard=shard)
            self.held.discard(shard)

    def _not_renewed(self, why: str) -> int:
        """The share is 0: nothing is known of it."""
        log.warning("leases not renewed", service=self._service, fault=why)
        self._take_from = _now() + OTHERS_FIRST_S
        if _now() - self._renewed_at >= GIVE_UP_AFTER_S:
            self.held.clear()
        return 0

    def _go_on(self, began: float, fault: str) -> None:
        """Nobody is given a lease now: what is held is as good as renewed. Whoever holds one comes first again."""
        if not self._is_refused:
            log.warning("leases cannot be renewed, and nobody can take them", service=self._service, fault=fault)
        self._is_refused = True
        self._renewed_at = began
        self._take_from = began + OTHERS_FIRST_S

    async def _hold(self, shard: int) -> bool:
        return bool(await self._take(keys=[self._keys[shard]], args=[self._instance, LEASE_MS]))

    def _finish_what_must_go(self, share: int, end: End) -> None:
        """Stop serving what was lost, what broke, and what is more than the share (0: nothing is known of it)."""
        staying = self.held - self._leaving
        if share and len(staying) > share:
            self._leaving.add(max(staying))
        for shard in sorted(self._serving):
            if shard not in self._work and (shard in self._leaving or shard not in self.held):
                self._begin_work(shard, self._finish(shard, end))

    async def _take_one(self, begin: Begin) -> None:
        for shard in range(self._shards):
            if shard in self.held or shard in self._serving:
                continue
            try:
                async with asyncio.timeout(ROUND_TRIP_TIMEOUT_S):
                    taken = await self._hold(shard)
            except (RedisError, OSError, TimeoutError):
                return
            if taken:
                self.held.add(shard)
                self._leaving.discard(shard)
                log.info("lease taken", service=self._service, shard=shard)
                self._begin_work(shard, self._start(shard, begin))
                return

    def _begin_work(self, shard: int, work: Coroutine[Any, Any, None]) -> None:
        task = self._work[shard] = asyncio.create_task(work, name=f"lease-{self._service}-{shard}")
        task.add_done_callback(lambda _: self._work.pop(shard, None))

    async def _start(self, shard: int, begin: Begin) -> None:
        try:
            await begin(shard)
            self._serving.add(shard)
        except Exception:  # whatever kept it from serving, somebody else may manage
            log.exception("shard not started", service=self._service, shard=shard)
            self._take_from = _now() + AFTER_FAILURE_S
            await self._let_go(shard)

    async def _finish(self, shard: int, end: End) -> None:
        try:
            await end(shard)
        except Exception:  # it serves no more, however it ended
            log.exception("shard not ended in order", service=self._service, shard=shard)
        self._serving.discard(shard)
        log.info("lease ended", service=self._service, shard=shard)
        await self._let_go(shard)

    async def _leave(self, end: End) -> None:
        """Break off what is being started, finish what serves, give all back."""
        for shard, task in list(self._work.items()):
            if shard not in self._serving:
                task.cancel()
        if self._work:
            await asyncio.wait(list(self._work.values()))
        await asyncio.gather(*(self._finish(shard, end) for shard in sorted(self._serving)))
        for shard in sorted(self.held):
            await self._let_go(shard)

    async def _sign_off(self) -> None:
        """No more than the others count. Not while a beat is under way: Redis may carry that out afterwards."""
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(ROUND_TRIP_TIMEOUT_S):
                await self._redis.zrem(self._instances_key, self._instance)

    async def _let_go(self, shard: int) -> None:
        self.held.discard(shard)
        self._leaving.discard(shard)
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(ROUND_TRIP_TIMEOUT_S):
                await self._release(keys=[self._keys[shard]], args=[self._instance])


@contextlib.asynccontextmanager
async def redis_client(url: str, *, username: str = "", password: str = "") -> AsyncIterator[Redis]:
    """A client for commands, apart from the bus; its pool waits where redis-py's default one would raise."""
    options: dict[str, Any] = {
        name: value for name, value in (("username", username), ("password", password)) if value
    }
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=8,
        timeout=1,
        socket_timeout=1,
        socket_connect_timeout=1,
        protocol=2,
        driver_info=None,  # saying who we are is a command that no user of ours may give
        **options,
    )
    try:
        async with Redis(connection_pool=pool) as client:
            yield client
    finally:
        await pool.disconnect()


def _now() -> float:
    return asyncio.get_running_loop().time()
