"""Uploads with hostile names, hostile contents, too many at once, and broken off: inert, counted, or not there."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

import pytest

from tests.abuse.conftest import USER_MB, Expect
from tests.abuse.target import MEBIBYTE, Account, Target
from tests.raw_http import Answer, ask, connected, request
from tests.waiting import eventually

FILES: Final = "/api/chat/files"
PNG: Final = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40)
SCRIPT: Final = b"<html><script>alert(1)</script></html>"
RACING: Final = 20


def upload(account: Account, disposition: str | bytes, content: bytes) -> bytes:
    given = disposition if isinstance(disposition, bytes) else disposition.encode()
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; ' + given + b"\r\n\r\n" + content + b"\r\n--b--\r\n"
    )
    return request("POST", FILES, {**account.bearer, "Content-Type": "multipart/form-data; boundary=b"}, body)


@pytest.fixture(scope="module")
def ana(target: Target) -> Account:
    return target.user()


@pytest.mark.parametrize(
    ("disposition", "shown"),
    [
        pytest.param('filename="../../../etc/passwd"', "passwd", id="../"),
        pytest.param(r'filename="..\\..\\boot.ini"', "boot.ini", id="..\\"),
        pytest.param('filename="/etc/passwd"', "passwd", id="an absolute path"),
        pytest.param("filename*=UTF-8''..%2f..%2fetc%2fpasswd", "passwd", id="an escaped ../"),
        pytest.param('filename=".."', "..", id=".. alone"),
        pytest.param('filename="a%0d%0aX-Evil: y.png"', "a%0d%0aX-Evil: y.png", id="an escaped CRLF"),
        pytest.param('filename="a%00.png"', "a%00.png", id="an escaped NUL"),
        pytest.param(f'filename="{"x" * 300}.png"', "x" * 251 + ".png", id="300 characters"),
        pytest.param('filename="\u202egnp.exe"', "gnp.exe", id="a right-to-left override"),
        pytest.param('filename="a\u2066b\u2069.png"', "ab.png", id="bidi isolates"),
        pytest.param('filename="<img onerror=alert(1)>"', "<img onerror=alert(1)>", id="markup"),
        pytest.param('filename="CON"', "CON", id="a device of Windows"),
        pytest.param('filename="   "', "file", id="spaces"),
        pytest.param(b'filename="\xff\xfe.png"', ".png", id="bytes that are no UTF-8"),
        pytest.param('filename="index.html"', "index.html", id="index.html"),
        pytest.param('filename=".htaccess"', ".htaccess", id=".htaccess"),
    ],
)
async def test_a_name_is_only_ever_shown(
    target: Target, ana: Account, expect: Expect, disposition: str | bytes, shown: str
) -> None:
    answer = await ask(target, upload(ana, disposition, PNG))
    (file,) = answer.json["files"]
    assert file["url"].startswith("/static/chat-")
    assert file["url"].endswith(".png")
    assert (target.uploads / file["url"].removeprefix("/static/")).is_file()
    assert not any(name.lower().startswith("x-evil") for name in answer.headers)
    expect(shown, file["name"])


@pytest.mark.parametrize(
    "disposition",
    [
        pytest.param('filename="a\r\nX-Evil: y.png"', id="CRLF"),
        pytest.param('filename="a\0b.png"', id="NUL"),
        pytest.param("filename*=UTF-8''a%0d%0aX:%20y", id="CRLF in the extended form"),
        pytest.param("filename*=UTF-8''%ff%fe", id="bytes that are not what they are said to be"),
        pytest.param('filename="a.png', id="no end"),
        pytest.param('filename="a.png"; filename="b.html"', id="another name beside it"),
        pytest.param('filename=""', id="nothing in it"),
        pytest.param(f'filename="{"x" * 9000}.png"', id="9 KB"),
    ],
)
async def test_a_name_is_refused_and_nothing_kept_with(
    target: Target, ana: Account, expect: Expect, disposition: str
) -> None:
    before = set(target.uploads.iterdir())
    answer = await ask(target, upload(ana, disposition, PNG))
    assert set(target.uploads.iterdir()) == before
    expect("400 bad_request", str(answer))


@pytest.mark.parametrize(
    ("content", "served_as"),
    [
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', "attachment", id="SVG"),
        pytest.param(b"<?xml version='1.0'?><svg onload='alert(1)'/>", "attachment", id="SVG as XML"),
        pytest.param(b"<!doctype html>" + SCRIPT, "attachment", id="HTML"),
        pytest.param(b"\xef\xbb\xbf" + SCRIPT, "attachment", id="HTML behind a byte order mark"),
        pytest.param(b" " * 2000 + SCRIPT, "attachment", id="HTML behind 2,000 spaces"),
        pytest.param(b"<?xml version='1.0'?><x xmlns='http://www.w3.org/1999/xhtml'/>", "attachment", id="XHTML"),
        pytest.param(b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + SCRIPT, "attachment", id="MHTML"),
        pytest.param(b"alert(document.cookie)", "attachment", id="JavaScript"),
        pytest.param(b"CWS\x09" + bytes(60), "attachment", id="Flash"),
        pytest.param(b"\0asm\1\0\0\0", "attachment", id="WebAssembly"),
        pytest.param(b"PK\x03\x04" + bytes(60), "attachment", id="an archive"),
        pytest.param(b"MZ" + bytes(80), "attachment", id="a program"),
        pytest.param(b"<?php system($_GET[0]);", "attachment", id="PHP"),
        pytest.param(b"", "attachment", id="nothing"),
        pytest.param(b"GIF89a/*" + bytes(20) + b"*/=1;PK\x03\x04", "inline as image/gif", id="GIFAR"),
        pytest.param(b"GIF89a=1;alert(1)//" + bytes(20), "inline as image/gif", id="GIF and JavaScript"),
        pytest.param(PNG + SCRIPT, "inline as image/png", id="PNG and HTML"),
        pytest.param(b"\xff\xd8\xff\xe0\0\x10JFIF\0" + SCRIPT, "inline as image/jpeg", id="JPEG and HTML"),
        pytest.param(b"%PDF-1.7\n<</S/JavaScript>>", "inline as application/pdf", id="PDF that runs"),
    ],
)
async def test_what_was_uploaded_is_inert(target: Target, expect: Expect, content: bytes, served_as: str) -> None:
    """One of the few types that are shown, whatever a browser guesses; and a page of its own that runs nothing."""
    stored = await ask(target, upload(target.user(), 'filename="x.html"', content))
    answer = await ask(target, request("GET", stored.json["links"][0], {"Accept": "text/html"}))
    assert answer.body == content
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert {"default-src 'none'", "sandbox"} <= set(answer.headers["Content-Security-Policy"].split("; "))
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    kind, disposition = answer.headers["Content-Type"], answer.headers["Content-Disposition"]
    assert (disposition == "attachment") == (kind == "application/octet-stream")
    expect(served_as, disposition if disposition == "attachment" else f"{disposition} as {kind}")


async def test_uploads_that_race_the_quota_do_not_pass_it(target: Target, expect: Expect) -> None:
    """Who is told that there are too many at once comes again."""
    account = target.user()
    half = bytes(MEBIBYTE // 2)

    async def until_told(number: int) -> int:
        while True:
            answer = await ask(target, upload(account, f'filename="{number}"', half))
            if answer.status != 429:
                return answer.status
            await asyncio.sleep(int(answer.headers["Retry-After"]) / 10)

    before = kept_bytes(target)
    seen = Counter(await asyncio.gather(*map(until_told, range(RACING))))
    room = 2 * USER_MB
    expect({201: room, 413: RACING - room}, dict(seen))
    assert kept_bytes(target) - before == USER_MB * MEBIBYTE
    assert not under_way(target)


@pytest.mark.parametrize("ending", ["abort", "end"])
async def test_an_upload_that_ends_at_99_percent_leaves_nothing_by(
    target: Target, expect: Expect, ending: str
) -> None:
    account = target.user()
    before = set(target.uploads.iterdir())
    whole = upload(account, 'filename="a.png"', PNG + bytes(MEBIBYTE))
    async with connected(target) as connection:
        await connection.send(whole[: len(whole) * 99 // 100])
        await eventually(lambda: under_way(target))
        connection.abort() if ending == "abort" else connection.end()
        await eventually(lambda: not under_way(target))
    expect(set(), set(target.uploads.iterdir()) - before)
    fits = await ask(target, upload(account, 'filename="a.png"', PNG))
    assert fits.status == 201, "the turn was given back"


@pytest.mark.parametrize(
    ("size", "status"),
    [
        pytest.param(2 * MEBIBYTE, 201, id="of the most that is allowed"),
        pytest.param(2 * MEBIBYTE + 1, 413, id="of one byte more"),
    ],
)
async def test_a_file(target: Target, expect: Expect, size: int, status: int) -> None:
    answer: Answer = await ask(target, upload(target.user(), 'filename="a"', bytes(size)))
    expect(status, answer.status)


async def test_a_guest_stores_nothing(target: Target, expect: Expect) -> None:
    expect("403 forbidden", str(await ask(target, upload(target.guest(), 'filename="a.png"', PNG))))


def under_way(target: Target) -> bool:
    return any(path.name.startswith(".") for path in target.uploads.iterdir())


def kept_bytes(target: Target) -> int:
    return sum(path.stat().st_size for path in target.uploads.iterdir())
