"""Clients' events on the bus: many in one envelope, and each with an answer of its own."""

from __future__ import annotations

import asyncio
import math

import pytest

from pulso import outgoing
from pulso.channel_queue import MAX_TOGETHER
from pulso.errors import ServiceError
from pulso.message import Calls, Envelope, Reply, Tell, encode_caller
from pulso.outgoing import LOAD_CALLS
from pulso.party import Connected
from tests.kit.asker import Alike
from tests.kit.echo import GUEST
from tests.redis_server import RedisServer
from tests.waiting import PATIENCE_S, eventually


class Waiter(Alike):
    """Remembers how it was answered."""

    def __init__(self) -> None:
        self.answers: list[tuple[bytes, str | None]] = []

    def answered(self, payload: bytes, code: str | None) -> None:
        self.answers.append((payload, code))


async def test_what_a_client_asks_for_after_something_else_does_not_overtake_that(party: Connected) -> None:
    heard: list[Envelope] = []
    await party.bus.listen("silent", heard.extend)
    caller = encode_caller(GUEST)
    for number, endpoint in enumerate(["a:set", "a:set", "a:get", "a:set", "a:set"]):
        party.bus.ask("silent", endpoint, b"%d" % number, caller, client="c-1", timeout_s=5, asker=Waiter())
    await eventually(lambda: len(heard) == 3)
    calls = [envelope for envelope in heard if isinstance(envelope, Calls)]
    assert [(call.endpoint, call.payloads) for call in calls] == [
        ("a:set", [b"0", b"1"]),
        ("a:get", [b"2"]),
        ("a:set", [b"3", b"4"]),
    ]
    assert len({id_ for call in calls for id_ in call.ids}) == 5


async def test_events_asked_together_are_answered_each(party: Connected) -> None:
    def answer(batch: list[Envelope]) -> None:
        for envelope in batch:
            assert isinstance(envelope, Calls)
            first, *rest = envelope.ids
            error = ServiceError("conflict", "No.")
            party.bus.send(envelope.reply_to, Reply(first, error.encode(), error.code))
            party.bus.answer(envelope.reply_to, rest, envelope.payloads[1:])

    await party.bus.listen("svc", answer)
    waiters = [Waiter() for _ in range(1000)]
    for number, waiter in enumerate(waiters):
        party.bus.ask("svc", "a:b", b"%d" % number, encode_caller(GUEST), client="c-1", timeout_s=5, asker=waiter)
    await eventually(lambda: all(waiter.answers for waiter in waiters))
    firsts = range(0, 1000, MAX_TOGETHER)
    for number, waiter in enumerate(waiters):
        ((payload, code),) = waiter.answers
        assert (code == "conflict") if number in firsts else ((payload, code) == (b"%d" % number, None))


async def test_under_load_events_of_several_turns_are_asked_together(
    party: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "LOAD_LASTS_S", math.inf)
    monkeypatch.setattr(outgoing, "GATHER_S", 1.0)  # some turns, however busy the machine is
    batches: list[list[Envelope]] = []
    await party.bus.listen("silent", batches.append)

    def ask(count: int) -> None:
        for _ in range(count):
            party.bus.ask("silent", "a:set", b"", encode_caller(GUEST), client="c-1", timeout_s=5, asker=Waiter())

    def asked() -> list[int]:
        return [len(envelope.ids) for batch in batches for envelope in batch if isinstance(envelope, Calls)]

    for _ in range(3):  # no load: each turn's go at its end
        ask(1)
        await asyncio.sleep(0)
    await eventually(lambda: asked() == [1, 1, 1])
    ask(LOAD_CALLS)
    await asyncio.sleep(0)
    for _ in range(3):
        ask(1)
        await asyncio.sleep(0)
    await eventually(lambda: asked() == [1, 1, 1, LOAD_CALLS, 3])
    party.bus._outgoing._loaded_until = 0.0
    for _ in range(2):
        ask(1)
        await asyncio.sleep(0)
    await eventually(lambda: asked()[5:] == [1, 1])


