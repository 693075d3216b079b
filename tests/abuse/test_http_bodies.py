"""Bodies that are no request, or only look like one; and query values that are no numbers."""

from __future__ import annotations

import gzip
import zlib
from typing import Final
from urllib.parse import quote

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import Account, Target
from tests.raw_http import ask, post, request

SET: Final = "/api/numbers/set"
FIVE: Final = b'{"value":5}'
KIB_64: Final = 64 * 1024


@pytest.fixture(scope="module")
def guest(target: Target) -> Account:
    return target.guest()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[]", id="an array"),
        pytest.param(b"null", id="null, which stands for an empty object"),
        pytest.param(b"true", id="a boolean"),
        pytest.param(b"7", id="a number"),
        pytest.param(b'"x"', id="a string"),
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"value":"5"}', id="a number as text"),
        pytest.param(b'{"value":null}', id="null for a number"),
        pytest.param(b'{"value":true}', id="true for a number"),
        pytest.param(b'{"value":[5]}', id="an array for a number"),
        pytest.param(b'{"value":5.0}', id="a float for an integer"),
        pytest.param(b'{"value":5e0}', id="an exponent for an integer"),
        pytest.param(b'{"value":5,"admin":true}', id="a field that nobody knows"),
        pytest.param(b'{"value":5,"__proto__":{"kind":"admin"}}', id="__proto__"),
        pytest.param(b'{"value":1,"value":"x"}', id="a key twice, the last one wrong"),
        pytest.param(b'{"value":"x","value":1}', id="a key twice, the first one wrong"),
        pytest.param(b'{"value":' + b"[" * 30_000 + b"]" * 30_000 + b"}", id="30,000 arrays within each other"),
        pytest.param(b'{"x":' * 10_000 + b"1" + b"}" * 10_000, id="10,000 objects within each other"),
        pytest.param(b"[" * KIB_64, id="64 KiB of opening brackets"),
        pytest.param(b'{"value":NaN}', id="NaN"),
        pytest.param(b'{"value":Infinity}', id="Infinity"),
        pytest.param(b'{"value":1e999}', id="1e999"),
        pytest.param(b'{"value":-1e999}', id="-1e999"),
        pytest.param(b'{"value":9223372036854775808}', id="2^63"),
        pytest.param(b'{"value":-9223372036854775809}', id="-2^63 - 1"),
        pytest.param(b'{"value":18446744073709551616}', id="2^64"),
        pytest.param(b'{"value":1' + b"0" * 60_000 + b"}", id="a number of 60,001 digits"),
        pytest.param(b'{"value":"\xff\xfe"}', id="invalid UTF-8"),
        pytest.param(b'{"\xc0\xaf":5}', id="overlong UTF-8 in a key"),
        pytest.param(b'{"value":"\xed\xa0\x80"}', id="a surrogate in UTF-8"),
        pytest.param(b'{"value":"\\ud800"}', id="a lone surrogate"),
        pytest.param('{"value":5}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'\xef\xbb\xbf{"value":5}', id="a byte order mark"),
        pytest.param(b'{"value":5}x', id="something behind the end"),
        pytest.param(b'{"value":5}\0', id="NUL behind the end"),
        pytest.param(b'{"value":5}{"value":6}', id="two values"),
        pytest.param(b'{"value":5/**/}', id="a comment"),
        pytest.param(b"{'value':5}", id="single quotation marks"),
        pytest.param('{"value":\uff15}'.encode(), id="a digit of another script"),
        pytest.param(bytes(range(256)), id="all bytes there are"),
    ],
)
async def test_a_body_that_is_no_request(target: Target, guest: Account, expect: Expect, body: bytes) -> None:
    expect("400 bad_request", str(await ask(target, post(SET, body, guest.bearer))))


