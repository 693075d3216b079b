"""The link to Redis: what is subscribed is received, and whatever happens to Redis, it comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from pulso import message, metrics, redis_link
from pulso.message import Probe
from pulso.party import running
from pulso.redis_link import Publication, RedisLink
from pulso.resp import LinkDown
from tests.kit.proxy import proxy
from tests.redis_server import RedisServer
from tests.waiting import PATIENCE_S, at_most, eventually

OUTAGE_NOTICED_WITHIN_S = 5.0


@contextlib.asynccontextmanager
async def running_link(url: str, *, password: str = "", name: str = "link") -> AsyncIterator[RedisLink]:
    link = RedisLink(url, password=password, name=name, probe_channel=f"probe:{name}")
    async with running(link.run()):
        yield link


@contextlib.asynccontextmanager
async def up_link(url: str, name: str = "link") -> AsyncIterator[RedisLink]:
    async with running_link(url, name=name) as link, asyncio.timeout(PATIENCE_S):
        await link.wait_up()
        yield link


async def published(link: RedisLink, channel: str, data: bytes) -> int:
    """How many received it."""
    counted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    link.publish([Publication(channel.encode(), data, counted.set_result)])
    async with asyncio.timeout(PATIENCE_S):
        return await counted


async def went_down(link: RedisLink) -> None:
    await eventually(lambda: not link.is_up, within_s=OUTAGE_NOTICED_WITHIN_S)


async def came_up(link: RedisLink) -> None:
    async with at_most(OUTAGE_NOTICED_WITHIN_S):
        await link.wait_up()


async def test_confirmed_subscription_receives(redis_url: str) -> None:
    async with up_link(redis_url) as link:
        received: asyncio.Queue[bytes] = asyncio.Queue()
        await link.subscribe("a", received.put_nowait)
        assert await published(link, "a", b"one") == 1
        assert await received.get() == b"one"


async def test_messages_keep_their_order(redis_url: str) -> None:
    async with up_link(redis_url) as link:
        received: list[bytes] = []
        await link.subscribe("a", received.append)
        for first in range(0, 1000, 10):
            link.publish([Publication(b"a", b"%d" % number, None) for number in range(first, first + 10)])
        await eventually(lambda: len(received) == 1000)
        assert received == [b"%d" % number for number in range(1000)]


async def test_nobody_listening_counts_zero(redis_url: str) -> None:
    async with up_link(redis_url) as link:
        assert await published(link, "nobody", b"x") == 0


async def test_given_up_channel_is_not_received(redis_url: str) -> None:
    async with up_link(redis_url) as link:
        await link.subscribe("a", lambda _: None)
        link.unsubscribe("a")
        await link.subscribe("b", lambda _: None)
        assert await published(link, "a", b"x") == 0


async def test_subscription_is_true_once_confirmed_however_often_it_was_given_up(redis_url: str) -> None:
    """A confirmation must not be taken for that of a later request: what follows would be missed."""
    async with up_link(redis_url, "one") as link, up_link(redis_url, "other") as other:
        for number in range(200):
            received: list[bytes] = []
            for _ in range(number % 3):
                hasty = asyncio.create_task(link.subscribe("a", received.append))
                await asyncio.sleep(0)
                link.unsubscribe("a")
                await hasty
            await link.subscribe("a", received.append)
            assert await published(other, "a", b"%d" % number) == 1
            await eventually(lambda received=received, number=number: received == [b"%d" % number])
            link.unsubscribe("a")


async def test_subscription_asked_for_without_redis_is_made_once_it_is_there(own_redis: RedisServer) -> None:
    own_redis.kill()
    async with running_link(own_redis.url) as link:
        asked = asyncio.create_task(link.subscribe("a", lambda _: None))
        given_up = asyncio.create_task(link.subscribe("b", lambda _: None))
        await asyncio.sleep(0)
        link.unsubscribe("b")
        own_redis.start()
        await came_up(link)
        await asyncio.gather(asked, given_up)
        assert await published(link, "a", b"x") == 1
        assert await published(link, "b", b"x") == 0


async def test_subscriptions_are_made_before_the_link_is_up(own_redis: RedisServer) -> None:
    """The probe must wait for its subscription: they travel on two connections, and may overtake each other."""

    async def hold(data: bytes) -> None:
        if b"SUBSCRIBE" in data:
            await asyncio.sleep(0.2)

    async with proxy(own_redis.socket, hold) as url, up_link(url) as link:
        assert link.is_up


@pytest.mark.parametrize("harm", ["restart", "kill_reader", "kill_writer"])
async def test_gap_is_told_and_subscriptions_are_made_again(own_redis: RedisServer, harm: str) -> None:
    async with up_link(own_redis.url) as link:
        lost, gap = asyncio.Event(), asyncio.Event()
        received: asyncio.Queue[bytes] = asyncio.Queue()
        link.on_lost(lost.set)
        link.on_gap(gap.set)
        await link.subscribe("a", received.put_nowait)
        if harm == "restart":
            own_redis.restart()
        else:
            await kill_clients(own_redis, subscribed=harm == "kill_reader")
        async with at_most(OUTAGE_NOTICED_WITHIN_S):
            await lost.wait()
            await gap.wait()
        assert link.is_up
        assert await published(link, "a", b"again") == 1
        assert await received.get() == b"again"


async def test_redis_killed_is_noticed_at_once_and_nothing_waits(own_redis: RedisServer) -> None:
    async with up_link(own_redis.url) as link:
        own_redis.kill()
        await eventually(lambda: not link.is_up, within_s=1.5)  # sooner than by a probe
        assert await published(link, "a", b"x") == 0
        with pytest.raises(LinkDown):
            await link.command("PING")


async def test_redis_that_hangs_is_noticed_and_returned_to(own_redis: RedisServer) -> None:
    async with up_link(own_redis.url) as link:
        own_redis.pause()
        await went_down(link)
        own_redis.resume()
        await came_up(link)
        await link.subscribe("a", lambda _: None)
        assert await published(link, "a", b"x") == 1


async def test_reconnects_leave_no_connection_behind(own_redis: RedisServer) -> None:
    async with Redis.from_url(own_redis.url, protocol=2) as admin:
        await admin.config_set("requirepass", "right")
        async with (
            Redis.from_url(own_redis.url, protocol=2, password="right") as again,
            running_link(own_redis.url, password="wrong"),
        ):

            async def tried_often() -> bool:
                return int((await again.info("stats"))["total_connections_received"]) > 6

            await eventually(tried_often)
            assert len(await again.client_list()) <= 4  # the two of the test, and one attempt


async def test_link_goes_up_once_the_password_is_right(own_redis: RedisServer) -> None:
    async with Redis.from_url(own_redis.url, protocol=2) as admin:
        await admin.config_set("requirepass", "other")
        async with running_link(own_redis.url, password="right") as link:
            assert not link.is_up
            await admin.execute_command("AUTH", "other")
            await admin.config_set("requirepass", "right")
            await came_up(link)
            assert await link.command("PING") == b"PONG"


async def test_broken_message_is_dropped_counted_and_the_next_one_arrives(redis_url: str) -> None:
    async with up_link(redis_url) as link:
        received: list[list[message.Envelope]] = []
        await link.subscribe("a", lambda data: received.append(message.decode(data)))
        before = metrics.BUS_BROKEN_FRAMES._value.get()
        for data in (b"\xff\x00", b"", b"\x91" * 100_000, *message.encode([Probe(1)])):
            await published(link, "a", data)
        await eventually(lambda: received)
        assert received == [[Probe(1)]]
        assert metrics.BUS_BROKEN_FRAMES._value.get() == before + 3


async def test_handler_that_fails_does_not_end_the_link(redis_url: str) -> None:
    async with up_link(redis_url) as link:
        received: asyncio.Queue[bytes] = asyncio.Queue()
        gap = asyncio.Event()
        link.on_gap(gap.set)

        def fail(_data: bytes) -> None:
            raise KeyError("no such thing")

        await link.subscribe("bad", fail)
        await link.subscribe("good", received.put_nowait)
        await published(link, "bad", b"x")
        await published(link, "good", b"y")
        assert await received.get() == b"y"
        assert not gap.is_set()


async def test_callback_that_fails_does_not_end_the_link(own_redis: RedisServer) -> None:
    def fail(_count: int = 0) -> None:
        raise KeyError("no such thing")

    async with up_link(own_redis.url) as link:
        gap = asyncio.Event()
        link.on_lost(fail)
        link.on_gap(fail)
        link.on_gap(gap.set)
        link.publish([Publication(b"a", b"x", fail), Publication(b"a", b"x", fail)])
        assert await published(link, "a", b"y") == 0
        assert not gap.is_set()
        own_redis.restart()
        async with at_most(OUTAGE_NOTICED_WITHIN_S):
            await gap.wait()
        await came_up(link)


async def test_publishing_is_refused_before_memory_fills(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "MAX_UNSENT_BYTES", 1 << 20)
    async with up_link(own_redis.url) as link:
        own_redis.pause()
        counts: list[int] = []
        for _ in range(64):
            link.publish([Publication(b"a", bytes(1 << 16), counts.append)])
        assert counts, "all 4 MiB were taken"
        assert set(counts) == {0}
        assert len(counts) >= 40
        own_redis.resume()
        await eventually(lambda: len(counts) == 64)


async def test_commands_of_many_share_a_connection_and_survive_its_loss(own_redis: RedisServer) -> None:
    async with up_link(own_redis.url) as link:
        answers = await asyncio.gather(*(link.command("ECHO", str(number)) for number in range(100)))
        assert answers == [b"%d" % number for number in range(100)]
        own_redis.restart()

        async def answered() -> bool:
            try:
                return await link.command("PING") == b"PONG"
            except LinkDown:
                return False

        await eventually(answered)


async def kill_clients(server: RedisServer, *, subscribed: bool) -> None:
    """End the connections of a link that are subscribed, or those that are not."""
    async with Redis.from_url(server.url, protocol=2) as admin:
        own = await admin.client_id()
        for client in await admin.client_list():
            if int(client["id"]) != own and (int(client["sub"]) > 0) == subscribed:
                await admin.client_kill_filter(_id=client["id"])
