"""What is sent over the bus: in order, in few messages, and known to have been passed on."""

from __future__ import annotations

import asyncio
import json

from pulso.contract import Caller
from pulso.errors import ServiceError
from pulso.message import Envelope, Reply, Tell
from pulso.party import Connected
from tests.kit.answerer import AT_ONCE_S, Answerer
from tests.kit.echo import GUEST, SAY, Words
from tests.redis_server import RedisServer
from tests.waiting import PATIENCE_S, at_most, eventually


async def test_one_turn_of_the_loop_is_one_message(party: Connected) -> None:
    answerer = Answerer(party)
    await party.bus.listen("svc", answerer)
    await asyncio.gather(*(party.bus.call("svc", SAY, Words(str(n)), GUEST) for n in range(300)))
    assert [len(batch) for batch in answerer.batches] == [300]


async def test_large_turn_is_cut_into_messages_and_keeps_its_order(party: Connected) -> None:
    answerer = Answerer(party)
    await party.bus.listen("svc", answerer)
    said = [f"{n}:{'x' * 100_000}" for n in range(40)]
    answers = await asyncio.gather(*(party.bus.call("svc", SAY, Words(text), GUEST) for text in said))
    assert [answer.text for answer in answers] == said
    assert len(answerer.batches) > 3
    arrived = [json.loads(call.payload)["text"] for batch in answerer.batches for call in batch]
    assert arrived == said


async def test_order_is_kept_over_many_turns(party: Connected) -> None:
    heard: list[Envelope] = []
    await party.bus.listen("topic", heard.extend)
    for number in range(500):
        party.bus.send("topic", Tell(str(number), b""))
        if number % 7 == 0:
            await asyncio.sleep(0)
    await eventually(lambda: len(heard) == 500)
    assert [envelope.event for envelope in heard] == [str(number) for number in range(500)]


async def test_announcement_does_not_overtake_what_was_sent_before(party: Connected) -> None:
    heard: list[Envelope] = []
    await party.bus.listen("topic", heard.extend)
    party.bus.send("topic", Tell("first", b""))
    assert await party.bus.announce("topic", "second", b"") == 1
    await eventually(lambda: len(heard) == 2)
    assert [envelope.event for envelope in heard] == ["first", "second"]


async def test_what_is_published_was_passed_on_in_order_when_that_is_said(party: Connected) -> None:
    heard: list[tuple[str, str]] = []
    for channel in ("one", "other"):
        await party.bus.listen(channel, lambda batch, c=channel: heard.extend((c, tell.event) for tell in batch))
    party.bus.send("one", Tell("0", b""))
    numbered = [Tell(str(number), b"") for number in range(1, 4)]
    assert await party.bus.publish({"one": numbered, "other": numbered[:1], "nobody's": numbered})
    await eventually(lambda: len(heard) == 5)
    assert [event for channel, event in heard if channel == "one"] == ["0", "1", "2", "3"]
    assert await party.bus.publish({})


async def test_what_could_not_be_published_is_said(own_redis: RedisServer, own_party: Connected) -> None:
    own_redis.pause()
    async with asyncio.timeout(PATIENCE_S):
        assert await own_party.bus.publish({"one": [Tell("perhaps", b"")]}) is False
    own_redis.kill()
    await eventually(lambda: not own_party.link.is_up)
    async with at_most(AT_ONCE_S):
        assert await own_party.bus.publish({"one": [Tell("away", b"")]}) is False
    own_redis.start()
    await own_party.link.wait_up()
    assert await own_party.bus.publish({"one": [Tell("back", b"")]})


async def test_envelope_that_cannot_be_sent_harms_no_other(party: Connected) -> None:
    """A lone surrogate is no UTF-8: it can neither be encoded nor be part of a channel's name."""
    answerer = Answerer(party)
    await party.bus.listen("svc", answerer)
    calls = [
        party.bus.call("svc", SAY, Words("before"), GUEST),
        party.bus.call("svc", SAY, Words("x"), Caller("u", "\ud800", "guest")),
        party.bus.call("svc", SAY, Words("after"), GUEST),
        party.bus.call("\ud800", SAY, Words("x"), GUEST),
        party.bus.call("svc", SAY, Words("last"), GUEST),
    ]
    async with asyncio.timeout(PATIENCE_S):
        before, broken, after, nowhere, last = await asyncio.gather(*calls, return_exceptions=True)
    assert (before, after, last) == (Words("before"), Words("after"), Words("last"))
    for fault in (broken, nowhere):
        assert isinstance(fault, ServiceError)
        assert fault.code == "internal"


async def test_a_reply_is_not_overtaken_by_what_a_topic_is_told_after_it(party: Connected) -> None:
    heard: list[Envelope] = []
    await party.bus.listen(party.bus.channels.topic("news"), heard.extend)
    await party.bus.listen(party.bus.channels.gateway("gw"), heard.extend)
    before, snapshot, after = Tell("n:one", b"{}"), Reply(1, b"{}"), Tell("n:two", b"{}")
    party.bus.send(party.bus.channels.topic("news"), before)
    party.bus.send(party.bus.channels.gateway("gw"), snapshot)
    party.bus.send(party.bus.channels.topic("news"), after)
    await eventually(lambda: len(heard) == 3)
    assert heard == [snapshot, before, after]
