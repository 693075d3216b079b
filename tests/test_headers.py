"""The headers that harden, on every response: of each route, each refusal, and of what is no HTTP at all."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any, Final

import pytest
from multidict import CIMultiDict

from services.gateway.pages import FRAME, PAGES
from tests.conftest import Stack
from tests.raw_http import JSON, ask, at, request

ON_EVERY_RESPONSE: Final = (
    "X-Content-Type-Options",
    "Referrer-Policy",
    "X-Frame-Options",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Permissions-Policy",
    "Content-Security-Policy",
    "Cache-Control",
)
GARBAGE: Final = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\xfc\r\n\r\n",
    "two lengths": b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a header of 64 KB": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 65_536 + b"\r\n\r\n",
    "an unknown Expect": b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nExpect: much\r\nContent-Length: 0\r\n\r\n",
    "a handshake that is refused": (
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\nCookie: pulso_session=x\r\n\r\n"
    ),
}


def _requests(document: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Each route by each of its methods and by one that it does not know, with nothing and with too much."""
    for path, methods in document["paths"].items():
        for method in [*methods, "delete"]:
            yield f"{method} {path}", request(method.upper(), path.replace("{name}", "nothing.png"))
    for page in PAGES:
        yield f"page {page.path}", request("GET", page.path)
        yield f"page {page.path} for a browser", request("GET", page.path, {"Accept": "text/html"})
    yield from (
        ("frame", request("GET", FRAME)),
        ("asset", request("GET", "/assets/js/site.js")),
        ("asset of a version", request("GET", "/assets/js/site.js?v=1")),
        ("no asset", request("GET", "/assets/nothing.js")),
        ("out of the assets", request("GET", "/assets/..%2f..%2fpyproject.toml")),
        ("no file", request("GET", "/static/..%2fx")),
        ("nowhere", request("GET", "/nowhere")),
        ("nowhere, for a person", request("GET", "/nowhere", {"Accept": "text/html"})),
        ("HEAD", request("HEAD", "/")),
        ("OPTIONS", request("OPTIONS", "/api/auth/login")),
        ("too large", request("POST", "/api/auth/login", {"Content-Type": JSON}, b" " * 70_000)),
        ("broken JSON", request("POST", "/api/auth/login", {"Content-Type": JSON}, b"{")),
        ("forgery", request("POST", "/api/auth/logout", {"Origin": "https://evil.example"})),
        ("polling", request("GET", "/socket.io/?EIO=4&transport=polling")),
        ("polling of an old version", request("GET", "/socket.io/?EIO=3&transport=polling")),
        ("polling of nobody", request("POST", "/socket.io/?EIO=4&transport=polling&sid=x", body=b"40")),
        *GARBAGE.items(),
    )


async def headers_of(address: str, sent: bytes) -> CIMultiDict[str]:
    answer = await ask(at(address), sent)
    assert answer.status
    return answer.headers


@pytest.fixture(scope="module")
def document(stack: Stack) -> Any:
    with urllib.request.urlopen(f"{stack.url}/api/openapi.json") as answer:
        return json.load(answer)


async def test_no_response_lacks_what_hardens(stack: Stack, document: dict[str, Any]) -> None:
    wrong = []
    for name, sent in _requests(document):
        headers = await headers_of(stack.url, sent)
        missing = [header for header in ON_EVERY_RESPONSE if len(headers.getall(header, [])) != 1]
        if missing or headers["Server"] != "pulso" or headers["X-Content-Type-Options"] != "nosniff":
            wrong.append((name, missing, headers["Server"]))
    assert wrong == []


async def test_whatever_is_private_is_kept_by_nobody(stack: Stack, document: dict[str, Any]) -> None:
    public = ("/.well-known/jwks.json", "/api/openapi.json", "/api/asyncapi.json", "/static/{name}")
    for path, methods in document["paths"].items():
        for method in methods:
            if path not in public:
                headers = await headers_of(stack.url, request(method.upper(), path))
                assert headers["Cache-Control"] == "no-store", (method, path)
    for page in PAGES:
        assert (await headers_of(stack.url, request("GET", page.path)))["Cache-Control"] == "no-store"


async def test_the_policy_of_scripts_knows_no_exception_but_the_sandboxed_frame(stack: Stack) -> None:
    for page in PAGES:
        policy = (await headers_of(stack.url, request("GET", page.path)))["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
    frame = await headers_of(stack.url, request("GET", FRAME))
    assert "sandbox allow-scripts" in frame["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in frame["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nowhere"])
async def test_the_ops_port_has_them_too(stack: Stack, path: str) -> None:
    headers = await headers_of(stack.ops_url, request("GET", path))
    assert not [header for header in ON_EVERY_RESPONSE if header not in headers]
    assert headers["Server"] == "pulso"


def test_the_document_names_uploaded_files(document: dict[str, Any]) -> None:
    assert set(document["paths"]["/static/{name}"]) == {"get"}
