"""Pages: where they may lead, who may see them, and that every answer hardens the browser, errors included."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

import pytest

from tests.abuse.conftest import Expect
from tests.abuse.target import Account, Target
from tests.raw_http import Answer, ask, post, request

HTML: Final = {"Accept": "text/html"}
HARDENING: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "pulso",
}


@pytest.fixture(scope="module")
def ana(target: Target) -> Account:
    return target.user()


@pytest.fixture(scope="module")
def guest(target: Target) -> Account:
    return target.guest()


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example", "/\t/evil.example",
        "/\n/evil.example", "\t//evil.example", " //evil.example", "https://evil.example", "https:evil.example",
        "http:/\\evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "evil.example",
        "?next=//evil.example", "/\x00/evil.example", "/x\r\nSet-Cookie: a=b", "@evil.example", "",
    ],
)  # fmt: skip
async def test_after_logging_in_nobody_is_sent_to(
    target: Target, ana: Account, expect: Expect, wanted: str
) -> None:
    path = "/login?next=" + quote(wanted, safe="")
    sent_on = await ask(target, request("GET", path, {"Cookie": ana.cookie, **HTML}))
    shown = await ask(target, request("GET", path, HTML))
    assert "Set-Cookie: a=b" not in sent_on.headers.values()
    assert f'"{wanted}"'.encode() not in shown.body or not wanted
    expect("302 /numbers", f"{sent_on.status} {sent_on.headers['Location']}")


@pytest.mark.parametrize(
    "wanted",
    [
        "/chat",
        "/chat?room=sala-1",
        "/%09/evil.example",
        "/%5cevil.example",
        "/@evil.example",
        "/./..//evil.example",
    ],
)
async def test_who_is_sent_on_stays_here(target: Target, ana: Account, expect: Expect, wanted: str) -> None:
    """As a browser resolves it: escapes stay escapes, and a path cannot become a host."""
    path = "/login?next=" + quote(wanted, safe="")
    location = (await ask(target, request("GET", path, {"Cookie": ana.cookie, **HTML}))).headers["Location"]
    expect((wanted, "", ""), (location, urlsplit(location).scheme, urlsplit(location).netloc))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("//evil.example?lang=en", id="two slashes"),
        pytest.param("/\\evil.example?lang=en", id="a slash and a backslash"),
        pytest.param("/%2f%2fevil.example?lang=en", id="escaped slashes"),
        pytest.param("/%0d%0aSet-Cookie:a=b?lang=en", id="a line break in the path"),
    ],
)
async def test_a_change_of_language_leads_nowhere_from(target: Target, expect: Expect, path: str) -> None:
    answer = await ask(target, request("GET", path, HTML))
    expect("404, no Location", f"{answer.status}, {answer.headers.get('Location', 'no Location')}")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/?lang=en%0d%0aSet-Cookie:a=b", id="a language"),
        pytest.param("/?lang=en&next=%0d%0aSet-Cookie:a=b", id="a query that is kept"),
        pytest.param("/login?next=/%0d%0aSet-Cookie:a=b", id="where to go next"),
        pytest.param("/login?next=%E5%98%8A%E5%98%8DSet-Cookie:a=b", id="letters that end in CR and LF"),
        pytest.param("/login?ended=%0d%0aSet-Cookie:a=b", id="why a session ended"),
        pytest.param("/api/x%0d%0aSet-Cookie:a=b/y", id="a path that is named in the error"),
    ],
)
async def test_no_header_is_made_of(target: Target, ana: Account, expect: Expect, path: str) -> None:
    answer = await ask(target, request("GET", path, {"Cookie": ana.cookie, **HTML}))
    cookies = [value for value in answer.headers.getall("Set-Cookie", []) if value.startswith("a=")]
    expect([], cookies)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-Request-Id": "<script>"}, id="a request id of markup"),
        pytest.param({"X-Request-Id": "x" * 500}, id="a request id of 500 characters"),
        pytest.param({"Accept-Language": "en;q=1e999,pt;q=nan," + "x," * 3000}, id="3,000 languages"),
        pytest.param({"Accept-Language": "\udcff"}, id="a language of bytes"),
        pytest.param({"Cookie": "lang=<script>; scheme='onload"}, id="a language and a colour of markup"),
        pytest.param({"Cookie": "=; =; a; ;;; lang==; " * 100}, id="cookies that are none"),
        pytest.param({"User-Agent": "' OR 1=1 --\udcff"}, id="a program's name with SQL and bytes"),
        pytest.param({"traceparent": "00-" + "f" * 500}, id="a trace that is none"),
        pytest.param({"Accept": "text/html;q=" + "9" * 5000}, id="a wish of 5,000 digits"),
    ],
)
async def test_a_page_is_shown_as_ever_to(target: Target, expect: Expect, headers: dict[str, str]) -> None:
    answer = await ask(target, request("GET", "/login", {**HTML, **headers}))
    assert b"onload" not in answer.body
    assert not set(headers.values()) & set(answer.headers.values())
    expect(200, answer.status)


@pytest.mark.parametrize("path", ["/log", "/ops"])
async def test_a_page_for_admins_is_for_admins(
    target: Target, ana: Account, guest: Account, expect: Expect, path: str
) -> None:
    cookies = {
        "admin": target.admin().cookie, "user": ana.cookie, "guest": guest.cookie, "nobody": "x=y",
    }  # fmt: skip
    seen = {
        who: (await ask(target, request("GET", path, {"Cookie": cookie, **HTML}))).status
        for who, cookie in cookies.items()
    }
    expect({"admin": 200, "user": 403, "guest": 403, "nobody": 403}, seen)


@pytest.mark.parametrize("path", ["/api/journal/messages", "/api/ops/status", "/api/sales/source"])
async def test_what_admins_ask_is_answered_to_no_one_else(
    target: Target, ana: Account, guest: Account, expect: Expect, path: str
) -> None:
    document = target.json("/api/openapi.json")["paths"][path]
    seen = set()
    for method in document:
        for headers in (ana.bearer, guest.bearer, {"Cookie": ana.cookie}, {"Cookie": guest.cookie}):
            asked = post(path, {}, headers) if method == "post" else request("GET", path, headers)
            seen.add(str(await ask(target, asked)))
        asked = post(path, {}) if method == "post" else request("GET", path)
        assert str(await ask(target, asked)) == "401 unauthorized"
    expect({"403 forbidden"}, seen)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(request("GET", "/nowhere", HTML), 404, id="a page that is not there"),
        pytest.param(request("GET", "/log", HTML), 403, id="a page for admins"),
        pytest.param(request("GET", "/api/no/where"), 404, id="an endpoint that is not there"),
        pytest.param(request("DELETE", "/login"), 404, id="a method that is not there (405)"),
        pytest.param(request("GET", "/static/none"), 404, id="an upload that is not there"),
        pytest.param(request("GET", "/assets/none"), 404, id="an asset that is not there"),
        pytest.param(request("GET", "/assets/js/socket.js", {"Range": "bytes=9-1"}), 416, id="a range backwards"),
        pytest.param(post("/api/numbers/set", {}), 401, id="who has not signed in"),
        pytest.param(post("/api/auth/guest", {}, {"Origin": "null"}), 403, id="another site"),
        pytest.param(post("/api/auth/guest", b"["), 400, id="a body that is no JSON"),
        pytest.param(post("/api/auth/guest", b" " * 70_000), 413, id="a body that is too large"),
        pytest.param(request("GET", "/socket.io/?EIO=3&transport=polling"), 400, id="a handshake that is refused"),
        pytest.param(request("GET", "/login", {"X": "y" * 9000}), 400, id="a header that is too long"),
        pytest.param(b"NONSENSE\r\n\r\n", 400, id="what is no HTTP"),
        pytest.param(request("GET", "/login", {"Host": "a/b"}), 400, id="a second Host"),
        pytest.param(request("OPTIONS", "*"), 404, id="OPTIONS *"),
    ],
)
async def test_every_error_hardens_the_browser(target: Target, expect: Expect, data: bytes, status: int) -> None:
    answer = await ask(target, data)
    assert hardening(answer) == HARDENING
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"] or "/assets/" in data.decode()
    assert not any(word in answer.body.lower() for word in (b"traceback", b"aiohttp", b"python", b".py"))
    expect(status, answer.status)


@pytest.mark.parametrize(
    "path",
    ["/", "/login", "/register", "/numbers", "/chat", "/people", "/fibonacci", "/sales", "/docs", "/docs/events"],
)
async def test_every_page_hardens_the_browser(target: Target, expect: Expect, path: str) -> None:
    answer = await ask(target, request("GET", path, HTML))
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert {"base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} <= set(policy.split("; "))
    assert answer.headers["Cache-Control"] == "no-store"
    expect(HARDENING, hardening(answer))


def hardening(answer: Answer) -> dict[str, str | None]:
    return {name: answer.headers.get(name) for name in HARDENING}
