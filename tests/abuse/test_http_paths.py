"""Addresses that lead out of their folder, and ranges that make work: served is what is meant to be."""

from __future__ import annotations

from typing import Final

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import Target
from tests.abuse.test_http_uploads import PNG, upload
from tests.raw_http import ask, request

SCRIPT: Final = "/assets/js/socket.js"
WAYS_OUT: Final = {
    "..%2f": "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "..%5c": "..%5c..%5cetc%5cpasswd",
    "%2e%2e": "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "../": "../../../../etc/passwd",
    "escaped twice": "%252e%252e%252f%252e%252e%252fetc%252fpasswd",
    "overlong UTF-8": "%c0%ae%c0%ae%c0%afetc%c0%afpasswd",
    "dots of double width": "%ef%bc%8e%ef%bc%8e/etc/passwd",
    "....//": "....//....//etc/passwd",
    "an absolute path": "/etc/passwd",
    "an escaped absolute path": "%2fetc%2fpasswd",
    "a scheme": "file:///etc/passwd",
    "NUL": "x%00.png",
    "NUL behind a real name": "js/socket.js%00.html",
    "a parameter": "js/socket.js;.png",
    "a hidden file": ".git/config",
    "a folder": "js/",
    "a name of 300 characters": "a" * 300,
    "1,000 folders": "a/" * 1000,
    "bytes": "%ff%fe",
    "the frontend's templates": "..%2ftemplates%2fbase.html",
    "our own source": "..%2f..%2f..%2f..%2fservices%2fsettings.py",
}


@pytest.mark.parametrize(
    "root", ["/static/", "/assets/", "/docs/", "/"], ids=["static", "assets", "docs", "pages"]
)
@pytest.mark.parametrize("way", WAYS_OUT.values(), ids=WAYS_OUT)
async def test_there_is_no_way_out_by(target: Target, expect: Expect, root: str, way: str) -> None:
    answer = await ask(target, request("GET", root + way))
    assert b"root:" not in answer.body
    expect("404 not_found", str(answer))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/api/..%2fauth/me", id="../ within the API"),
        pytest.param("/api/auth/../auth/me", id="a path that goes round"),
        pytest.param("/api/auth%2fme", id="an escaped slash"),
        pytest.param("//api/auth/me", id="two slashes"),
        pytest.param("/api/auth/me/", id="a slash at the end"),
        pytest.param("/API/auth/me", id="capitals"),
        pytest.param("/api/auth/resolve", id="what services alone may ask"),
        pytest.param("/api/auth/promote", id="what the command line alone may ask"),
        pytest.param("/api/__proto__/constructor", id="__proto__"),
        pytest.param("/socket.io/../api/auth/me", id="../ out of the socket's path"),
        pytest.param("/.env", id=".env"),
        pytest.param("/.git/HEAD", id=".git"),
        pytest.param("/metrics", id="the ops port's metrics"),
    ],
)
async def test_there_is_nothing_at(target: Target, expect: Expect, path: str) -> None:
    account = target.guest()
    seen = {str(await ask(target, request(method, path, account.bearer))) for method in ("GET", "POST")}
    expect({"404 not_found"}, seen)


async def test_nobody_serves_a_file_that_is_under_way_or_a_link(target: Target, expect: Expect) -> None:
    link = target.uploads / "chat-link.png"
    link.symlink_to(target.data / "auth.sqlite3")
    (target.uploads / ".chat-begun").write_bytes(b"begun")
    seen = {(await ask(target, request("GET", f"/static/{name}"))).status for name in (link.name, ".chat-begun")}
    link.unlink()
    (target.uploads / ".chat-begun").unlink()
    expect({404}, seen)


@pytest.fixture
async def uploaded(target: Target) -> str:
    answer = await ask(target, upload(target.user(), 'filename="a.png"', PNG + bytes(10_000)))
    return str(answer.json["links"][0])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param("bytes=" + ",".join(f"{n}-{n}" for n in range(1000)), "416, 0 bytes", id="1,000 ranges"),
        pytest.param("bytes=0-,0-,0-,0-,0-", "416, 0 bytes", id="the whole file five times"),
        pytest.param("bytes=0-0,2-2", "416, 0 bytes", id="two ranges"),
        pytest.param("bytes=99999999-", "416, 0 bytes", id="behind the end"),
        pytest.param("bytes=18446744073709551616-", "416, 0 bytes", id="behind 2^64"),
        pytest.param("bytes=5-1", "416, 0 bytes", id="backwards"),
        pytest.param("bytes=--1", "416, 0 bytes", id="two minus signs"),
        pytest.param("items=0-1", "416, 0 bytes", id="a unit that nobody knows"),
        pytest.param("bytes=0-0", "206, 1 bytes", id="one byte"),
        pytest.param("bytes=-1", "206, 1 bytes", id="the last byte"),
    ],
)
async def test_a_range_of(target: Target, uploaded: str, expect: Expect, asked: str, expected: str) -> None:
    for path in (SCRIPT, uploaded):
        answer = await ask(target, request("GET", path, {"Range": asked}))
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Content-Security-Policy" in answer.headers
    expect(expected, f"{answer.status}, {len(answer.body)} bytes")


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        pytest.param({"If-Range": '"another"', "Range": "bytes=0-0"}, 200, id="another version's tag: the whole"),
        pytest.param({"If-Range": "nonsense", "Range": "bytes=0-0"}, 200, id="nonsense: the whole"),
        pytest.param({"If-None-Match": "*", "Range": "bytes=0-0"}, 304, id="what is known: nothing"),
        pytest.param({"If-Match": '"another"', "Range": "bytes=0-0"}, 412, id="what must match: nothing"),
        pytest.param({"If-None-Match": ", ".join(['"x"'] * 1500)}, 200, id="1,500 tags"),
        pytest.param({"If-None-Match": '"' * 7000}, 200, id="7,000 quotation marks"),
        pytest.param({"If-Modified-Since": "Thu, 01 Jan 99999 00:00:00 GMT"}, 200, id="the year 99999"),
        pytest.param({"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 +9999"}, 200, id="a zone that cannot be"),
    ],
)
async def test_a_condition_with(
    target: Target, uploaded: str, expect: Expect, condition: dict[str, str], status: int
) -> None:
    seen = {(await ask(target, request("GET", path, condition))).status for path in (SCRIPT, uploaded)}
    expect({status}, seen)


async def test_packed_or_not_a_file_is_the_same_file(target: Target, uploaded: str, expect: Expect) -> None:
    """No coding is negotiated: nothing could be served as gzip that is only named so."""
    answers = [
        await ask(target, request("GET", uploaded, {"Accept-Encoding": coding})) for coding in ("gzip", "br")
    ]
    assert all("Content-Encoding" not in answer.headers for answer in answers)
    expect(1, len({answer.body for answer in answers}))
