"""What the gateway believes of a request: address, scheme, origin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, web
from aiohttp.test_utils import make_mocked_request

from pulso.errors import ServiceError
from services.gateway.engine.handshake import AnyRequest, Handshake
from services.gateway.requests import Edge, bearer_token, check_form

EDGE = Edge(trusted_proxies=["127.0.0.0/8"], origins=["https://app.example"])


def request(peer: str = "198.51.100.7", **headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    made = make_mocked_request("POST", "/", headers={"Host": "pulso.example", **named})
    return made.clone(remote=peer, scheme="http")


def handshake(peer: str = "198.51.100.7", **headers: str) -> Handshake:
    return Handshake.of(request(peer, **headers))


Asking = Callable[..., AnyRequest]
both = pytest.mark.parametrize("asking", [request, handshake])


@both
def test_a_stranger_cannot_choose_its_address(asking: Asking) -> None:
    assert EDGE.address(asking(X_Forwarded_For="203.0.113.9")) == "198.51.100.7"


@both
def test_a_trusted_proxy_tells_the_address_it_saw(asking: Asking) -> None:
    assert EDGE.address(asking("127.0.0.1", X_Forwarded_For="6.6.6.6, 203.0.113.9")) == "203.0.113.9"
    assert EDGE.address(asking("127.0.0.1", X_Forwarded_For="nonsense")) == "127.0.0.1"
    assert EDGE.address(asking("127.0.0.1", X_Forwarded_For="fe80::1%eth0")) == "fe80::1"


@both
def test_only_a_trusted_proxy_makes_a_request_secure(asking: Asking) -> None:
    assert EDGE.is_secure(asking("127.0.0.1", X_Forwarded_Proto="https"))
    assert not EDGE.is_secure(asking(X_Forwarded_Proto="https"))


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "http://pulso.example.evil.example",
        "http://evil.example",
        "https://pulso.example",
        "http://pulso.example:8080",
        "http://pulso.example.",
        "http://pulso.example@evil.example",
        "http://PULSO.example/",
        "http://sub.pulso.example",
        "file://",
        "",
        "pulso.example",
    ],
)
def test_another_origin_is_not_ours(origin: str) -> None:
    assert not EDGE.is_own_origin(request(Origin=origin))
    assert not EDGE.is_own_origin(handshake(Origin=origin))
    with pytest.raises(ServiceError, match="forbidden"):
        EDGE.check_forgery(request(Origin=origin))


def test_our_own_and_allowed_origins_pass() -> None:
    for origin in ("http://pulso.example", "http://PULSO.example", "https://app.example"):
        assert EDGE.is_own_origin(request(Origin=origin))
        assert EDGE.is_own_origin(handshake(Origin=origin))
        EDGE.check_forgery(request(Origin=origin))


def test_a_browser_that_says_cross_site_is_refused_without_an_origin() -> None:
    for site in ("cross-site", "same-site"):
        with pytest.raises(ServiceError, match="forbidden"):
            EDGE.check_forgery(request(Sec_Fetch_Site=site))
    EDGE.check_forgery(request(Sec_Fetch_Site="same-origin"))
    EDGE.check_forgery(request())


@both
def test_without_an_origin_only_the_browser_itself_can_vouch_for_the_page(asking: Asking) -> None:
    assert EDGE.is_own_origin(asking(Sec_Fetch_Site="same-origin"))
    assert not EDGE.is_own_origin(asking())
    assert not EDGE.is_own_origin(asking(Sec_Fetch_Site="none"))


def test_a_handshake_has_the_cookies_of_its_request() -> None:
    cookies = {"Cookie": 'pulso_session=abc; odd[name]="x y"; =; pulso_session=second'}
    assert handshake(**cookies).cookies == request(**cookies).cookies
    assert handshake(**cookies).cookies["pulso_session"] == request(**cookies).cookies["pulso_session"]


def test_bearer_tokens() -> None:
    assert bearer_token(request()) is None
    assert bearer_token(request(Authorization="Bearer abc")) == "abc"
    assert bearer_token(request(Authorization="bearer  abc ")) == "abc"
    assert bearer_token(request(Authorization="Basic abc")) == ""


@pytest.mark.parametrize(
    ("target", "version", "headers"),
    [
        ("/", HttpVersion(0, 9), {"Host": "pulso"}),
        ("/", HttpVersion10, {"Host": "pulso", "Transfer-Encoding": "chunked"}),
        ("/", HttpVersion11, {"Host": ""}),
        ("/", HttpVersion11, {"Host": "pul so"}),
        ("/", HttpVersion11, {"Host": "a/b"}),
        ("/", HttpVersion11, {"Host": "a@b"}),
        ("/", HttpVersion11, {"Host": "<script>"}),
        ("/", HttpVersion11, {"Host": "pulso:port"}),
        ("http://elsewhere/", HttpVersion11, {"Host": "pulso"}),
        ("http://pulso.elsewhere/", HttpVersion11, {"Host": "pulso"}),
        ("https://pulso/", HttpVersion11, {"Host": "pulso"}),
        ("ftp://pulso/", HttpVersion11, {"Host": "pulso"}),
        ("pulso:443", HttpVersion11, {"Host": "pulso:443"}),
        ("/", HttpVersion11, {"Host": "pulso", **{f"X-{n}": "x" * 1000 for n in range(40)}}),
    ],
)
def test_what_http_forbids_is_refused(target: str, version: HttpVersion, headers: dict[str, str]) -> None:
    with pytest.raises(ServiceError, match="bad_request"):
        check_form(make_mocked_request("GET", target, headers=headers, version=version))


@pytest.mark.parametrize("host", ["pulso", "pulso.example:8080", "127.0.0.1:80", "[::1]:8080", "a_b.local", "x."])
def test_every_host_that_can_be_is_taken(host: str) -> None:
    for target in ("/", "*", f"http://{host}/api"):
        check_form(make_mocked_request("GET", target, headers={"Host": host}))
    check_form(make_mocked_request("GET", "/", version=HttpVersion10))
