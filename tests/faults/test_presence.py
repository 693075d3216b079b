"""Who is connected, while gateways, presence and Redis are killed: by the table, and by what is told."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.deployment import Deployment, Program
from tests.faults.people import Person, guest
from tests.waiting import at_most, eventually

AFTER_A_KILL_S = 10.0
CONVERGED_WITHIN_S = 5.0
SEEN_WITHIN_S = 1.0
GRACE_S = 5.0
LONG_S = 7.0
"""Longer than a gateway may be silent."""


@dataclass(slots=True)
class Room:
    """Auth, presence and two gateways; the watcher is at the first one, which is not to be killed."""

    deployment: Deployment
    presence: Program
    gateways: list[Program]
    watcher: Person

    async def comes(self, name: str, gateway: int) -> Person:
        person = await guest(self.deployment.http, self.gateways[0].url, name)
        await person.connect(self.gateways[gateway].url)
        return person

    async def shows(self, *, within_s: float | None = None, **connections: int) -> None:
        """Returns once the table has exactly these people and the watcher, with so many rows each."""
        wanted = Counter(connections, Watcher=1)
        await eventually(lambda: rows(self.deployment.data) == wanted, within_s=within_s)

    def joined(self) -> list[str]:
        return [told["user"]["name"] for told in self.watcher.heard("presence:joined")]

    def left(self) -> list[str]:
        return [told["user"]["name"] for told in self.watcher.heard("presence:left")]


@pytest.fixture
async def room(deployment: Deployment) -> AsyncIterator[Room]:
    _, presence, _, *gateways = await deployment.start_all("auth", "presence", "numbers", "gateway", "gateway")
    await presence.becomes("ready")
    watcher = await guest(deployment.http, gateways[0].url, "Watcher")
    await watcher.connect(gateways[0].url)
    room = Room(deployment, presence, gateways, watcher)
    await room.shows()
    await watcher.call("presence:watch")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(watcher.close)
        yield room


@pytest.mark.quiet
async def test_the_table_follows_a_clean_close_and_a_dirty_one_within_a_second(room: Room) -> None:
    ana, rui = await room.comes("Ana", 0), await room.comes("Rui", 1)
    async with ana.another_tab(room.gateways[1].url):
        await room.shows(Ana=2, Rui=1, within_s=SEEN_WITHIN_S)
        assert room.joined() == ["Ana", "Rui"]
    await room.shows(Ana=1, Rui=1, within_s=SEEN_WITHIN_S)
    await ana.close()
    await room.shows(Rui=1, within_s=SEEN_WITHIN_S)
    rui.abort()
    await room.shows(within_s=SEEN_WITHIN_S)
    assert room.left() == []
    await eventually(lambda: room.left() == ["Ana", "Rui"], within_s=GRACE_S + SEEN_WITHIN_S)


@pytest.mark.quiet
async def test_people_of_a_killed_gateway_have_left_within_10_s_and_those_who_came_back_have_not(
    room: Room,
) -> None:
    ana, _ = await room.comes("Ana", 1), await room.comes("Rui", 1)
    await room.shows(Ana=1, Rui=1)
    async with at_most(AFTER_A_KILL_S):
        await room.gateways[1].kill()
        await ana.connect(room.gateways[0].url)
        await room.shows(Ana=1)
        await eventually(lambda: room.left() == ["Rui"])
    assert room.joined() == ["Ana", "Rui"]


@pytest.mark.quiet
async def test_people_of_a_gateway_that_is_asked_to_stop_are_gone_at_once(room: Room) -> None:
    await room.comes("Ana", 1)
    await room.shows(Ana=1)
    await room.gateways[1].stop()
    await room.shows(within_s=SEEN_WITHIN_S)
    await eventually(lambda: room.left() == ["Ana"], within_s=GRACE_S + SEEN_WITHIN_S)


@pytest.mark.quiet
async def test_presence_killed_and_restarted_knows_the_truth_within_5_s(room: Room) -> None:
    ana, rui = await room.comes("Ana", 0), await room.comes("Rui", 1)
    await room.shows(Ana=1, Rui=1)
    await room.presence.kill()
    await rui.close()
    await room.comes("Eva", 1)
    async with ana.another_tab(room.gateways[1].url):
        await room.presence.start()
        await room.shows(Ana=2, Eva=1, within_s=CONVERGED_WITHIN_S)
        await eventually(lambda: room.left() == ["Rui"], within_s=AFTER_A_KILL_S)
    assert room.joined() == ["Ana", "Rui", "Eva"]


async def test_presence_and_a_gateway_killed_together_forget_nobody(room: Room) -> None:
    await room.comes("Ana", 0)
    await room.comes("Rui", 1)
    await room.shows(Ana=1, Rui=1)
    await room.gateways[1].kill()
    await room.presence.kill()
    await room.presence.start()
    await room.shows(Ana=1)
    await eventually(lambda: room.left() == ["Rui"])
    assert room.joined() == ["Ana", "Rui"]


@pytest.mark.quiet
async def test_after_a_restart_of_redis_the_truth_is_known_within_5_s_and_nobody_has_joined_anew(
    room: Room,
) -> None:
    await room.comes("Ana", 0)
    rui = await room.comes("Rui", 1)
    await room.shows(Ana=1, Rui=1)
    room.deployment.redis.kill()
    await rui.close()
    await room.presence.becomes("unready", "standby")
    room.deployment.redis.start()
    await room.shows(Ana=1, within_s=CONVERGED_WITHIN_S)
    await eventually(lambda: room.left() == ["Rui"], within_s=AFTER_A_KILL_S)
    assert room.joined() == ["Ana", "Rui"]


async def test_a_long_silence_of_redis_takes_nobody_away(room: Room) -> None:
    await room.comes("Ana", 0)
    await room.comes("Rui", 1)
    await room.shows(Ana=1, Rui=1)
    eva = await guest(room.deployment.http, room.gateways[1].url, "Eva")
    room.deployment.redis.pause()
    await room.gateways[0].becomes("unready")
    await room.gateways[0].stays("unready", until=asyncio.get_running_loop().time() + LONG_S)
    room.deployment.redis.resume()
    await room.presence.becomes("ready")
    await eva.connect(room.gateways[1].url)
    await room.shows(Ana=1, Rui=1, Eva=1)
    await eva.close()
    # Eva's leaving shows that the others' would have been told by now.
    await eventually(room.left)
    assert (room.joined(), room.left()) == (["Ana", "Rui", "Eva"], ["Eva"])


async def test_a_presence_that_hung_takes_nobody_away(room: Room) -> None:
    await room.comes("Ana", 0)
    rui = await room.comes("Rui", 1)
    await room.shows(Ana=1, Rui=1)
    room.presence.pause()
    await rui.close()
    await room.gateways[0].stays("ready", until=asyncio.get_running_loop().time() + LONG_S)
    room.presence.resume()
    await room.shows(Ana=1)
    await eventually(room.left)
    assert (room.joined(), room.left()) == (["Ana", "Rui"], ["Rui"])


async def test_people_of_a_gateway_that_hangs_leave_and_come_back_with_it(room: Room) -> None:
    await room.comes("Ana", 1)
    await room.shows(Ana=1)
    room.gateways[1].pause()
    await room.shows()
    await eventually(lambda: room.left() == ["Ana"])
    room.gateways[1].resume()
    await room.shows(Ana=1)
    await eventually(lambda: room.joined() == ["Ana", "Ana"])


def rows(data: Path) -> Counter[str] | None:
    """How many connections the table has for each name: of a copy, because the service holds the file alone.

    None where the copy was torn by a write in between.
    """
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(data.glob("presence.sqlite3*"), reverse=True):
            shutil.copy(file, folder)
        with contextlib.closing(sqlite3.connect(Path(folder) / "presence.sqlite3")) as copy:
            try:
                return Counter(name for (name,) in copy.execute("SELECT name FROM connections"))
            except sqlite3.DatabaseError:
                return None
