"""nginx in front: the headers, limits and files that it is responsible for."""

from __future__ import annotations

import http.client
from email.message import Message

import pytest

from tests.stack.compose import Stack

pytestmark = pytest.mark.stack

ON_EVERY_RESPONSE = (
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Permissions-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-Request-Id",
)
HOSTILE = b"<script>document.title = 'taken over'</script>"


def ask(stack: Stack, method: str, path: str, body: bytes | None = None) -> tuple[int, Message, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/nowhere", 404),
        ("/api/auth/me", 401),
        ("/api/nothing/here", 404),
        ("/assets/vendor/socket.io.js", 200),
        ("/assets/nowhere.js", 404),
        ("/static/nowhere.png", 404),
        ("/socket.io/", 400),
    ],
)
def test_every_response_has_the_security_headers_once(stack: Stack, path: str, status: int) -> None:
    answered, headers, _ = ask(stack, "GET", path)
    assert answered == status
    assert {name: len(headers.get_all(name, [])) for name in ON_EVERY_RESPONSE} == dict.fromkeys(
        ON_EVERY_RESPONSE, 1
    )
    assert "aiohttp" not in str(headers).lower()


def test_a_body_over_the_limit_is_refused_in_the_words_of_the_api(stack: Stack) -> None:
    status, _, body = ask(stack, "POST", "/api/auth/login", b"x" * 66_000)
    assert status == 413
    assert b'"too_large"' in body


def test_assets_are_told_apart_by_version(stack: Stack) -> None:
    _, plain, _ = ask(stack, "GET", "/assets/vendor/socket.io.js")
    _, versioned, _ = ask(stack, "GET", "/assets/vendor/socket.io.js?v=1")
    assert plain["Content-Type"].startswith("text/javascript")
    assert plain["Cache-Control"] == "no-cache"
    assert "immutable" in versioned["Cache-Control"]


def test_uploads_are_served_from_the_volume_and_hostile_types_are_inert(stack: Stack) -> None:
    gateway = stack.containers("gateway")[0]
    for name in ("picture.png", "page.html", "drawing.svg", ".unfinished"):
        stack.docker("exec", gateway, "sh", "-c", f'printf %s "$1" >/uploads/{name}', "sh", HOSTILE.decode())

    status, headers, body = ask(stack, "GET", "/static/picture.png")
    assert (status, headers["Content-Type"], body) == (200, "image/png", HOSTILE)
    assert headers["Content-Disposition"] == "inline"
    for name in ("page.html", "drawing.svg"):
        status, headers, _ = ask(stack, "GET", f"/static/{name}")
        assert (status, headers["Content-Type"]) == (200, "application/octet-stream")
        assert headers["Content-Disposition"] == "attachment"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/static/.unfinished", "/static/", "/static/..%2f..%2fetc%2fpasswd"):
        assert ask(stack, "GET", path)[0] in {400, 404}


def test_no_gateway_is_a_clear_answer(stack: Stack) -> None:
    for gateway in stack.containers("gateway"):
        stack.kill(gateway)
    status, headers, body = ask(stack, "POST", "/api/auth/guest", b"{}")
    assert (status, headers["Retry-After"]) == (503, "1")
    assert b'"unavailable"' in body
    status, _, body = ask(stack, "GET", "/")
    assert status == 503
    assert b"Pulso is starting" in body
