"""Requests that are no HTTP, or that two servers could read in two ways: refused, whole."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import Account, Target
from tests.raw_http import PATIENCE_S, ask, connected, request

FIVE: Final = b'{"value":5}'
CHUNKED: Final = b"b\r\n" + FIVE + b"\r\n0\r\n\r\n"
NOW: Final = b"GET /api/clock/now HTTP/1.1\r\nHost: pulso\r\n"
PIPELINED: Final = 100


@pytest.fixture(scope="module")
def guest(target: Target) -> Account:
    return target.guest()


def setting(guest: Account, headers: bytes, body: bytes, *, version: bytes = b"1.1") -> bytes:
    return (
        b"POST /api/numbers/set HTTP/" + version + b"\r\nHost: pulso\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + guest.token.encode() + b"\r\n" + headers + b"\r\n\r\n" + body
    )  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(b"Content-Length: 11\r\nContent-Length: 5", FIVE, id="two Content-Lengths"),
        pytest.param(b"Content-Length: 11\r\nContent-Length: 11", FIVE, id="the same Content-Length twice"),
        pytest.param(b"Content-Length: 11, 11", FIVE, id="a list of Content-Lengths"),
        pytest.param(b"Content-Length: 11\r\nTransfer-Encoding: chunked", CHUNKED, id="CL and TE"),
        pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 5", CHUNKED, id="TE and CL"),
        pytest.param(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", CHUNKED, id="TE twice"),
        pytest.param(b"Transfer-Encoding: chunked, identity", CHUNKED, id="chunks that are not the last coding"),
        pytest.param(b"Transfer-Encoding: xchunked", CHUNKED, id="a coding that nobody knows"),
        pytest.param(b"Transfer-Encoding : chunked", CHUNKED, id="a space before the colon"),
        pytest.param(b"Transfer-Encoding: \x0bchunked", CHUNKED, id="a control character before the value"),
        pytest.param(b"Transfer-Encoding:\r\n chunked", CHUNKED, id="TE on a folded line"),
        pytest.param(b"Content-Length: +11", FIVE, id="a length with a plus sign"),
        pytest.param(b"Content-Length: -1", FIVE, id="a negative length"),
        pytest.param(b"Content-Length: 0xb", FIVE, id="a hexadecimal length"),
        pytest.param(b"Content-Length: 1_1", FIVE, id="a length with an underscore"),
        pytest.param(b"Content-Length: ", FIVE, id="no length"),
        pytest.param("Content-Length: \u0661\u0661".encode(), FIVE, id="a length in Arabic digits"),
        pytest.param(b"Content-Length: 1" + b"0" * 30, FIVE, id="a length of 31 digits"),
        pytest.param(b"Transfer-Encoding: chunked", b"-1\r\n" + FIVE + b"\r\n0\r\n\r\n", id="a negative chunk"),
        pytest.param(b"Transfer-Encoding: chunked", b"0xb\r\n" + FIVE + b"\r\n0\r\n\r\n", id="a chunk of 0xb"),
        pytest.param(b"Transfer-Encoding: chunked", b"f" * 20 + b"\r\n" + FIVE, id="a chunk of 2^80"),
        pytest.param(b"Transfer-Encoding: chunked", b"5\r\n" + FIVE + b"\r\n0\r\n\r\n", id="a chunk with more"),
        pytest.param(b"Transfer-Encoding: chunked", CHUNKED.replace(b"\r\n", b"\n"), id="chunks with bare LF"),
        pytest.param(b"Transfer-Encoding: chunked", CHUNKED.replace(b"b\r", b"b;x\n\r"), id="LF in an extension"),
        pytest.param(
            b"Transfer-Encoding: chunked", CHUNKED[:-2] + b"Host: evil\r\nContent-Length: 3\r\n\r\n",
            id="a length in the trailers",
        ),
        pytest.param(b"Transfer-Encoding: chunked", CHUNKED[:-2] + b"X: y\r\n" * 9999, id="endless trailers"),
    ],
)  # fmt: skip
async def test_a_body_that_comes_with(
    target: Target, guest: Account, expect: Expect, headers: bytes, body: bytes
) -> None:
    """And what may be another request, in the same breath, is not taken for one."""
    async with connected(target) as connection:
        await connection.send(setting(guest, headers, body) + NOW + b"\r\n")
        expect("400 bad_request", str(await connection.answer()))
        assert await connection.closes(within_s=PATIENCE_S) == b""


async def test_an_expectation_that_nobody_knows_is_refused(target: Target, guest: Account, expect: Expect) -> None:
    expect(
        "400 bad_request", str(await ask(target, setting(guest, b"Expect: miracles\r\nContent-Length: 11", FIVE)))
    )


async def test_chunks_in_http_1_0_are_refused(target: Target, guest: Account, expect: Expect) -> None:
    data = setting(guest, b"Transfer-Encoding: chunked", CHUNKED, version=b"1.0")
    expect("400 bad_request", str(await ask(target, data)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"b;name=value\r\n" + CHUNKED[3:], id="an extension of a chunk"),
        pytest.param(b"b;" + b"x" * 8000 + b"\r\n" + CHUNKED[3:], id="a long extension of a chunk"),
        pytest.param(CHUNKED[:-2] + b"X-Sum: y\r\n\r\n", id="a trailer"),
        pytest.param(b"".join(b"1\r\n%c\r\n" % byte for byte in FIVE) + b"0\r\n\r\n", id="a chunk for each byte"),
    ],
)
async def test_what_is_odd_and_allowed_is_understood(
    target: Target, guest: Account, expect: Expect, body: bytes
) -> None:
    expect(FIVE, (await ask(target, setting(guest, b"Transfer-Encoding: chunked", body))).body)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(NOW + b"X: a\r\n b\r\n\r\n", id="a folded header"),
        pytest.param(NOW[:-2] + b"\r\n X: a\r\n\r\n", id="a space before a header"),
        pytest.param(NOW.replace(b"\r\n", b"\n") + b"\n", id="bare LF after every line"),
        pytest.param(NOW + b"X: a\nY: b\r\n\r\n", id="bare LF between two headers"),
        pytest.param(NOW + b"X: a\rY: b\r\n\r\n", id="bare CR between two headers"),
        pytest.param(NOW + b"X: a\0b\r\n\r\n", id="NUL in a header"),
        pytest.param(NOW + b"X Y: z\r\n\r\n", id="a space in a header's name"),
        pytest.param(NOW + b"Nonsense\r\n\r\n", id="a header without a colon"),
        pytest.param(NOW + b": z\r\n\r\n", id="a header without a name"),
        pytest.param(NOW + b"X: " + b"x" * 32_768 + b"\r\n\r\n", id="one header of 32 KB"),
        pytest.param(NOW + b"X: %s\r\n" % (b"x" * 1000) * 40 + b"\r\n", id="40 headers of 1 KB"),
        pytest.param(NOW + b"X: y\r\n" * 10_000 + b"\r\n", id="10,000 headers"),
        pytest.param(NOW + b"Cookie: " + b"a=b; " * 6500 + b"\r\n\r\n", id="cookies of 32 KB"),
        pytest.param(b"GET /" + b"a" * 32_768 + b" HTTP/1.1\r\nHost: pulso\r\n\r\n", id="an address of 32 KB"),
        pytest.param(NOW + b"Host: evil.example\r\n\r\n", id="two Hosts"),
        pytest.param(b"GET /api/clock/now HTTP/1.1\r\n\r\n", id="no Host"),
        pytest.param(NOW.replace(b"pulso", b"") + b"\r\n", id="an empty Host"),
        pytest.param(NOW.replace(b"pulso", b"a/b?c@d") + b"\r\n", id="a Host with a path in it"),
        pytest.param(NOW.replace(b"pulso", b"a@evil.example") + b"\r\n", id="a Host with a user in it"),
        pytest.param(NOW.replace(b"pulso", b'"><script>') + b"\r\n", id="a Host of markup"),
        pytest.param(NOW.replace(b"pulso", b"pulso:http") + b"\r\n", id="a Host with a port that is none"),
        pytest.param(b"GET /\r\n\r\n", id="HTTP/0.9"),
        pytest.param(NOW.replace(b"1.1", b"0.9") + b"\r\n", id="HTTP/0.9 that says so"),
        pytest.param(NOW.replace(b"1.1", b"1.2") + b"\r\n", id="HTTP/1.2"),
        pytest.param(NOW.replace(b"1.1", b"9.9") + b"\r\n", id="HTTP/9.9"),
        pytest.param(NOW.replace(b"HTTP", b"HTML") + b"\r\n", id="HTML/1.1"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2 from the first byte on"),
        pytest.param(NOW.replace(b" /", b" http://evil.example/") + b"\r\n", id="the address of another host"),
        pytest.param(NOW.replace(b" /", b" ftp://pulso/") + b"\r\n", id="an address of another scheme"),
        pytest.param(NOW.replace(b" /", b" api/") + b"\r\n", id="a path without its slash"),
        pytest.param(NOW.replace(b"now", b"now now") + b"\r\n", id="a space in the address"),
        pytest.param(NOW.replace(b"now", b"\xff\xfe") + b"\r\n", id="bytes in the address"),
        pytest.param(NOW.replace(b"now", b"\0") + b"\r\n", id="NUL in the address"),
        pytest.param(NOW.replace(b" ", b"\t") + b"\r\n", id="tabs for spaces"),
        pytest.param(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", id="CONNECT"),
        pytest.param(b"TRACK / HTTP/1.1\r\nHost: pulso\r\n\r\n", id="TRACK"),
        pytest.param(b"GET\0 / HTTP/1.1\r\nHost: pulso\r\n\r\n", id="a method with NUL in it"),
        pytest.param(NOW.lower() + b"\r\n", id="a method in lower case"),
        pytest.param(b"A" * 10_000 + b" / HTTP/1.1\r\nHost: pulso\r\n\r\n", id="a method of 10 KB"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n\r\n", id="SSH"),
        pytest.param(b"*1\r\n$4\r\nPING\r\n\r\n", id="Redis"),
        pytest.param(bytes(range(256)) * 100, id="all bytes there are"),
    ],
)
async def test_what_is_no_request(target: Target, expect: Expect, data: bytes) -> None:
    expect("400 bad_request", str(await ask(target, data)))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "MKCOL"])
async def test_there_is_nothing_to_do_with(target: Target, guest: Account, expect: Expect, method: str) -> None:
    for path in ("/", "/api/numbers/set", "/api/auth/me", "/static/x", "/assets/js/socket.js"):
        answer = await ask(target, request(method, path, guest.bearer))
        assert str(answer) == "404 not_found"
        assert not any(name.startswith("Access-Control") for name in answer.headers)
    expect("404 not_found", str(answer))


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_a_get_stays_a_get_whatever_it_says_in(
    target: Target, guest: Account, expect: Expect, header: str
) -> None:
    path = "/api/numbers/set?value=5&_method=POST"
    expect("404 not_found", str(await ask(target, request("GET", path, {**guest.bearer, header: "POST"}))))


async def test_an_upgrade_to_http_2_is_passed_over(target: Target, expect: Expect) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    expect(200, (await ask(target, NOW + upgrade)).status)


async def test_a_hundred_requests_sent_at_once_are_answered_in_their_order(
    target: Target, guest: Account, expect: Expect
) -> None:
    asked = [request("GET", f"/api/numbers/fibonacci?n={n}", guest.bearer) for n in range(PIPELINED)]
    async with connected(target) as connection:
        await connection.send(b"".join(asked))
        answers = [(await connection.answer()).json["n"] for _ in asked]
    expect(f"{PIPELINED} in order", f"{len(answers)} in order" if answers == sorted(answers) else answers)


async def test_who_goes_after_a_hundred_requests_leaves_nothing_undone(target: Target, guest: Account) -> None:
    async with connected(target) as connection:
        await connection.send(request("GET", "/api/numbers/fibonacci?n=9999", guest.bearer) * PIPELINED)
        connection.abort()


async def test_five_hundred_connections_that_say_nothing_keep_nobody_out(target: Target, expect: Expect) -> None:
    opened = [await asyncio.open_connection(target.host, target.port) for _ in range(500)]
    answer = await ask(target, NOW + b"\r\n")
    for _, writer in opened:
        writer.close()
    expect(200, answer.status)
