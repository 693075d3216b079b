"""Engine.IO protocol, section "Heartbeat": the server pings, and who does not answer in time is out."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp
import pytest

from tests.services.gateway.engine.conftest import Speaker
from tests.stopwatch import Stopwatch
from tests.waiting import PATIENCE_S, eventually

PATHS: Final = ["/engine.io/", "/socket.io/"]
INTERVAL_S: Final = 0.3
ANSWER_WITHIN_S: Final = 0.2
TURN_S: Final = 0.1
"""What the wheel, which turns now and then, may take from each of them or add."""


@pytest.fixture
def heart() -> dict[str, float]:
    return {"ping_interval": INTERVAL_S, "ping_timeout": PATIENCE_S}


@pytest.fixture
def impatient_heart(heart: dict[str, float]) -> None:
    heart["ping_timeout"] = ANSWER_WITHIN_S


async def test_a_polling_client_that_answers_stays(engine: Speaker) -> None:
    sid = await engine.open_polling()
    for _ in range(3):
        assert await engine.poll(sid) == (200, "2")
        assert await engine.post(sid, "3") == (200, "ok")


async def test_a_websocket_that_answers_stays(engine: Speaker) -> None:
    async with engine.opened() as raw:
        for _ in range(3):
            assert await raw.socket.receive_str(timeout=PATIENCE_S) == "2"
            await raw.send("3")
        await raw.send("4still here")
        assert await raw.next() == "4still here"


async def test_leaving_the_only_namespace_leaves_the_transport_open(sio: Speaker) -> None:
    """Socket.IO protocol, section "Disconnection from a namespace"."""
    async with sio.connected() as raw:
        await raw.send("41")
        assert await raw.socket.receive_str(timeout=PATIENCE_S) == "2"
        await raw.send("3")
        await raw.send("40")
        assert (await raw.next()).startswith("40")


@pytest.mark.alone
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.usefixtures("impatient_heart")
async def test_polling_without_answers_is_out_in_time(http: aiohttp.ClientSession, path: str) -> None:
    loop = asyncio.get_running_loop()
    speaker = Speaker(http, path)
    watch, opened = Stopwatch(), loop.time()
    sid = await speaker.open_polling()

    async def is_out() -> bool:
        return (await speaker.poll(sid))[0] == 400

    await eventually(is_out)
    assert loop.time() - opened > INTERVAL_S + ANSWER_WITHIN_S - TURN_S
    assert watch.seconds < INTERVAL_S + ANSWER_WITHIN_S + 2 * TURN_S


@pytest.mark.alone
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.usefixtures("impatient_heart")
async def test_a_websocket_without_answers_is_out_in_time(http: aiohttp.ClientSession, path: str) -> None:
    loop = asyncio.get_running_loop()
    watch, opened = Stopwatch(), loop.time()
    async with Speaker(http, path).websocket() as raw:
        await raw.socket.receive_str()
        assert await raw.socket.receive_str(timeout=PATIENCE_S) == "2"
        assert loop.time() - opened > INTERVAL_S - TURN_S
        assert (await raw.socket.receive(timeout=PATIENCE_S)).type is aiohttp.WSMsgType.CLOSE
        assert loop.time() - opened > INTERVAL_S + ANSWER_WITHIN_S - TURN_S
        assert watch.seconds < INTERVAL_S + ANSWER_WITHIN_S + 2 * TURN_S
