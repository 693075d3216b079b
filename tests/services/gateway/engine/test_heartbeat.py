"""Engine.IO protocol, section "Heartbeat": the server pings, and who does not answer in time is out."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.services.gateway.engine.conftest import Speaker
from tests.waiting import eventually

PATHS = ["/engine.io/", "/socket.io/"]


async def test_a_polling_client_that_answers_stays(engine: Speaker) -> None:
    sid = await engine.open_polling()
    for _ in range(3):
        assert await engine.poll(sid) == (200, "2")
        assert await engine.post(sid, "3") == (200, "ok")


@pytest.mark.parametrize("path", PATHS)
async def test_polling_without_answers_is_out_in_time(http: aiohttp.ClientSession, path: str) -> None:
    speaker = Speaker(http, path)
    sid = await speaker.open_polling()
    await asyncio.sleep(0.5)  # the very time that the handshake announced

    async def is_out() -> bool:
        return (await speaker.poll(sid))[0] == 400

    await eventually(is_out, within_s=0.25)


async def test_a_websocket_that_answers_stays(engine: Speaker) -> None:
    async with engine.opened() as raw:
        for _ in range(3):
            assert await raw.socket.receive_str(timeout=5) == "2"
            await raw.send("3")
        await raw.send("4still here")
        assert await raw.next() == "4still here"


@pytest.mark.parametrize("path", PATHS)
async def test_a_websocket_without_answers_is_out_in_time(http: aiohttp.ClientSession, path: str) -> None:
    loop = asyncio.get_running_loop()
    async with Speaker(http, path).websocket() as raw:
        await raw.socket.receive_str()
        opened = loop.time()
        assert await raw.socket.receive_str(timeout=5) == "2"
        pinged = loop.time()
        assert (await raw.socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert 0.25 < pinged - opened < 0.4
        assert 0.15 < loop.time() - pinged < 0.3
