"""Who is in a room, while gateways and chat are killed: true again within ten seconds, told once."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.admission import admitted
from tests.faults.deployment import Deployment, Program
from tests.services.chat.conftest import Tab
from tests.waiting import at_most, eventually

AFTER_A_KILL_S = 10.0


@dataclass(slots=True)
class Chat:
    """Auth, chat and two gateways; Ana watches `sala-1` from the first one, which is not to be killed."""

    deployment: Deployment
    chat: Program
    gateways: list[Program]
    ana: Tab
    stack: contextlib.AsyncExitStack

    async def tab(self, token: str, gateway: int) -> Tab:
        tab = Tab()
        url = self.gateways[gateway].url
        await tab.socket.connect(url, auth={"token": token}, transports=["websocket"])
        self.stack.push_async_callback(tab.socket.disconnect)
        await eventually(lambda: joined(tab))
        return tab

    def left(self) -> list[str]:
        return [told["user"]["name"] for told in self.ana.payloads("chat:left")]

    async def members(self) -> list[str]:
        answer = await self.ana.join()
        return [member["name"] for member in answer.get("members", [])]


async def token_of(deployment: Deployment, url: str, name: str) -> str:
    form = {"name": name, "username": name, "email": f"{name}@example.com", "password": "a password"}
    async with admitted(deployment.http, f"{url}/api/auth/register", json=form) as response:
        assert response.status == 200
        return str((await response.json())["access_token"])


@pytest.fixture
async def room(deployment: Deployment) -> AsyncIterator[Chat]:
    _, chat, *gateways = await deployment.start_all("auth", "chat", "gateway", "gateway")
    async with contextlib.AsyncExitStack() as stack:
        room = Chat(deployment, chat, gateways, Tab(), stack)
        room.ana = await room.tab(await token_of(deployment, gateways[0].url, "Ana"), 0)
        yield room


@pytest.mark.quiet
async def test_members_at_a_killed_gateway_have_left_within_10_s_unless_they_came_back(room: Chat) -> None:
    rui, eva = [await token_of(room.deployment, room.gateways[0].url, name) for name in ("Rui", "Eva")]
    await room.tab(rui, 1)
    tab = await room.tab(eva, 1)
    await tab.call("chat:typing", {"typing": True})
    await room.ana.hears("chat:typing")
    async with at_most(AFTER_A_KILL_S):
        await room.gateways[1].kill()
        await room.tab(eva, 0)
        await eventually(lambda: room.left() == ["Rui"])
    assert await room.members() == ["Ana", "Eva"]
    assert [told["typing"] for told in room.ana.payloads("chat:typing")] == [True, False]
    assert [told["user"]["name"] for told in room.ana.payloads("chat:joined")] == ["Rui", "Eva"]


async def test_chat_and_a_gateway_killed_together_forget_nobody_and_welcome_nobody_again(room: Chat) -> None:
    rui, eva = [await token_of(room.deployment, room.gateways[0].url, name) for name in ("Rui", "Eva")]
    await room.tab(rui, 1)
    await room.tab(eva, 0)
    await room.gateways[1].kill()
    await room.chat.kill()
    await room.chat.start()
    await room.chat.becomes("ready")
    await eventually(lambda: room.left() == ["Rui"], within_s=AFTER_A_KILL_S)
    assert await room.members() == ["Ana", "Eva"]
    assert [told["user"]["name"] for told in room.ana.payloads("chat:joined")] == ["Rui", "Eva"]


async def joined(tab: Tab) -> Any:
    return "error" not in await tab.join()
