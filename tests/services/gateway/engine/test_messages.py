"""Engine.IO protocol, sections "Packet encoding" and "HTTP long-polling": messages, both ways, both forms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.services.gateway.engine.conftest import Speaker
from tests.waiting import PATIENCE_S, eventually


@pytest.mark.parametrize(
    "payload",
    ["4hello", "4test1\x1e4test2\x1e4test3", "4hello\x1ebAQIDBA==", "4", "4caf\u00e9 \U0001f642", "bAA=="],
)
async def test_a_polled_payload_comes_back_as_it_was_sent(engine: Speaker, payload: str) -> None:
    sid = await engine.open_polling()
    assert await engine.post(sid, payload.encode()) == (200, "ok")
    assert await engine.polled(sid) == payload


async def test_a_waiting_poll_is_answered_when_a_message_comes(engine: Speaker) -> None:
    sid = await engine.open_polling()
    polling = asyncio.create_task(engine.polled(sid))
    await engine.post(sid, "4later")
    assert await polling == "4later"


@pytest.mark.parametrize("message", ["4hello", b"\x01\x02\x03\x04", "4", b"", "4" + "x" * 200, b"y" * 70_000])
async def test_a_websocket_message_comes_back_in_its_form(engine: Speaker, message: str | bytes) -> None:
    async with engine.opened() as raw:
        await raw.send(message)
        assert await raw.next() == message


@pytest.mark.parametrize(
    "body",
    ["abc", "", "4hello\x1e", "\x1e", "7", "0", "2probe", "b====", "bA", "b!!!!", b"\xff\xfe", b"4\xed\xa0\x80"],
)
async def test_a_malformed_payload_closes_the_session(engine: Speaker, body: str | bytes) -> None:
    sid = await engine.open_polling()
    assert (await engine.post(sid, body))[0] == 400
    assert (await engine.poll(sid))[0] == 400


async def test_base64_on_a_websocket_is_binary(engine: Speaker) -> None:
    """Not in the document, but the official client's option `forceBase64`: text frames as in long-polling."""
    async with engine.opened() as raw:
        await raw.send("bAQIDBA==")
        assert await raw.next() == b"\x01\x02\x03\x04"


@pytest.mark.parametrize("packet", ["abc", "", "0", "2", "9", "\x004", "bA", "b!!!!", "b\u0662"])
async def test_a_malformed_packet_closes_the_websocket(engine: Speaker, packet: str) -> None:
    async with engine.opened() as raw:
        await raw.send(packet)
        assert await raw.closed() == 1002


async def test_text_that_is_not_utf8_closes_the_websocket(engine: Speaker) -> None:
    """RFC 6455, section 8.1."""
    async with engine.opened() as raw:
        await raw.socket.send_frame(b"4\xff", aiohttp.WSMsgType.TEXT)
        assert await raw.closed() == 1007


async def test_a_second_poll_at_once_closes_the_session(engine: Speaker) -> None:
    sid = await engine.open_polling()
    first = await engine.arrived(engine.poll(sid))
    assert (await engine.poll(sid))[0] == 400
    assert await first == (200, "1")
    assert (await engine.poll(sid))[0] == 400


async def test_a_second_post_at_once_closes_the_session(engine: Speaker) -> None:
    """Section "HTTP long-polling", sending data."""
    sid = await engine.open_polling()
    is_second_answered = asyncio.Event()

    async def unfinished() -> AsyncIterator[bytes]:
        yield b"4"
        await is_second_answered.wait()
        yield b"hello"

    first = await engine.arrived(engine.post(sid, unfinished()))
    assert (await engine.post(sid, "4hello"))[0] == 400
    is_second_answered.set()
    assert (await first)[0] == 400
    assert (await engine.poll(sid))[0] == 400


async def test_a_cancelled_poll_closes_the_session(engine: Speaker) -> None:
    sid = await engine.open_polling()
    poll = await engine.arrived(engine.poll(sid))
    poll.cancel()

    async def is_closed() -> bool:
        return (await engine.post(sid, "3"))[0] == 400

    await eventually(is_closed)  # long before its heartbeat would notice


async def test_a_message_of_the_announced_size_passes_and_a_larger_one_ends_the_session(engine: Speaker) -> None:
    """Section "Handshake": `maxPayload`."""
    async with engine.opened() as raw:
        await raw.send("4" + "x" * 999_999)
        assert len(await raw.next()) == 1_000_000
        await raw.send("4" + "x" * 1_000_000)
        assert await raw.closed() == 1009
    sid = await engine.open_polling()
    assert (await engine.post(sid, "4" + "x" * 999_999))[0] == 200
    assert len(await engine.polled(sid)) == 1_000_000
    assert (await engine.post(sid, "4" + "x" * 1_000_000))[0] == 413
    assert (await engine.poll(sid))[0] == 400


async def test_a_body_without_length_is_refused_once_it_is_too_large(engine: Speaker) -> None:
    sid = await engine.open_polling()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"4" + b"x" * 65_536

    async with engine.http.post(engine.url(sid), data=endless()) as response:
        assert response.status == 413


async def test_websockets_own_pings_are_answered(engine: Speaker) -> None:
    """RFC 6455, section 5.5.2; Engine.IO's heartbeat is another matter."""
    async with engine.http.ws_connect(engine.url(transport="websocket"), autoping=False) as socket:
        await socket.receive_str()
        await socket.ping(b"are you there")
        while (message := await socket.receive(timeout=PATIENCE_S)).type is not aiohttp.WSMsgType.PONG:
            assert message.data == "2"
        assert message.data == b"are you there"