async def test_what_is_gathered_goes_before_what_is_sent_at_once(party: Connected) -> None:
    heard: list[Envelope] = []
    await party.bus.listen("silent", heard.extend)
    for count in (LOAD_CALLS, 1):
        for _ in range(count):
            party.bus.ask("silent", "a:set", b"", encode_caller(GUEST), client="c-1", timeout_s=5, asker=Waiter())
        await asyncio.sleep(0)
    await party.bus.announce("silent", "a:news", b"")
    await eventually(lambda: len(heard) == 3)
    assert [type(envelope) for envelope in heard] == [Calls, Calls, Tell]


async def test_under_load_nothing_but_events_waits_and_it_takes_them_along(
    party: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what a user is told by way of a gateway would come after what the user's topic is told later."""
    heard = await loaded(party, monkeypatch)
    party.bus.ask("svc", "a:set", b"", encode_caller(GUEST), client="c-1", timeout_s=5, asker=Waiter())
    await asyncio.sleep(0)
    party.bus.send("svc", Tell("a:news", b""))
    await eventually(lambda: len(heard) == 3)
    assert [type(envelope) for envelope in heard] == [Calls, Calls, Tell]


async def test_what_is_gathered_when_a_party_leaves_goes_before(
    party: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = await loaded(party, monkeypatch)
    party.bus.ask("svc", "a:set", b"", encode_caller(GUEST), client="c-1", timeout_s=5, asker=Waiter())
    await asyncio.sleep(0)
    await party.bus.settle()
    await eventually(lambda: len(heard) == 2)


async def test_what_is_gathered_when_the_link_is_lost_is_refused_at_once(
    own_party: Connected, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await loaded(own_party, monkeypatch)
    held = Waiter()
    own_party.bus.ask("svc", "a:set", b"", encode_caller(GUEST), client="c-1", timeout_s=1000, asker=held)
    own_redis.kill()
    await eventually(lambda: held.answers)
    assert [code for _, code in held.answers] == ["unavailable"]


async def loaded(party: Connected, monkeypatch: pytest.MonkeyPatch) -> list[Envelope]:
    """There is load at `svc`, which answers; from now on events are gathered for longer than anybody waits."""
    heard: list[Envelope] = []

    def answer(batch: list[Envelope]) -> None:
        heard.extend(batch)
        for envelope in batch:
            if isinstance(envelope, Calls):
                party.bus.answer(envelope.reply_to, envelope.ids, envelope.payloads)

    monkeypatch.setattr(outgoing, "LOAD_LASTS_S", math.inf)
    monkeypatch.setattr(outgoing, "GATHER_S", 2 * PATIENCE_S)
    await party.bus.listen("svc", answer)
    waiters = [Waiter() for _ in range(LOAD_CALLS)]
    for waiter in waiters:
        party.bus.ask("svc", "a:set", b"", encode_caller(GUEST), client="c-1", timeout_s=5, asker=waiter)
    await eventually(lambda: all(waiter.answers for waiter in waiters))
    return heard


async def test_events_asked_together_are_told_of_absence_and_silence(party: Connected) -> None:
    await party.bus.listen("silent", lambda _: None)
    gone, late = [Waiter() for _ in range(3)], [Waiter() for _ in range(3)]
    for waiter in gone:
        party.bus.ask("nobody", "a:b", b"", encode_caller(GUEST), client="c-1", timeout_s=5, asker=waiter)
    for waiter in late:
        party.bus.ask("silent", "a:b", b"", encode_caller(GUEST), client="c-1", timeout_s=0.1, asker=waiter)
    await eventually(lambda: all(waiter.answers for waiter in (*gone, *late)))
    assert [code for waiter in gone for _, code in waiter.answers] == ["unavailable"] * 3
    assert [code for waiter in late for _, code in waiter.answers] == ["timeout"] * 3
    assert not party.bus._awaited.askers
