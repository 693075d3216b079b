"""Whoever is not asked cannot answer: the ids of calls follow from nothing that others see."""

from __future__ import annotations

import asyncio
import itertools

from pulso.bus import Bus
from pulso.contract import Access, Caller, Endpoint, Nothing
from pulso.message import Call, Envelope
from pulso.party import Connected
from tests.waiting import eventually

ASKED = Endpoint("echo:say", Nothing, Nothing, Access.ANYONE, "Say nothing.")
RUI = Caller("u-1", "Rui", "guest")


async def test_the_id_of_a_call_tells_nothing_of_the_next_one(party: Connected) -> None:
    bus: Bus = party.bus
    heard: list[Envelope] = []
    channel = bus.channels.service("echo", 0)
    await bus.listen(channel, heard.extend)
    asked = [asyncio.create_task(bus.call(channel, ASKED, Nothing(), RUI)) for _ in range(600)]
    await eventually(lambda: len(heard) == len(asked))
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    ids = [call.id for call in heard if isinstance(call, Call)]
    steps = {later - earlier for earlier, later in itertools.pairwise(ids)}
    assert len(set(ids)) == len(steps) + 1 == 600
    assert max(ids) > 1 << 60
    # Each bit of 63 is set in about half of them: 600 fair coins stray that far once in a thousand million runs.
    for bit in range(63):
        assert 220 < sum(id_ >> bit & 1 for id_ in ids) < 380
