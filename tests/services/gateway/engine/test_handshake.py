"""Engine.IO protocol, section "Handshake": who gets a session, and how everybody else is refused."""

from __future__ import annotations

import json

import aiohttp
import pytest

from tests.services.gateway.engine.conftest import Speaker

PATHS = ["/engine.io/", "/socket.io/"]
EXPECTED = {"pingInterval": 60_000, "pingTimeout": 60_000, "maxPayload": 1_000_000}


@pytest.mark.parametrize("path", PATHS)
async def test_polling_opens_a_session_that_may_upgrade(http: aiohttp.ClientSession, path: str) -> None:
    status, body = await Speaker(http, path).poll()
    assert status == 200
    assert body[0] == "0"
    handshake = json.loads(body[1:])
    assert isinstance(handshake.pop("sid"), str)
    assert handshake == {"upgrades": ["websocket"], **EXPECTED}


@pytest.mark.parametrize("path", PATHS)
async def test_a_websocket_opens_a_session_that_needs_no_upgrade(http: aiohttp.ClientSession, path: str) -> None:
    async with Speaker(http, path).websocket() as raw:
        first = await raw.next()
        handshake = json.loads(first[1:])
        assert isinstance(handshake.pop("sid"), str)
        assert handshake == {"upgrades": [], **EXPECTED}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", 0),
        ("EIO=4", 0),
        ("EIO=4&transport=abc", 0),
        ("EIO=4&transport=", 0),
        ("transport=polling", 5),
        ("EIO=3&transport=polling", 5),
        ("EIO=abc&transport=polling", 5),
        ("transport=websocket", 5),
        ("EIO=4&transport=websocket", 3),
        ("EIO=4&transport=polling&sid=nobody", 1),
        ("EIO=4&transport=websocket&sid=nobody", 1),
        ("EIO=4&transport=polling&sid=", 1),
    ],
)
async def test_a_wrong_query_is_refused(http: aiohttp.ClientSession, query: str, code: int) -> None:
    for path in PATHS:
        async with http.get(f"{path}?{query}") as response:
            assert response.status == 400
            assert (await response.json())["code"] == code


@pytest.mark.parametrize("version", ["", "EIO=3&", "EIO=abc&"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_each_request_names_the_version(engine: Speaker, method: str, version: str) -> None:
    """Section "HTTP long-polling", query parameters: it is mandatory. The session lives."""
    sid = await engine.open_polling()
    url = f"{engine.path}?{version}transport=polling&sid={sid}"
    async with engine.http.request(method, url, data="4x" if method == "POST" else None) as response:
        assert response.status == 400
        assert (await response.json())["code"] == 5
    await engine.post(sid, "4hello")
    assert await engine.polled(sid) == "4hello"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
async def test_a_session_is_asked_by_get_and_post_alone(engine: Speaker, method: str) -> None:
    sid = await engine.open_polling()
    async with engine.http.request(method, engine.url(sid)) as response:
        assert response.status == 400
    async with engine.http.post(engine.url(sid, transport="websocket")) as response:
        assert (await response.json())["code"] == 2
    await engine.post(sid, "4hello")
    assert await engine.polled(sid) == "4hello"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_only_get_opens_a_session(http: aiohttp.ClientSession, method: str) -> None:
    for path in PATHS:
        async with http.request(method, f"{path}?EIO=4&transport=polling") as response:
            assert response.status == 400
            assert (await response.json())["code"] == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"},
        {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="},
        {"Upgrade": "h2c", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
        {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="},
    ],
)
async def test_what_is_no_websocket_handshake_is_refused(
    http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    """RFC 6455, section 4.2.1."""
    async with http.get("/engine.io/?EIO=4&transport=websocket", headers=headers) as response:
        assert response.status == 400


async def test_pages_of_any_origin_are_let_in(http: aiohttp.ClientSession) -> None:
    headers = {"Origin": "http://ana.example"}
    async with http.get("/engine.io/?EIO=4&transport=polling", headers=headers) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    asked = {**headers, "Access-Control-Request-Headers": "x-mine"}
    async with http.options("/engine.io/?EIO=4&transport=polling", headers=asked) as response:
        assert response.status == 204
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert response.headers["Access-Control-Allow-Headers"] == "x-mine"
