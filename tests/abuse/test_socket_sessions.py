"""Opening and ending a session in ways that the protocol does not have, and tokens that open none."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.abuse.conftest import Expect
from tests.abuse.polling import POLLING, is_alive, poll, polling, post
from tests.abuse.target import Account, Target
from tests.abuse.test_http_tokens import Forger, forger
from tests.raw_http import PATIENCE_S, ask, connected, request
from tests.raw_websocket import PATH, connect, handshake, opened, upgrade, welcomed
from tests.waiting import eventually

__all__ = ["forger"]  # a fixture of the tests of tokens, for this module, too


@pytest.mark.parametrize(
    "query",
    [
        "", "EIO=4", "transport=polling", "EIO=3&transport=polling", "EIO=5&transport=polling",
        "EIO=4x&transport=polling", "EIO=04&transport=polling", "EIO=+4&transport=polling",
        "EIO=%D9%A4&transport=polling", "EIO=&transport=polling", "EIO=4&transport=",
        "EIO=4&transport=flashsocket",
        "EIO=4&transport=Polling", "EIO=4&transport=webtransport", "EIO=4&transport=__proto__",
        "EIO=4&transport=polling%00", "EIO=4&transport=../polling", "eio=4&TRANSPORT=polling",
        "EIO=3&transport=websocket", "transport=websocket", "EIO=4&transport=websocket",
        "EIO=4&transport=polling&sid=", "EIO=4&transport=polling&sid=nobody",
        "EIO=4&transport=websocket&sid=nobody",
        "EIO=4&transport=polling&sid=" + "x" * 2000, "EIO=4&transport=polling&sid=%00",
        "EIO=4&transport=polling&sid=..",
        "EIO=4&transport=polling&sid=%0d%0aSet-Cookie:x=1",
    ],
)  # fmt: skip
async def test_a_query_that_opens_nothing(target: Target, query: str, expect: Expect) -> None:
    answer = await ask(target, request("GET", f"/socket.io/?{query}"))
    assert "Set-Cookie" not in answer.headers
    expect(400, answer.status)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
async def test_a_session_is_opened_by_get_alone_not_by(target: Target, method: str, expect: Expect) -> None:
    expect(400, (await ask(target, request(method, POLLING, {}, b"" if method == "POST" else None))).status)


@pytest.mark.parametrize(
    "change",
    [
        {"Sec-WebSocket-Key": ""}, {"Sec-WebSocket-Key": "x"},
        {"Sec-WebSocket-Key": base64.b64encode(bytes(15)).decode()},
        {"Sec-WebSocket-Key": base64.b64encode(bytes(17)).decode()}, {"Sec-WebSocket-Key": "\u00e1" * 22 + "=="},
        {"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Version": "013"}, {"Sec-WebSocket-Version": ""},
        {"Upgrade": "h2c"}, {"Upgrade": ""}, {"Connection": "close"}, {"Connection": "Upgrade-Insecure"},
        {"Content-Length": "5"}, {"Transfer-Encoding": "chunked"},
    ],
    ids=lambda change: ": ".join(*change.items())[:40],
)  # fmt: skip
async def test_a_handshake_that_is_none(target: Target, change: dict[str, str], expect: Expect) -> None:
    expect(400, (await ask(target, upgrade(target, PATH, change) + b"0\r\n\r\n")).status)


async def test_the_same_key_twice_in_a_handshake(target: Target, expect: Expect) -> None:
    head = upgrade(target)
    twice = head.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    expect(400, (await ask(target, twice)).status)


@pytest.mark.parametrize(
    "extension", ["permessage-deflate", "permessage-deflate; server_max_window_bits=0", "x" * 2000]
)
async def test_no_extension_is_agreed_on(target: Target, extension: str, expect: Expect) -> None:
    async with connected(target) as connection:
        await connection.send(upgrade(target, PATH, {"Sec-WebSocket-Extensions": extension}))
        answer = await connection.answer()
    expect((101, False), (answer.status, "Sec-WebSocket-Extensions" in answer.headers))


async def test_frames_right_behind_the_handshake_are_read_as_frames(target: Target, expect: Expect) -> None:
    """They are no second request: nobody smuggles one past a proxy that way."""
    async with connected(target) as connection:
        await connection.send(upgrade(target) + request("GET", "/api/auth/me"))
        answer = await connection.answer()
        rest = await connection.closes(within_s=PATIENCE_S)
    expect((101, False), (answer.status, b"HTTP/1.1" in rest))


# What is another's.


async def test_anothers_session_id_says_nothing_once_it_is_a_websocket(target: Target, expect: Expect) -> None:
    """The id of a WebSocket's session opens nothing: neither a poll nor a post nor an upgrade."""
    victim = target.guest()
    wire = await handshake(target)
    try:
        first = await wire.packet()
        sid = json.loads(str(first)[1:])["sid"]
        wire.say(connect(victim.token))
        await wire.until('42["numbers:value"')
        seen = [(await poll(target, sid)).status, (await post(target, sid, b'42["chat:leave"]')).status]
        seen.append((await ask(target, upgrade(target, f"{PATH}&sid={sid}"))).status)
        assert await wire.ask("numbers:set", {"value": 9}) == {"value": 9}
    finally:
        wire.cut()
    expect([400, 400, 400], seen)


