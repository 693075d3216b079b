"""Whose page opens the socket: with a cookie only ours may, and a program comes with a token and no cookie."""

from __future__ import annotations

import json

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import Account, Target
from tests.raw_http import ask, request
from tests.raw_websocket import Closed, Wire, connect, opened

REFUSED = "unauthorized"
LET_IN = "let in"

# {host} is the target's own host and port, {port} the port alone.
FOREIGN = {
    "null, of a sandboxed frame": "null",
    "NULL": "NULL",
    "empty": "",
    "another host": "http://evil.example",
    "another host on our port": "http://evil.example:{port}",
    "https instead of http": "https://{host}",
    "ws instead of http": "ws://{host}",
    "no scheme": "{host}",
    "only two slashes": "//{host}",
    "no port": "http://127.0.0.1",
    "another port": "http://127.0.0.1:1",
    "a port with a digit more": "http://{host}0",
    "a port with a zero before": "http://127.0.0.1:0{port}",
    "an empty port": "http://127.0.0.1:",
    "another loopback address": "http://127.0.0.2:{port}",
    "the same machine by name": "http://localhost:{port}",
    "the same address in IPv6": "http://[::ffff:127.0.0.1]:{port}",
    "the same address as a number": "http://2130706433:{port}",
    "ours as the user of another host": "http://{host}@evil.example",
    "a user of ours": "http://ana@{host}",
    "ours as a subdomain of another": "http://{host}.evil.example",
    "ours behind another name": "http://evil.example.{host}",
    "ours behind a hyphen": "http://evil-{host}",
    "a trailing dot": "http://127.0.0.1.:{port}",
    "a slash at the end": "http://{host}/",
    "a path": "http://{host}/numbers",
    "a query with ours in it": "http://evil.example?http://{host}",
    "a fragment with ours in it": "http://evil.example#{host}",
    "a backslash": "http://evil.example\\@{host}",
    "two of them in one": "http://evil.example http://{host}",
    "two of them with a comma": "http://{host}, http://evil.example",
    "a tab before ours": "http://\t{host}",
    "digits of another script": "http://\u0661\u0662\u0667.0.0.1:{port}",
    "a full stop of another script": "http://127\u30020\u30020\u30021:{port}",
    "an international name": "http://puls\u043e.example:{port}",
    "ours with a letter that looks like a digit": "http://\u04067.0.0.1:{port}",
    "punycode": "http://xn--127-0-0-1:{port}",
    "upper-case, another host": "HTTP://EVIL.EXAMPLE",
    "a file": "file://",
    "a browser extension": "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    "a data URL": "data:text/html,x",
    "a wildcard": "*",
}


def filled(origin: str, target: Target) -> str:
    return origin.format(host=f"{target.host}:{target.port}", port=target.port)


async def let_in(wire: Wire) -> str:
    """What the CONNECT was answered with."""
    packet = await wire.packet()
    if isinstance(packet, Closed):
        return str(packet)
    text = str(packet)
    return LET_IN if text.startswith('40{"sid"') else str(json.loads(text[2:])["message"])


@pytest.fixture
def rui(target: Target) -> Account:
    return target.guest()


@pytest.mark.parametrize("origin", FOREIGN.values(), ids=FOREIGN)
async def test_a_cookie_from_a_page_that_is_not_ours(
    target: Target, rui: Account, origin: str, expect: Expect
) -> None:
    headers = {"Origin": filled(origin, target), "Cookie": rui.cookie}
    async with opened(target, headers=headers) as wire:
        wire.say("40")
        expect(REFUSED, await let_in(wire))


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://{host}"])
async def test_a_token_and_a_cookie_from_a_page_that_is_not_ours(
    target: Target, rui: Account, origin: str, expect: Expect
) -> None:
    headers = {"Origin": filled(origin, target), "Cookie": rui.cookie}
    async with opened(target, headers=headers) as wire:
        wire.say(connect(rui.token))
        expect(REFUSED, await let_in(wire))


@pytest.mark.parametrize(
    ("headers", "token", "expected"),
    [
        pytest.param({}, True, LET_IN, id="a token, no cookie"),
        pytest.param({}, False, REFUSED, id="nothing at all"),
        pytest.param({"Cookie": ""}, True, LET_IN, id="a token, an empty cookie header"),
        pytest.param({"Cookie": "{cookie}"}, True, REFUSED, id="a token and a cookie"),
        pytest.param({"Cookie": "{cookie}"}, False, REFUSED, id="a cookie alone"),
        pytest.param({"Cookie": "{cookie}", "Sec-Fetch-Site": "cross-site"}, False, REFUSED, id="cross-site"),
        pytest.param({"Cookie": "{cookie}", "Sec-Fetch-Site": "same-site"}, False, REFUSED, id="same-site"),
        pytest.param({"Cookie": "{cookie}", "Sec-Fetch-Site": "none"}, False, REFUSED, id="none"),
        pytest.param({"Cookie": "{cookie}", "Referer": "http://{host}/"}, False, REFUSED, id="a referer of ours"),
        pytest.param({"Cookie": "{cookie}", "X-Forwarded-Host": "{host}"}, False, REFUSED, id="forwarded host"),
        pytest.param(
            {"Cookie": "{cookie}", "Sec-WebSocket-Origin": "http://{host}"}, False, REFUSED, id="old name"
        ),
    ],
)
async def test_without_an_origin(
    target: Target, rui: Account, headers: dict[str, str], token: bool, expected: str, expect: Expect
) -> None:
    host = f"{target.host}:{target.port}"
    sent = {name: value.format(cookie=rui.cookie, host=host) for name, value in headers.items()}
    async with opened(target, headers=sent) as wire:
        wire.say(connect(rui.token) if token else "40")
        expect(expected, await let_in(wire))


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
async def test_polling_with_a_cookie_from_a_page_that_is_not_ours(
    target: Target, rui: Account, origin: str, expect: Expect
) -> None:
    path = "/socket.io/?EIO=4&transport=polling"
    headers = {"Origin": origin, "Cookie": rui.cookie}
    first = await ask(target, request("GET", path, headers))
    path += f"&sid={json.loads(first.body[1:])['sid']}"
    ours = {"Origin": target.url, "Cookie": rui.cookie}  # too late: who opened it is who is asked
    assert (await ask(target, request("POST", path, ours, b"40"))).status == 200
    said = await ask(target, request("GET", path, ours))
    assert "Access-Control-Allow-Origin" not in first.headers
    expect(f'44{{"message":"{REFUSED}"}}', said.body.decode())


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param("Origin: http://evil.example\r\nOrigin: {own}\r\n", id="another and ours"),
        pytest.param("Origin: {own}\r\nOrigin: http://evil.example\r\n", id="ours and another"),
        pytest.param("Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n", id="two fetch sites"),
        pytest.param("Origin: {own}\r\n Origin: http://evil.example\r\n", id="folded"),
    ],
)
async def test_two_opinions_about_the_origin(target: Target, rui: Account, headers: str, expect: Expect) -> None:
    lines = headers.format(own=target.url) + f"Cookie: {rui.cookie}\r\n"
    head = (
        f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
    expect(400, (await ask(target, head.encode())).status)


async def test_a_page_of_ours_with_a_cookie(target: Target, rui: Account, expect: Expect) -> None:
    async with opened(target, headers={"Origin": target.url, "Cookie": rui.cookie}) as wire:
        wire.say("40")
        expect(LET_IN, await let_in(wire))
