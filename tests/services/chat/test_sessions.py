"""What the end of sessions, connections and gateways means to a room."""

from __future__ import annotations

from uuid import uuid4

import pytest

from pulso.settings import KitSettings
from services.gateway.hub import Hub
from tests.redis_server import RedisServer
from tests.services.chat.conftest import Place, Tab, place_of
from tests.waiting import at_most, eventually


@pytest.mark.quiet
async def test_logging_out_ends_every_tab_of_the_session_within_a_second(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as first, ana.tab(1) as second, rui.tab(0) as other:
        for tab in (first, second, other):
            await tab.join()
        await first.call("chat:typing", {"typing": True})
        await other.hears("chat:typing")
        headers = {"Authorization": f"Bearer {ana.token}"}
        async with at_most(1.0):
            async with place.http.post(f"{place.urls[0]}/api/auth/logout", headers=headers) as response:
                assert response.status == 200
            for tab in (first, second):
                await eventually(lambda tab=tab: not tab.socket.connected)
                assert tab.payloads("session:ended") == [{"reason": "logout"}]
            assert (await other.hears("chat:typing", 2))["typing"] is False
        await other.say("Ana is gone")
        await other.reads("Ana is gone")
        assert first.texts() == second.texts() == []
        message = {"id": str(uuid4()), "text": "still here"}
        async with place.http.post(f"{place.urls[1]}/api/chat/send", json=message, headers=headers) as response:
            assert response.status == 401
        await eventually(lambda: other.payloads("chat:left"))


async def test_who_left_while_chat_was_away_is_told_when_it_is_back(place: Place) -> None:
    ana, rui = await place.person("Ana"), await place.person("Rui")
    async with ana.tab(0) as watcher:
        await watcher.join()
        async with rui.tab(1) as gone:
            await gone.join()
            await place.chat.stop()
        await place.chat.start()
        assert (await watcher.join())["members"] == [ana.shown, rui.shown]
        await eventually(lambda: watcher.payloads("chat:left"))
        assert watcher.payloads("chat:left") == [{"room": "sala-1", "user": rui.shown}]


async def test_a_tab_that_missed_the_leaving_hears_nothing_once_its_gateway_is_back(
    own_kit: KitSettings, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place_of(own_kit) as place:
        ana, rui = await place.person("Ana"), await place.person("Rui")
        async with ana.tab(0) as leaves, ana.tab(1) as misses, rui.tab(0) as author:
            for tab in (leaves, misses, author):
                await tab.join()
            with monkeypatch.context() as patched:
                patched.setattr(Hub, "_regroup", lambda *_: None)
                await leaves.call("chat:leave")
                await author.say("to be heard by who has missed it")
                await misses.reads("to be heard by who has missed it")
            own_redis.restart()
            await misses.hears("session:resync")
            await eventually(lambda: is_deaf(misses, author))


async def is_deaf(tab: Tab, author: Tab) -> bool:
    """Whether a message that everybody in the room reads does not come to this one."""
    sent = await author.say("does anybody hear this?")
    if "error" in sent or "error" in await tab.call("chat:rooms"):
        return False
    await eventually(lambda: sent in author.payloads("chat:message"))
    await tab.settled()
    return sent not in tab.payloads("chat:message")
