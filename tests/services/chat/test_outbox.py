"""From the commit to the room, whatever fails in between: each message is told, in order, once."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from uuid import uuid4

import pytest

from pulso.push import Push
from pulso.settings import KitSettings
from pulso.store import open_store
from services.chat.contract import Member
from services.chat.rules import Wanted
from services.chat.store import MIGRATIONS, ChatStore
from tests.services.chat.conftest import Person, Place, Process, Tab, place_of
from tests.waiting import at_most, eventually

TOLD_WITHIN_S = 2.0


@pytest.mark.quiet
async def test_what_was_committed_just_before_a_crash_is_told_once_within_2_s_of_the_restart(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as one, rui.tab(1) as other:
        await one.join()
        await other.join()
        await place.chat.stop()
        id_ = await committed(place, ana, "nobody was told")
        async with at_most(TOLD_WITHIN_S):
            await place.chat.start()
            for tab in (one, other):
                await tab.hears("chat:message")
        # The author, who was never answered, asks again.
        assert (await one.say("nobody was told", id_=id_))["seq"] == 1
        await one.say("and then")
        await other.reads("nobody was told", "and then")
        await one.reads("nobody was told", "and then")


async def test_what_was_told_just_before_a_crash_is_not_told_again(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as one, rui.tab(1) as other:
        await one.join()
        await other.join()
        await asyncio.gather(*(one.say(str(number)) for number in range(20)))
        await other.hears("chat:message", 20)
        await place.chat.stop()
        async with open_store(place.kit.data / "chat.sqlite3", migrations=MIGRATIONS) as store:
            await ChatStore(store).mark_published({"sala-1": 0})
        await place.chat.start()
        await one.say("the end")
        for tab in (one, other):
            await tab.hears("chat:message", 21)
            assert [message["seq"] for message in tab.payloads("chat:message")] == list(range(1, 22))


async def test_who_came_just_before_a_crash_is_told_of_once(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as watcher, rui.tab(1) as newcomer:
        await watcher.join()
        await place.chat.stop()
        async with open_store(place.kit.data / "chat.sqlite3", migrations=MIGRATIONS) as store:
            await ChatStore(store).put_member(Member(rui.id, "Rui"), "sala-1", None, 0)
        await place.chat.start()
        await eventually(lambda: watcher.payloads("chat:joined"))
        await newcomer.join()  # as its page does that was not answered
        await newcomer.say("here I am")
        await watcher.reads("here I am")
        assert watcher.payloads("chat:joined") == [{"room": "sala-1", "user": rui.shown}]
        assert newcomer.payloads("chat:joined") == []


async def test_who_came_is_told_of_though_what_was_said_before_was_told_and_not_marked(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as watcher:
        await watcher.join()
        await watcher.say("before")
        await watcher.reads("before")
        await place.chat.stop()
        async with open_store(place.kit.data / "chat.sqlite3", migrations=MIGRATIONS) as store:
            await ChatStore(store).mark_published({"sala-1": 0})
            await ChatStore(store).put_member(Member(rui.id, "Rui"), "sala-1", None, 0)
        await place.chat.start()
        await watcher.say("the end")
        await watcher.reads("before", "the end")
        assert watcher.payloads("chat:joined") == [{"room": "sala-1", "user": rui.shown}]


async def test_what_a_crash_left_is_told_in_the_order_in_which_it_was_committed(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as watcher:
        await watcher.join()
        await watcher.say("told, and not marked")
        await watcher.reads("told, and not marked")
        await place.chat.stop()
        for text in ("before", "while they were there", "after"):
            await committed(place, ana, text)
            async with open_store(place.kit.data / "chat.sqlite3", migrations=MIGRATIONS) as opened:
                store, member = ChatStore(opened), Member(rui.id, "Rui")
                match text:
                    case "before":
                        await store.mark_published({"sala-1": 0})
                        await store.put_member(member, "sala-1", None, 0)
                    case "while they were there":
                        await store.remove_member(member, "sala-1")
        await place.chat.start()
        await watcher.reads("told, and not marked", "before", "while they were there", "after")
        told = [event for event, *_ in watcher.told if event.startswith("chat:")]
        message, joined, left = "chat:message", "chat:joined", "chat:left"
        assert told == [message, message, joined, message, left, message]


async def test_who_was_told_of_is_not_told_of_again_after_a_restart(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as watcher:
        await watcher.join()
        async with rui.tab(1) as other:
            await other.join()
            await other.call("chat:leave")
        await watcher.hears("chat:left")
        await place.chat.stop()
        async with open_store(place.kit.data / "chat.sqlite3", migrations=MIGRATIONS) as store:
            assert (await ChatStore(store).load(["sala-1"])).unpublished == []
        await place.chat.start()
        await watcher.say("the end")
        await watcher.reads("the end")
        assert (len(watcher.payloads("chat:joined")), len(watcher.payloads("chat:left"))) == (1, 1)


async def test_what_redis_does_not_take_is_told_later_in_order(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, surely = random.Random(7), Push.surely

    async def unreliable(push: Push, told: Any) -> bool:
        """At times nothing arrives, at times all of it does, and nobody knows."""
        fate = chance.random()
        if fate < 0.3:
            return False
        arrived = await surely(push, told)
        return arrived and fate < 0.7

    monkeypatch.setattr(Push, "surely", unreliable)
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as one, rui.tab(1) as other:
        await one.join()
        await other.join()
        for wave in range(10):
            await asyncio.gather(*(one.say(f"{wave}.{number}") for number in range(10)))
        for tab in (one, other):
            await eventually(lambda tab=tab: len(tab.texts()) >= 100)
            assert [message["seq"] for message in tab.payloads("chat:message")] == list(range(1, 101))


@pytest.mark.parametrize("seed", [1])
async def test_chat_killed_again_and_again_loses_doubles_and_inverts_nothing(kit: KitSettings, seed: int) -> None:
    chance = random.Random(seed)
    async with place_of(kit, chat=Process) as place:
        people = [await place.person(name) for name in ("Ana", "Rui", "Carla", "Bruno")]
        async with (
            people[0].tab(0) as a, people[1].tab(1) as b, people[2].tab(0) as c, people[3].tab(1) as d,
        ):  # fmt: skip
            tabs = [a, b, c, d]
            for tab in tabs:
                await eventually(lambda tab=tab: joined(tab))
            enough, acked = asyncio.Event(), dict[str, int]()
            async with asyncio.TaskGroup() as senders:
                for tab in tabs:
                    senders.create_task(keep_sending(tab, acked, enough))
                for _ in range(3):
                    more = len(acked) + chance.randrange(20, 200)
                    await eventually(lambda more=more: len(acked) >= more)
                    await place.chat.kill()
                    await place.chat.start()
                more = len(acked) + 50
                await eventually(lambda more=more: len(acked) >= more)
                enough.set()
            last = max(acked.values())
            for tab in tabs:
                await eventually(lambda tab=tab: len(tab.texts()) >= last)
                heard = tab.payloads("chat:message")
                assert [message["seq"] for message in heard] == list(range(1, len(heard) + 1))
                assert {message["id"]: message["seq"] for message in heard}.items() >= acked.items()
                assert len({message["id"] for message in heard}) == len(heard)


async def keep_sending(tab: Tab, acked: dict[str, int], enough: asyncio.Event) -> None:
    """One message after another, each again with its id until it is acknowledged."""
    while not enough.is_set():
        id_ = str(uuid4())
        while id_ not in acked:
            answer = await tab.say("again and again", id_=id_)
            if "error" not in answer:
                acked[id_] = answer["seq"]
            else:
                assert answer["error"]["code"] in ("unavailable", "timeout"), answer
                await asyncio.sleep(0.05)


async def joined(tab: Tab) -> bool:
    return "error" not in await tab.join()


async def committed(place: Place, author: Person, text: str) -> str:
    """Have a message in the database as a crash leaves it between commit and publication; its id."""
    id_ = str(uuid4())
    async with open_store(place.kit.data / "chat.sqlite3", migrations=MIGRATIONS) as store:
        wanted = Wanted(id_, "sala-1", Member(author.id, author.name), text, ())
        await ChatStore(store).post([wanted], 0)
    return id_
