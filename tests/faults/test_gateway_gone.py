"""A gateway killed or asked to stop under load: its clients go on at the other one with what was acknowledged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from random import Random

import aiohttp

from tests.faults.conftest import Pulso
from tests.faults.deployment import Program
from tests.faults.people import Person, everybody_acked, more_acks, nothing_is_lost, under_load
from tests.waiting import PATIENCE_S, eventually

NORMAL_END = 0


async def test_clients_of_a_killed_gateway_go_on_at_the_other(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    lost, kept = halves(pulso, people, chance)
    async with under_load(people, chance, lost.gateway.url, kept.gateway.url):
        await more_acks(people, chance.randrange(100, 1_500))
        await lost.gateway.kill()
        await everybody_acked(people)
    await nothing_is_lost(people, kept.gateway.url)
    assert all(person.ends for person in lost.people)
    assert not any(person.ends for person in kept.people)


async def test_a_gateway_that_was_killed_comes_back_with_mirror_and_board(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    lost, kept = halves(pulso, people, chance)
    await lost.gateway.kill()
    await lost.gateway.start()
    await lost.gateway.becomes("ready")
    ana = kept.people[0]
    async with ana.another_tab(lost.gateway.url) as tab:
        assert await tab.call("numbers:watch") == {}
        since = tab.mark()
        assert await ana.set(42)
        assert (await tab.hears("numbers:value", since=since))["value"] == 42
        await eventually(lambda: row_of(tab, ana.name) == 42)
        since = ana.mark()
        assert await tab.set(43)
        assert (await ana.hears("numbers:value", since=since))["value"] == 43
        assert tab.heard("numbers:value")[-1]["value"] == 42  # who sets a value is not told of it


async def test_a_gateway_asked_to_stop_under_load_ends_in_order_and_sends_its_clients_elsewhere(
    pulso: Pulso, people: list[Person], chance: Random
) -> None:
    lost, kept = halves(pulso, people, chance)
    frames: list[str] = []
    async with under_load(people, chance, lost.gateway.url, kept.gateway.url):
        await more_acks(people, chance.randrange(100, 1_500))
        reading = asyncio.create_task(
            read_to_the_end(pulso.deployment.http, lost.gateway.url, people[0].token, frames.append)
        )
        await eventually(lambda: any("numbers:value" in frame for frame in frames))
        assert await lost.gateway.stop() == NORMAL_END
        await everybody_acked(people)
    async with asyncio.timeout(PATIENCE_S):
        await reading
    # A Socket.IO DISCONNECT would tell clients never to come back.
    assert not [frame for frame in frames if frame.startswith("41") or "session:ended" in frame]
    await nothing_is_lost(people, kept.gateway.url)
    assert all(person.ends for person in lost.people)
    assert not any(person.ends for person in kept.people)


class Half:
    """A gateway, and the people who are connected to it."""

    def __init__(self, gateway: Program, people: list[Person]) -> None:
        self.gateway = gateway
        self.people = people


def halves(pulso: Pulso, people: list[Person], chance: Random) -> tuple[Half, Half]:
    """The half that is to be lost first. People are connected to the gateways in turn."""
    both = [Half(gateway, people[n::2]) for n, gateway in enumerate(pulso.gateways)]
    chance.shuffle(both)
    return both[0], both[1]


def row_of(watcher: Person, name: str) -> int | None:
    """The value that the latest board shows for somebody."""
    boards = watcher.heard("numbers:board")
    rows = boards[-1]["values"] if boards else []
    return next((row["value"] for row in rows if row["user"] == name), None)


async def read_to_the_end(http: aiohttp.ClientSession, url: str, token: str, hear: Callable[[str], None]) -> None:
    """A client without a library: every frame as it came, until the server closes the socket."""
    async with http.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket") as socket:
        await socket.send_str("40" + json.dumps({"token": token}))
        async for message in socket:
            hear(str(message.data))
