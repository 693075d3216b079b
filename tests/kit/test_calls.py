"""Calls over the bus: answered once, and told at once where nobody is there."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from pulso import bus as bus_module
from pulso.bus import Bus
from pulso.channels import Channels
from pulso.errors import ServiceError
from pulso.message import Call, Envelope, Reply
from pulso.party import Connected, connected, running
from pulso.redis_link import RedisLink
from pulso.settings import KitSettings
from tests.kit.answerer import AT_ONCE_S, Answerer
from tests.kit.echo import GUEST, PING, SAY, Words
from tests.kit.proxy import proxy
from tests.redis_server import RedisServer
from tests.waiting import at_most, eventually


async def test_call_is_answered(party: Connected) -> None:
    await party.bus.listen("svc", Answerer(party))
    assert await party.bus.call("svc", SAY, Words("olá"), GUEST) == Words("olá")


async def test_absence_is_told_at_once(party: Connected) -> None:
    async with at_most(AT_ONCE_S):
        with pytest.raises(ServiceError) as caught:
            await party.bus.call("nobody", SAY, Words("x"), GUEST)
    assert caught.value.code == "unavailable"


async def test_silence_is_a_timeout_at_the_deadline(party: Connected) -> None:
    await party.bus.listen("silent", lambda _: None)
    began = asyncio.get_running_loop().time()
    async with at_most(PING.timeout_s + 0.4):
        with pytest.raises(ServiceError) as caught:
            await party.bus.call("silent", PING, PING.request(), GUEST)
    assert caught.value.code == "timeout"
    assert PING.timeout_s <= asyncio.get_running_loop().time() - began


async def test_deadline_that_has_passed_is_a_timeout_all_the_same(party: Connected) -> None:
    await party.bus.listen("silent", lambda _: None)
    replies: asyncio.Queue[Reply] = asyncio.Queue()
    party.bus.request("silent", "a:b", b"", GUEST, timeout_s=-1.0, on_reply=replies.put_nowait)
    async with at_most(AT_ONCE_S):
        assert (await replies.get()).code == "timeout"


async def test_answer_after_the_deadline_is_not_heard(party: Connected) -> None:
    calls: list[Envelope] = []
    await party.bus.listen("late", calls.extend)
    replies: list[Reply] = []
    party.bus.request("late", "a:b", b"", GUEST, timeout_s=0.1, on_reply=replies.append)
    await eventually(lambda: replies)
    (call,) = calls
    assert isinstance(call, Call)
    assert party.bus.take_replies([Reply(call.id, b"{}")]) == []
    assert [reply.code for reply in replies] == ["timeout"]


async def test_reply_to_a_predecessor_is_not_taken_for_ones_own(party: Connected, kit: KitSettings) -> None:
    """Two lives of one party on one channel: the second never uses an id of the first."""
    first, second = (Bus(party.link, channels=Channels(kit.redis_prefix), inbox="same") for _ in range(2))
    heard: list[Envelope] = []
    await party.bus.listen("silent", heard.extend)
    answers: list[Reply] = []
    for bus in (first, second):
        for _ in range(100):
            bus.request("silent", "a:b", b"", GUEST, timeout_s=5, on_reply=answers.append)
    await eventually(lambda: len(heard) == 200)
    calls = [call for call in heard if isinstance(call, Call)]
    assert len({call.id for call in calls}) == 200
    second.take_replies([Reply(call.id, b"{}") for call in calls[:100]])
    assert answers == []


async def test_reply_handler_that_fails_harms_no_other(party: Connected) -> None:
    def fail(_reply: Reply) -> None:
        raise KeyError("no such thing")

    await party.bus.listen("svc", Answerer(party))
    await party.bus.listen("silent", lambda _: None)
    party.bus.request("svc", "a:b", b"", GUEST, timeout_s=5, on_reply=fail)
    party.bus.request("silent", "a:b", b"", GUEST, timeout_s=0.1, on_reply=fail)
    party.bus.request("nobody", "a:b", b"", GUEST, timeout_s=5, on_reply=fail)
    party.bus.request("nobody", "a:b", b"", GUEST, timeout_s=5, on_reply=fail)
    assert await party.bus.call("svc", SAY, Words("x"), GUEST) == Words("x")
    with pytest.raises(ServiceError) as caught:
        await party.bus.call("silent", PING, PING.request(), GUEST)
    assert caught.value.code == "timeout"


async def test_caller_that_gave_up_leaves_nothing_behind(party: Connected) -> None:
    await party.bus.listen("silent", lambda _: None)
    call = asyncio.create_task(party.bus.call("silent", PING, PING.request(), GUEST))
    await eventually(lambda: party.bus._awaited.askers)
    call.cancel()
    await eventually(lambda: not party.bus._awaited.askers)
    assert not any(party.bus._awaited._deadlines.values())


async def test_calls_under_way_fail_soon_when_all_who_listened_are_gone(party: Connected) -> None:
    heard: list[Envelope] = []
    await party.bus.listen("svc", heard.extend)
    replies: list[Reply] = []
    party.bus.request("svc", "a:b", b"", GUEST, timeout_s=1000.0, on_reply=replies.append)
    await eventually(lambda: heard)
    party.bus.unlisten("svc")
    await eventually(lambda: replies)
    assert [reply.code for reply in replies] == ["unavailable"]
    assert b"may have been done" in replies[0].payload


async def test_calls_under_way_fail_when_the_link_is_lost(own_party: Connected, own_redis: RedisServer) -> None:
    heard: list[Envelope] = []
    await own_party.bus.listen("silent", heard.extend)
    call = asyncio.create_task(own_party.bus.call("silent", SAY, Words("x"), GUEST))
    await eventually(lambda: heard)
    own_redis.kill()
    async with at_most(AT_ONCE_S):
        with pytest.raises(ServiceError) as caught:
            await call
    assert caught.value.code == "unavailable"


async def test_without_redis_a_call_fails_at_once_and_works_when_it_is_back(
    own_party: Connected, own_redis: RedisServer
) -> None:
    await own_party.bus.listen("svc", Answerer(own_party))
    own_redis.kill()
    await eventually(lambda: not own_party.link.is_up)
    async with at_most(AT_ONCE_S):
        with pytest.raises(ServiceError):
            await own_party.bus.call("svc", SAY, Words("x"), GUEST)
        assert await own_party.bus.announce("svc", "event", b"") == 0
    own_redis.start()
    await own_party.link.wait_up()
    assert await own_party.bus.call("svc", SAY, Words("x"), GUEST) == Words("x")


async def test_two_parties_share_channels_but_not_answers(party: Connected, kit: KitSettings) -> None:
    async with connected(kit, name="other", inbox=Channels.gateway) as other:
        await other.bus.listen(other.bus.inbox, other.bus.take_replies)
        await party.bus.listen("svc", Answerer(party))
        answers = await asyncio.gather(
            *(
                up.bus.call("svc", SAY, Words(f"{up.instance} {n}"), GUEST)
                for n in range(50)
                for up in (party, other)
            )
        )
    expected = [f"{up.instance} {n}" for n in range(50) for up in (party, other)]
    assert [answer.text for answer in answers] == expected


async def test_membership_returns_once_the_gateway_has_answered(party: Connected) -> None:
    answerer = Answerer(party)
    await party.bus.listen(party.bus.channels.gateway("gw"), answerer)
    await party.bus.set_membership("gw", "c1", "hall", joins=True)
    (membership,) = answerer.batches[0]
    assert (membership.connection, membership.topic, membership.joins) == ("c1", "hall", True)


async def test_membership_at_a_gateway_that_is_gone_is_unavailable(party: Connected) -> None:
    with pytest.raises(ServiceError) as caught:
        await party.bus.set_membership("gone", "c1", "hall", joins=True)
    assert caught.value.code == "unavailable"


def test_reason_that_is_no_error_body_still_carries_its_code() -> None:
    assert bus_module.error_of("conflict", b"\xff").code == "conflict"


async def test_call_during_a_reconnect_that_fails_is_not_left_waiting(
    own_redis: RedisServer, kit: KitSettings
) -> None:
    """The link can already publish, but is not up yet, when it is lost again."""
    held, go_on = asyncio.Event(), asyncio.Event()

    async def hold(data: bytes) -> None:
        if b"SUBSCRIBE" in data:
            held.set()
            await go_on.wait()

    async with (
        Redis.from_url(own_redis.url).pubsub() as silent,
        proxy(own_redis.socket, hold) as url,
    ):
        await silent.subscribe("silent")
        link = RedisLink(url, name="late", probe_channel="late:probe")
        bus = Bus(link, channels=Channels(kit.redis_prefix), inbox="late")
        async with running(link.run(), bus.run()):
            await held.wait()
            call = asyncio.create_task(bus.call("silent", SAY, Words("x"), GUEST))
            async with at_most(SAY.timeout_s - 1):
                with pytest.raises(ServiceError) as caught:
                    await call
            assert caught.value.code == "unavailable"
