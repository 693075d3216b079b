"""Engine.IO protocol, sections "Packet types" (close) and "Upgrade"."""

from __future__ import annotations

import aiohttp
import pytest

from services.gateway.engine import entry
from tests.services.gateway.engine.conftest import Raw, Speaker


async def test_a_polling_client_closes_its_session(engine: Speaker) -> None:
    """Its waiting poll ends with a noop."""
    sid = await engine.open_polling()
    poll = await engine.arrived(engine.poll(sid))
    assert await engine.post(sid, "1") == (200, "ok")
    assert await poll == (200, "6")
    assert (await engine.poll(sid))[0] == 400
    assert (await engine.post(sid, "4late"))[0] == 400


async def test_what_follows_the_close_in_a_payload_is_ignored(engine: Speaker) -> None:
    sid = await engine.open_polling()
    assert await engine.post(sid, "1\x1e4after\x1enonsense") == (200, "ok")
    assert (await engine.poll(sid))[0] == 400


@pytest.mark.parametrize("path", ["/engine.io/", "/socket.io/"])
async def test_a_websocket_client_closes_its_session(http: aiohttp.ClientSession, path: str) -> None:
    async with Speaker(http, path).opened() as raw:
        await raw.send("1")
        assert await raw.closed() == 1000


async def test_packets_after_the_close_are_ignored(engine: Speaker) -> None:
    async with engine.opened() as raw:
        for packet in ("4before", "1", "4after", "nonsense"):
            await raw.send(packet)
        assert await raw.next() == "4before"
        assert await raw.closed() == 1000


async def test_a_close_frame_is_answered(engine: Speaker) -> None:
    """RFC 6455, section 5.5.1."""
    async with engine.opened() as raw:
        assert await raw.socket.close(code=4001)
        assert raw.socket.close_code in {1000, 4001}


async def upgraded(raw: Raw) -> None:
    await raw.send("2probe")
    assert await raw.next() == "3probe"
    await raw.send("5")


async def test_polling_upgrades_to_a_websocket(engine: Speaker) -> None:
    sid = await engine.open_polling()
    waiting = await engine.arrived(engine.poll(sid))
    async with engine.websocket(sid) as raw:
        await raw.send("2probe")
        assert await raw.next() == "3probe"
        assert await waiting == (200, "6")
        assert await engine.poll(sid) == (200, "6")  # until the upgrade no poll has to wait
        await raw.send("5")
        await raw.send("4hello")
        assert await raw.next() == "4hello"


async def test_what_no_poll_has_fetched_follows_by_websocket_in_order(engine: Speaker) -> None:
    sid = await engine.open_polling()
    await engine.post(sid, "4one\x1ebAg==")
    async with engine.websocket(sid) as raw:
        await upgraded(raw)
        await raw.send("4three")
        assert [await raw.next() for _ in range(3)] == ["4one", b"\x02", "4three"]


@pytest.mark.parametrize("path", ["/engine.io/", "/socket.io/"])
async def test_http_requests_after_the_upgrade_are_refused(http: aiohttp.ClientSession, path: str) -> None:
    speaker = Speaker(http, path)
    sid = await speaker.open_polling()
    async with speaker.websocket(sid) as raw:
        await upgraded(raw)
        assert (await speaker.poll(sid))[0] == 400
        assert (await speaker.post(sid, "4x"))[0] == 400
        assert raw.socket.closed is False


async def test_a_second_websocket_is_refused_and_the_first_lives(engine: Speaker) -> None:
    sid = await engine.open_polling()
    async with engine.websocket(sid) as raw:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await engine.http.ws_connect(engine.url(sid, transport="websocket"))
        await upgraded(raw)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await engine.http.ws_connect(engine.url(sid, transport="websocket"))
        await raw.send("4hello")
        assert await raw.next() == "4hello"


async def test_a_session_that_began_as_websocket_has_no_polls(engine: Speaker) -> None:
    async with engine.websocket() as raw:
        sid = (await raw.next()).split('"')[3]
        assert (await engine.poll(sid))[0] == 400
        await raw.send("4hello")
        assert await raw.next() == "4hello"


@pytest.mark.parametrize("packet", ["5", "4hello", "2", "2other", b"\x01"])
async def test_a_websocket_that_does_not_probe_is_closed_and_polling_goes_on(
    engine: Speaker, packet: str | bytes
) -> None:
    sid = await engine.open_polling()
    async with engine.websocket(sid) as raw:
        await raw.send(packet)
        assert await raw.closed() == 1002
    await engine.post(sid, "4hello")
    assert await engine.polled(sid) == "4hello"


async def test_a_websocket_that_does_not_take_over_in_time_is_closed_and_polling_goes_on(
    engine: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "UPGRADE_WITHIN_S", 0.1)
    sid = await engine.open_polling()
    async with engine.websocket(sid) as raw:
        await raw.send("2probe")
        assert await raw.next() == "3probe"
        assert await raw.closed() == 1000
    await engine.post(sid, "4hello")
    assert await engine.polled(sid) == "4hello"


async def test_a_websocket_lost_while_probing_leaves_the_session_to_polling(engine: Speaker) -> None:
    sid = await engine.open_polling()
    async with engine.websocket(sid) as raw:
        await raw.send("2probe")
        assert await raw.next() == "3probe"
    await engine.post(sid, "4hello")
    assert await engine.polled(sid) == "4hello"


async def test_a_session_closed_while_probing_closes_the_websocket(engine: Speaker) -> None:
    sid = await engine.open_polling()
    async with engine.websocket(sid) as raw:
        await engine.post(sid, "1")
        assert await raw.closed() == 1000
