"""What the gateway believes of a request: address, scheme, origin."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from pulso.errors import ServiceError
from services.gateway.requests import Edge, bearer_token

EDGE = Edge(trusted_proxies=["127.0.0.0/8"], origins=["https://app.example"])


def request(peer: str = "198.51.100.7", **headers: str) -> object:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    made = make_mocked_request("POST", "/", headers={"Host": "pulso.example", **named})
    return made.clone(remote=peer, scheme="http")


def test_a_stranger_cannot_choose_its_address() -> None:
    assert EDGE.address(request(X_Forwarded_For="203.0.113.9")) == "198.51.100.7"


def test_a_trusted_proxy_tells_the_address_it_saw() -> None:
    assert EDGE.address(request("127.0.0.1", X_Forwarded_For="6.6.6.6, 203.0.113.9")) == "203.0.113.9"
    assert EDGE.address(request("127.0.0.1", X_Forwarded_For="nonsense")) == "127.0.0.1"


def test_only_a_trusted_proxy_makes_a_request_secure() -> None:
    assert EDGE.is_secure(request("127.0.0.1", X_Forwarded_Proto="https"))
    assert not EDGE.is_secure(request(X_Forwarded_Proto="https"))


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
    with pytest.raises(ServiceError, match="forbidden"):
        EDGE.check_forgery(request(Origin=origin))


def test_our_own_and_allowed_origins_pass() -> None:
    for origin in ("http://pulso.example", "http://PULSO.example", "https://app.example"):
        assert EDGE.is_own_origin(request(Origin=origin))
        EDGE.check_forgery(request(Origin=origin))


def test_a_browser_that_says_cross_site_is_refused_without_an_origin() -> None:
    for site in ("cross-site", "same-site"):
        with pytest.raises(ServiceError, match="forbidden"):
            EDGE.check_forgery(request(Sec_Fetch_Site=site))
    EDGE.check_forgery(request(Sec_Fetch_Site="same-origin"))
    EDGE.check_forgery(request())


def test_without_an_origin_only_the_browser_itself_can_vouch_for_the_page() -> None:
    assert EDGE.is_own_origin(request(Sec_Fetch_Site="same-origin"))
    assert not EDGE.is_own_origin(request())
    assert not EDGE.is_own_origin(request(Sec_Fetch_Site="none"))


def test_bearer_tokens() -> None:
    assert bearer_token(request()) is None
    assert bearer_token(request(Authorization="Bearer abc")) == "abc"
    assert bearer_token(request(Authorization="bearer  abc ")) == "abc"
    assert bearer_token(request(Authorization="Basic abc")) == ""
