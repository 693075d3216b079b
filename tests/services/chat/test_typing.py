"""Typing: one start and one end, whatever clients say, forget or do meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.chat.contract import Member
from services.chat.rooms import OpenRoom, Rooms
from services.chat.rows import Kept, RoomRow
from services.chat.typists import EXPIRES_S, Typists
from tests.services.chat.conftest import Place, Tab
from tests.waiting import at_most, eventually


def typing_of(tab: Tab) -> list[bool]:
    return [told["typing"] for told in tab.payloads("chat:typing")]


async def types(tab: Tab, typing: bool = True) -> Any:
    return await tab.call("chat:typing", {"typing": typing})


async def test_the_others_hear_one_start_and_one_end(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as author, ana.tab(1) as second, rui.tab(1) as other:
        for tab in (author, second, other):
            await tab.join()
        for _ in range(3):
            assert await types(author) == {}
        assert await types(second) == {}
        await types(author, False)
        await types(author, False)
        await other.hears("chat:typing", 2)
        await author.say("done")
        await other.reads("done")
        assert other.payloads("chat:typing") == [
            {"room": "sala-1", "user": ana.shown, "typing": True},
            {"room": "sala-1", "user": ana.shown, "typing": False},
        ]
        await second.settled()
        assert typing_of(author) == typing_of(second) == []


@pytest.mark.parametrize("what", ["send", "leave", "switch", "disconnect"])
@pytest.mark.quiet
async def test_typing_ends_with_what_ends_it(place: Place, what: str) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with rui.tab(1) as other:
        await other.join()
        async with ana.tab(0) as author, ana.tab(1) as second:
            await author.join()
            await second.join()
            await types(author)
            await other.hears("chat:typing")
            async with at_most(1.0):
                if what == "send":
                    await author.say("done")
                elif what == "leave":
                    await author.call("chat:leave")
                elif what == "switch":
                    await second.join("sala-2")
                else:
                    await author.socket.disconnect()
                await other.hears("chat:typing", 2)
            assert typing_of(other) == [True, False]


def room_of() -> OpenRoom:
    rooms = Rooms(Kept("chat-x", {"sala-1": RoomRow(0, 0, [])}, {}, []))
    room = rooms.get("sala-1")
    assert room is not None
    return room


async def test_typing_ends_by_itself_and_each_sign_of_it_counts_anew() -> None:
    assert EXPIRES_S == 6.0
    told: list[bool] = []
    typists = Typists(lambda room, member, typing: told.append(typing), expires_s=1.0)
    ana, room, loop = Member("u_ana", "Ana"), room_of(), asyncio.get_running_loop()
    began = loop.time()
    for sign in range(1, 5):
        typists.begin(ana, room, "tab-1")
        last = loop.time()
        await eventually(lambda sign=sign: loop.time() >= began + 0.3 * sign)
    assert told == [True]
    await eventually(lambda: told == [True, False])
    assert loop.time() - last > 0.9


async def test_only_the_connection_that_typed_last_ends_it_by_closing() -> None:
    told: list[bool] = []
    typists = Typists(lambda room, member, typing: told.append(typing))
    ana, room = Member("u_ana", "Ana"), room_of()
    typists.begin(ana, room, "tab-1")
    typists.begin(ana, room, "tab-2")
    typists.connection_closed("u_ana", "tab-1")
    assert told == [True]
    typists.connection_closed("u_ana", "tab-2")
    typists.end_all()
    assert told == [True, False]