async def test_the_id_of_a_namespace_is_no_session_id(target: Target, expect: Expect) -> None:
    """Everybody may learn it; the other one is a secret."""
    async with opened(target) as wire:
        wire.say(connect(target.guest().token))
        told = json.loads((await wire.until('40{"sid"'))[2:])["sid"]
        seen = [
            (await poll(target, told)).status,
            (await ask(target, upgrade(target, f"{PATH}&sid={told}"))).status,
        ]
    expect([400, 400], seen)


async def test_a_connect_does_not_change_who_somebody_is(target: Target, expect: Expect) -> None:
    ana, rui = target.guest("Ana"), target.guest("Rui")
    sid = await polling(target, ana)
    again = await post(target, sid, connect(rui.token).encode())
    expect((400, False), (again.status, await is_alive(target, sid)))


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_session_that_is_over_stays_over(target: Target, transport: str, expect: Expect) -> None:
    sid = await polling(target, target.guest())
    assert (await post(target, sid, b"1")).status == 200
    path = f"/socket.io/?EIO=4&transport={transport}&sid={sid}"
    data = upgrade(target, path) if transport == "websocket" else request("GET", path)
    expect(400, (await ask(target, data)).status)


# Tokens.


def forged(target: Target, **changes: object) -> str:
    """What another's key has signed."""
    claims = {
        "iss": "pulso", "aud": "pulso", "sub": "u_root", "sid": "s_1", "jti": "1", "name": "Root", "kind": "admin",
        "iat": int(time.time()), "exp": int(time.time()) + 900, **changes,
    }  # fmt: skip
    kid = target.json("/.well-known/jwks.json")["keys"][0]["kid"]
    return jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", {"kid": kid})


@pytest.mark.parametrize(
    "auth",
    [
        "{}", '{"token":null}', '{"token":""}', '{"token":1}', '{"token":[]}', '{"token":{"toString":"x"}}',
        '{"Token":"x"}', '{"token":"x.y.z"}', '{"token":"' + "x" * 60_000 + '"}', '{"user":{"kind":"admin"}}',
        '{"token":"%00"}', '{"token":"Bearer "}',
    ],
    ids=lambda auth: auth[:40],
)  # fmt: skip
async def test_a_connect_with_no_token_of_ours(target: Target, auth: str, expect: Expect) -> None:
    async with opened(target) as wire:
        wire.say("40" + auth)
        expect('44{"message":"unauthorized"}', await wire.packet())


@pytest.mark.parametrize(
    "kind", ["another's key", "no signature", "a byte changed", "cut off", "a cookie instead"]
)
async def test_a_connect_with_a_forged_token(target: Target, kind: str, expect: Expect) -> None:
    rui = target.guest()
    head, claims, signature = rui.token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    token = {
        "another's key": forged(target),
        "no signature": f"{none}.{claims}.",
        "a byte changed": f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "cut off": rui.token[:-4],
        "a cookie instead": rui.cookie.partition("=")[2],
    }[kind]
    async with opened(target) as wire:
        wire.say(connect(token))
        expect('44{"message":"unauthorized"}', await wire.packet())


async def test_the_token_of_a_session_that_has_ended(target: Target, expect: Expect) -> None:
    ana = target.user()
    assert (await ask(target, request("POST", "/api/auth/logout", ana.bearer))).status == 200
    async with opened(target) as wire:
        wire.say(connect(ana.token))
        expect('44{"message":"unauthorized"}', await wire.packet())


async def test_a_client_that_does_not_go_when_its_session_ends(target: Target, expect: Expect) -> None:
    """It is told, is out of the namespace, and the first thing that it says then is its last."""
    ana = target.user()
    async with welcomed(target, ana) as wire:
        assert (await ask(target, request("POST", "/api/auth/logout", ana.bearer))).status == 200
        await wire.until('42["session:ended"')
        await wire.until("41")
        wire.say('427["numbers:set",{"value":5}]')
        expect("closed 1002", str(await wire.packet()))


async def test_more_sockets_than_a_user_may_have(target: Target, expect: Expect) -> None:
    """The eleventh is refused; who closes one may open one."""
    rui = target.guest()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(9):
            await stack.enter_async_context(welcomed(target, rui))
        async with welcomed(target, rui), opened(target) as one_more:
            one_more.say(connect(rui.token))
            refused = await one_more.packet()
        # The gateway hears of the end a moment after it.
        again = await eventually(lambda: _let_in(target, rui))
    expect(('44{"message":"rate_limited"}', True), (refused, again))


async def _let_in(target: Target, who: Account) -> bool:
    async with opened(target) as wire:
        wire.say(connect(who.token))
        return str(await wire.packet()).startswith("40")


async def test_an_id_is_no_path(target: Target, expect: Expect) -> None:
    for sid in ("../../api/auth/me", "%2e%2e%2f", "\u0000", "' OR 1=1 --", "{{7*7}}", "${jndi:ldap://x}"):
        answer = await poll(target, quote(sid, safe="%"))
        assert answer.status == 400, sid
        assert b"49" not in answer.body
    expect(1, json.loads(answer.body)["code"])


async def test_the_token_of_a_real_key_that_has_expired(target: Target, forger: Forger, expect: Expect) -> None:
    seen = []
    for claims in ({"exp": int(time.time()) - 1}, {"exp": int(time.time()) + 900}):
        async with opened(target) as wire:
            wire.say(connect(forger.token(claims=claims)))
            seen.append(str(await wire.packet())[:24])
    expect(['44{"message":"unauthoriz', '40{"sid"'], [seen[0], seen[1][:8]])
