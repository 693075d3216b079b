"""Rooms over real gateways: who is in them, who hears of it, and that nothing crosses from one to another."""

from __future__ import annotations

import asyncio

import pytest

from pulso.errors import ServiceError
from tests.services.chat.conftest import Place
from tests.waiting import eventually


async def test_sala_1_to_3_are_there_from_the_start_and_empty(place: Place) -> None:
    ana = await place.person("Ana")
    async with ana.tab() as tab:
        answer = await tab.call("chat:rooms")
        assert [room["id"] for room in answer["rooms"]] == ["sala-1", "sala-2", "sala-3"]
        assert {(room["members"], room["seq"]) for room in answer["rooms"]} == {(0, 0)}
        assert await tab.join() == {"room": "sala-1", "members": [ana.shown], "messages": [], "seq": 0}


async def test_the_list_of_rooms_says_which_one_the_user_is_in(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as first, ana.tab(1) as second, rui.tab(0) as other:
        assert (await second.call("chat:rooms"))["current"] is None
        await first.join("sala-2")
        assert (await second.call("chat:rooms"))["current"] == "sala-2"
        assert (await other.call("chat:rooms"))["current"] is None
        await first.call("chat:leave")
        assert (await second.call("chat:rooms"))["current"] is None


async def test_who_enters_is_given_everybody_across_gateways(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as one, rui.tab(1) as other:
        await one.join()
        assert (await other.join())["members"] == [ana.shown, rui.shown]
        assert (await one.call("chat:rooms"))["rooms"][0]["members"] == 2


async def test_the_others_hear_of_a_new_user_once_and_the_user_does_not(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as one, rui.tab(1) as other:
        await one.join()
        await other.join()
        assert await one.hears("chat:joined") == {"room": "sala-1", "user": rui.shown}
        await other.settled()
        assert len(one.payloads("chat:joined")) == 1
        assert other.payloads("chat:joined") == []


async def test_a_second_tab_in_the_same_room_is_silent_across_gateways(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as watcher, rui.tab(0) as first:
        await watcher.join()
        await first.join()
        await watcher.hears("chat:joined")
        async with rui.tab(1) as second:
            assert (await second.join())["members"] == [ana.shown, rui.shown]
            await second.say("from the second tab")
            await watcher.reads("from the second tab")
            await first.reads("from the second tab")
        await first.say("the second is closed")
        await watcher.reads("from the second tab", "the second is closed")
        assert len(watcher.payloads("chat:joined")) == 1
        assert watcher.payloads("chat:left") == []
        assert first.payloads("chat:switched") == []


async def test_joining_another_room_leaves_the_first_in_all_tabs(place: Place) -> None:
    ana, rui, carla = [await place.person(name) for name in ("Ana", "Rui", "Carla")]
    async with ana.tab(0) as in_1, carla.tab(1) as in_2, rui.tab(0) as first, rui.tab(1) as second:
        await in_1.join("sala-1")
        await in_2.join("sala-2")
        await first.join("sala-1")
        await second.join("sala-1")
        await first.join("sala-2")
        assert await in_1.hears("chat:left") == {"room": "sala-1", "user": rui.shown}
        assert await in_2.hears("chat:joined") == {"room": "sala-2", "user": rui.shown}
        assert await second.hears("chat:switched") == {"room": "sala-2"}
        await in_1.say("in sala-1")
        await in_1.reads("in sala-1")
        await in_2.say("in sala-2")
        for tab in (first, second, in_2):
            await tab.reads("in sala-2")
        assert in_1.texts() == ["in sala-1"]


async def test_two_tabs_that_join_different_rooms_at_once_end_in_one(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as watcher, rui.tab(0) as first, rui.tab(1) as second:
        for _ in range(10):
            await asyncio.gather(first.join("sala-1"), second.join("sala-2"))
            (there,) = [r["id"] for r in (await watcher.call("chat:rooms"))["rooms"] if r["members"]]
            await watcher.join(there)
            heard = len(first.texts())
            await watcher.say("where are you?")
            for tab in (first, second):
                await tab.hears("chat:message", heard + 1)
            await watcher.call("chat:leave")


async def test_nothing_crosses_rooms(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as in_1, rui.tab(1) as in_2:
        await in_1.join("sala-1")
        await in_2.join("sala-2")
        await in_1.say("a secret")
        await in_1.call("chat:typing", {"typing": True})
        await in_1.call("chat:typing", {"typing": False})
        await in_1.reads("a secret")
        answer = await in_2.call("chat:history", {"room": "sala-1"})
        assert answer["error"]["code"] == "forbidden"
        assert [told for told in in_2.told if told[0].startswith("chat:")] == []


async def test_who_is_in_no_room_may_not_send_type_or_look_back(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as inside, rui.tab(1) as outside:
        await inside.join()
        for event, payload in (
            ("chat:send", {"id": "00000000-0000-4000-8000-000000000000", "text": "hello"}),
            ("chat:typing", {"typing": True}),
            ("chat:history", {"room": "sala-1"}),
        ):
            assert (await outside.call(event, payload))["error"]["code"] == "forbidden"
        await inside.settled()
        assert inside.texts() == []


async def test_after_leaving_nothing_is_sent_and_nothing_received(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as stays, rui.tab(0) as leaves, rui.tab(1) as other_tab:
        for tab in (stays, leaves, other_tab):
            await tab.join()
        assert await leaves.call("chat:leave") == {}
        assert await stays.hears("chat:left") == {"room": "sala-1", "user": rui.shown}
        assert await other_tab.hears("chat:switched") == {"room": None}
        assert (await leaves.say("hello?"))["error"]["code"] == "forbidden"
        assert (await other_tab.say("hello?"))["error"]["code"] == "forbidden"
        await stays.say("they are gone")
        await stays.reads("they are gone")
        await leaves.settled()
        await other_tab.settled()
        assert leaves.texts() == other_tab.texts() == []
        assert len(stays.payloads("chat:left")) == 1
        assert await leaves.call("chat:leave") == {}


async def test_a_guest_is_refused(place: Place) -> None:
    guest = await place.guest()
    async with guest.tab() as tab:
        for answer in (await tab.join(), await tab.say("hello"), await tab.call("chat:rooms")):
            assert answer["error"]["code"] == "forbidden"
    status, body = await guest.upload(("a.png", b"x"))
    assert (status, body["error"]["code"]) == (403, "forbidden")
    assert place.uploaded() == []


async def test_a_room_that_is_not_there_is_not_found_and_changes_nothing(place: Place) -> None:
    ana = await place.person("Ana")
    async with ana.tab() as tab:
        await tab.join("sala-1")
        assert (await tab.join("nowhere"))["error"]["code"] == "not_found"
        assert (await tab.say("still here"))["room"] == "sala-1"


async def test_who_could_not_be_let_in_hears_nothing_and_is_where_they_were(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")

    async def full(*_: object) -> None:
        raise ServiceError("unavailable", "The disk is full.")

    async with ana.tab(0) as author, rui.tab(1) as refused:
        await author.join("sala-2")
        await refused.join("sala-1")
        with monkeypatch.context() as patched:
            patched.setattr("services.chat.store.ChatStore.put_member", full)
            assert (await refused.join("sala-2"))["error"]["code"] == "unavailable"
        await author.say("not for everybody")
        await author.reads("not for everybody")
        await refused.settled()
        assert refused.texts() == []
        assert (await refused.say("still in sala-1"))["room"] == "sala-1"
        assert author.payloads("chat:joined") == []


async def test_leaving_is_told_once_on_the_last_tab_after_the_grace(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    loop = asyncio.get_running_loop()
    async with ana.tab(0) as watcher:
        await watcher.join()
        async with rui.tab(0) as first:
            await first.join()
            async with rui.tab(1) as second:
                await second.join()
        gone_at = loop.time()
        await watcher.hears("chat:joined")
        await eventually(lambda: watcher.payloads("chat:left"))
        assert loop.time() - gone_at >= place.settings.grace_seconds - 0.1
        assert watcher.payloads("chat:left") == [{"room": "sala-1", "user": rui.shown}]
        assert (await watcher.join())["members"] == [ana.shown]


async def test_a_reload_within_the_grace_is_no_leaving(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as watcher:
        await watcher.join()
        async with rui.tab(0) as before:
            await before.join()
        async with rui.tab(1) as after:
            assert (await after.join(after=0))["members"] == [ana.shown, rui.shown]
            await watcher.say("welcome back")
            await after.reads("welcome back")
            assert len(watcher.payloads("chat:joined")) == 1
            assert watcher.payloads("chat:left") == []