async def test_of_a_key_that_is_there_twice_the_last_counts(
    target: Target, guest: Account, expect: Expect
) -> None:
    expect(b'{"value":2}', (await ask(target, post(SET, b'{"value":1,"value":2}', guest.bearer))).body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000, id="100,000 arrays within each other"),
        pytest.param(b'{"x":' * 100_000, id="100,000 objects within each other"),
        pytest.param(b" " * (KIB_64 - len(FIVE) + 1) + FIVE, id="one byte more than 64 KiB"),
    ],
)
async def test_a_body_of_more_than_64_kib(target: Target, guest: Account, expect: Expect, body: bytes) -> None:
    expect("413 too_large", str(await ask(target, post(SET, body, guest.bearer))))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param(b'"' + b"x" * 70 + b'\xff"', 400, id="invalid UTF-8"),
        pytest.param(b'"a\\u0000b"', 400, id="NUL"),
        pytest.param(b'"a\\ud800"', 400, id="a lone surrogate"),
        pytest.param(b'"\\u202egnp"', 400, id="a right-to-left override"),
        pytest.param(b'"<img src=x onerror=alert(1)>"', 200, id="markup, which is a text like any other"),
    ],
)
async def test_a_name_of(target: Target, expect: Expect, text: bytes, status: int) -> None:
    expect(status, (await ask(target, post("/api/auth/guest", b'{"name":' + text + b"}"))).status)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("gzip", gzip.compress(FIVE), id="gzip"),
        pytest.param("gzip", gzip.compress(bytes(50_000_000)), id="gzip, a bomb of 50 MB"),
        pytest.param("gzip", gzip.compress(gzip.compress(bytes(50_000_000))), id="gzip of a bomb in gzip"),
        pytest.param("gzip", b"\x1f\x8b\x08not gzip at all", id="gzip that is none"),
        pytest.param("x-gzip", gzip.compress(FIVE), id="gzip under its old name"),
        pytest.param("gzip, gzip", gzip.compress(gzip.compress(FIVE)), id="gzip twice"),
        pytest.param("deflate", zlib.compress(FIVE), id="deflate"),
        pytest.param("br", b"\x0b\x05\x80" + FIVE + b"\x03", id="brotli"),
        pytest.param("zstd", b"\x28\xb5\x2f\xfd", id="zstd"),
        pytest.param("nonsense", FIVE, id="a coding that nobody knows"),
    ],
)
async def test_a_compressed_body_is_refused_unopened(
    target: Target, guest: Account, expect: Expect, coding: str, body: bytes
) -> None:
    answer = await ask(target, post(SET, body, {**guest.bearer, "Content-Encoding": coding}))
    expect("400 bad_request", str(answer))
    assert "uncompressed" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("text/plain", id="text/plain, as a form of another site can send it"),
        pytest.param("application/x-www-form-urlencoded", id="a form"),
        pytest.param("multipart/form-data; boundary=x", id="a multipart form"),
        pytest.param("text/json", id="text/json"),
        pytest.param("application/json-seq", id="another kind of JSON"),
        pytest.param("application/json, text/plain", id="two types"),
        pytest.param("text/plain; application/json", id="JSON as a parameter only"),
        pytest.param("", id="no type"),
    ],
)
async def test_json_as(target: Target, guest: Account, expect: Expect, content_type: str) -> None:
    for headers in (guest.bearer, {"Cookie": guest.cookie}):
        answer = await ask(target, post(SET, FIVE, {**headers, "Content-Type": content_type}))
        assert str(answer) == "400 bad_request"
    expect("400 bad_request", str(answer))


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("n=" + quote("\u0661\u0662"), id="Arabic digits"),
        pytest.param("n=" + quote("\uff11\uff12"), id="digits of double width"),
        pytest.param("n=1_0", id="an underscore between digits"),
        pytest.param("n=%2B5", id="a plus sign"),
        pytest.param("n=%205", id="a space"),
        pytest.param("n=1e1", id="an exponent"),
        pytest.param("n=0x10", id="hexadecimal"),
        pytest.param("n=nan", id="nan"),
        pytest.param("n=" + "9" * 5000, id="5,000 digits"),
        pytest.param("n=", id="nothing"),
        pytest.param("n", id="no value"),
        pytest.param("n=1&n=2", id="two values"),
        pytest.param("n[]=1", id="an array as PHP has it"),
        pytest.param("n%5B$gt%5D=1", id="an operator as MongoDB has it"),
        pytest.param("n=1&__proto__[x]=1", id="__proto__"),
        pytest.param("n=1;m=2", id="a semicolon"),
        pytest.param("n=%00", id="NUL"),
        pytest.param("n=%ff%fe", id="invalid UTF-8"),
        pytest.param("n=%ed%a0%80", id="a surrogate"),
        pytest.param("n=%zz", id="a broken escape"),
        pytest.param("n=1%0d%0aX:y", id="a line break"),
        pytest.param("&".join(f"x{i}=1" for i in range(1200)), id="1,200 values"),
    ],
)
async def test_a_query_of(target: Target, guest: Account, expect: Expect, query: str) -> None:
    answer = await ask(target, request("GET", f"/api/numbers/fibonacci?{query}", guest.bearer))
    expect("400 bad_request", str(answer))
